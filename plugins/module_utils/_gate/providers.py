# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metric providers. A new one is a class in its own file, its name in PROVIDERS, and its option's documentation."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.prometheus import Prometheus
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import MetricProvider

Params = Mapping[str, t.Any]

#: What the modules have options for.
PROVIDERS: t.Final[tuple[type[MetricProvider], ...]] = (Prometheus,)


def argument_spec() -> Spec:
    """The option of each provider."""
    return merge(*({one.OPTION: {"type": "dict", "options": one.SPEC}} for one in PROVIDERS))


def chosen(params: Params) -> type[MetricProvider] | None:
    """The provider that is configured, or None. Raises OptionError when more than one is."""
    given = [one for one in PROVIDERS if params[one.OPTION]]
    if len(given) > 1:
        raise OptionError(given[0].OPTION, f"give only one of {', '.join(one.OPTION for one in given)}")
    return given[0] if given else None


def must_choose(params: Params, why: str) -> type[MetricProvider]:
    """The provider that is configured. Raises OptionError that names all of them, and `why`, when there is not one."""
    found = chosen(params)
    if found is None:
        raise OptionError(" or ".join(one.OPTION for one in PROVIDERS), why)
    return found


def connect(params: Params, clock: Clock) -> MetricProvider:
    """The configured provider, ready to be asked. Nothing is asked yet. Raises OptionError naming the option."""
    found = must_choose(params, "there is no metric provider")
    return found.connect(params[found.OPTION], clock)
