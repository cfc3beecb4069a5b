# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the option `health` of the gate."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `health_check.SPEC`."""

    DOCUMENTATION = r"""
requirements:
  - jmespath (with O(health[].body))
options:
  health:
    description:
      - Endpoints to ask at every look. All of them are asked at once, each by a new connection, without following
        redirects.
      - No answer is a failed check, and not lost sight.
      - An endpoint is not asked again before it has answered, so one that hangs fails once in O(health[].timeout_s).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in reasons and evidence.
        type: str
        required: true
      url:
        description:
          - What to ask for by HTTP. Either this or O(health[].tcp).
          - Refused with user and password in it; O(health[].headers) is the place for them. Its query is never shown.
        type: str
      tcp:
        description: Where to connect to, as V(HOST:PORT). Either this or O(health[].url).
        type: str
      status:
        description: The HTTP status codes that are good.
        type: list
        elements: int
        default: [200]
      max_ms:
        description: The longest time from looking up the name to the last byte of the answer.
        type: float
      body:
        description:
          - A JMESPath expression that has to give V(true), and nothing else, for the answer's body. The body has to be
            JSON of at most 1 MB.
          - A field that is not there is null, so C(state != 'down') is true without the field; C(state == 'up') is not.
        type: str
      headers:
        description: Headers to send. They are never shown.
        type: dict
      ca_cert:
        description: A file with the authorities to trust, for https.
        type: path
      timeout_s:
        description: How long one answer may take, at most 60.
        type: float
        default: 2.0
      consecutive:
        description:
          - So many failed checks in a row are proof. With fewer it does not pass, and a good one starts the count anew.
        type: int
        default: 3
      weight:
        description: V(warning) never decides; it is told.
        type: str
        choices: [critical, warning]
        default: critical
      service:
        description: The service that it speaks of, for O(trip); all of them when it is empty.
        type: str
        default: ""
"""
