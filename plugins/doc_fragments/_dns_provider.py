# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options that say which provider of DNS is asked, and how."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_dns.providers.SPECS`: one option for each provider."""

    DOCUMENTATION = r"""
options:
  provider:
    description: Which provider has the set. The option of that name is needed.
    type: str
    required: true
    choices: [powerdns, route53]
  powerdns:
    description: A PowerDNS authoritative server with its HTTP API and LUA records.
    type: dict
    suboptions:
      url:
        description: The address of its API, without C(/api/v1).
        type: str
        required: true
      server:
        description: The id of the server in the API.
        type: str
        default: localhost
      zone:
        description: The zone.
        type: str
        required: true
      api_key_file:
        description: A file with the API key.
        type: path
        required: true
      authority:
        description: Where its answers are asked, as C(HOST:PORT).
        type: str
        required: true
      ca_cert:
        description: A file with the authorities to trust.
        type: path
  route53:
    description: Amazon Route 53. Credentials are those of boto3.
    type: dict
    suboptions:
      zone_id:
        description: The id of the hosted zone.
        type: str
        required: true
      endpoint_url:
        description: Another endpoint than Amazon's.
        type: str
      profile:
        description: The profile of the credentials.
        type: str
      aws_region:
        description: The region of the API, which Route 53 has only one of.
        type: str
        default: us-east-1
      bucket_file:
        description: A file in which the processes of this controller share their requests per second.
        type: path
      requests_per_s:
        description: How many requests per second the account may make.
        type: float
        default: 10.0
      burst:
        description: How many requests may come at once.
        type: float
        default: 50.0
      authority:
        description: One of the zone's name servers, as C(HOST:PORT). Without it no answers are counted.
        type: str
"""
