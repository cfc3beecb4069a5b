# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options that say which metric provider is asked, and how."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `providers.argument_spec`: one option for each provider."""

    DOCUMENTATION = r"""
options:
  prometheus:
    description:
      - The Prometheus to ask. Needed by every option that holds a query or a selector of a counter.
      - Queries of one round are asked for the same instant of the server's own clock.
    type: dict
    suboptions:
      url:
        description: Its address, with the path in front of C(/api/v1) if there is one.
        type: str
        required: true
      ca_cert:
        description: A file with the authorities to trust.
        type: path
      token_file:
        description: A file with a bearer token, read again for every query.
        type: path
      headers:
        description: Headers to send, for example for a tenant.
        type: dict
      timeout_s:
        description: How long one answer may take. A task that is waiting for one may last so much longer.
        type: float
        default: 2.0
      stale_s:
        description:
          - An older newest sample is no sample; two scrapes. M(pincex.zero_downtime.k8s_rollout_gate) uses it for
            C(counters), and for C(metrics) with C(age_query). M(pincex.zero_downtime.k8s_traffic) does not.
        type: float
        default: 30.0
"""
