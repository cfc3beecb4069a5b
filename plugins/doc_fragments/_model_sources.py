# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: where the records of answers and labels come from."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_models.sources.SPEC`."""

    DOCUMENTATION = r"""
options:
  sources:
    description:
      - Where O(state=judged) reads the answers of both versions, and what was right. Each source has a name and one of
        the other options, and all of them are read.
      - A record is a JSON object. An answer has C(id), C(ts) (when the request came, unix seconds), C(segment),
        C(version), C(out) (a class or a number, null where there is none), C(score), C(ms), and C(err) where it failed.
        A label has C(id), C(label), and C(ts) for when it became known.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, for messages.
        type: str
        required: true
      redis:
        description:
          - A Redis with the streams C(PREFIX:MODEL:answers) and C(PREFIX:MODEL:labels). Each entry has one field
            C(record), with a record or several on a line each.
        type: dict
        suboptions:
          url:
            description:
              - C(redis://HOST:PORT/DATABASE), or C(rediss://) for TLS. With O(sources[].redis.mode=sentinel) the hosts
                of the sentinels, and with O(sources[].redis.mode=cluster) some of the nodes, with commas in between.
              - It holds no user and no password.
            type: str
            required: true
          mode:
            description: Whether it is one server, the master that sentinels name, or a cluster.
            type: str
            choices: [single, sentinel, cluster]
            default: single
          service:
            description: The name of the master that sentinels watch.
            type: str
          username:
            description: The user of its ACL. It needs C(+xrange) on the keys.
            type: str
          password_file:
            description: A file with the password.
            type: path
          ca_cert:
            description: A file with the authorities to trust.
            type: path
          client_cert:
            description: A file with the certificate to show.
            type: path
          client_key:
            description: A file with the key of that certificate.
            type: path
          prefix:
            description: What the names of the streams begin with.
            type: str
            default: pincex-models
      json_lines:
        description:
          - A URL that answers with records, one on each line, in any order. It is asked with C(since) and C(until),
            unix seconds of their arrival.
        type: dict
        suboptions:
          url:
            description: The address. C({model}) in it stands for O(model). It holds no user and no password.
            type: str
            required: true
          token_file:
            description: A file with a bearer token.
            type: path
          ca_cert:
            description: A file with the authorities to trust.
            type: path
"""
