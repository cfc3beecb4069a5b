# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers of DNS, by name. A new one is a class like `model.Provider`, a line in PROVIDERS and its option."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Provider
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.powerdns import PowerDns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53 import Route53

Params = Mapping[str, t.Any]


class _Maker(t.Protocol):
    """What a provider's class offers beside `model.Provider`."""

    def from_options(self, options: Params, clock: Clock) -> Provider:
        """The provider of these options. Nothing is asked yet. Raises OptionError naming the option."""


PROVIDERS: t.Final[Mapping[str, _Maker]] = {"powerdns": PowerDns, "route53": Route53}

#: The option of each provider.
SPECS: t.Final[Spec] = {
    "powerdns": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "server": {"type": "str", "default": "localhost"},
            "zone": {"type": "str", "required": True},
            "api_key_file": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "ca_cert": {"type": "path"},
        },
    },
    "route53": {
        "type": "dict",
        "options": {
            "zone_id": {"type": "str", "required": True},
            "endpoint_url": {"type": "str"},
            "profile": {"type": "str"},
            "aws_region": {"type": "str", "default": "us-east-1"},
            "bucket_file": {"type": "path"},
            "requests_per_s": {"type": "float", "default": 10.0},
            "burst": {"type": "float", "default": 50.0},
            "authority": {"type": "str"},
        },
    },
}


def provider_of(params: Params, clock: Clock) -> Provider:
    """The provider that is named. Raises OptionError."""
    return PROVIDERS[params["provider"]].from_options(_options(params), clock)


def authority_of(params: Params) -> str | None:
    """The name server that is asked what it answers, HOST:PORT; None when none is given."""
    return _options(params).get("authority")


def zone_of(params: Params) -> str:
    """The zone, as the provider knows it."""
    options = _options(params)
    return str(options.get("zone") or options.get("zone_id"))


def _options(params: Params) -> Params:
    name = params["provider"]
    if not params.get(name):
        raise OptionError(name, f"needed with provider {name}")
    return t.cast("Params", params[name])
