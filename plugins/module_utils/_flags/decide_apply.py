# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy wants of several flags at once: each a switch, a percentage, or a whole definition. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import (
    existing,
    refuse_killed,
    rolled_out,
    toggled,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, State

#: On or off for everybody, a percentage of all users, or a definition in flagd's format.
Wanted = t.Union[bool, Decimal, JsonObject]  # noqa: UP007 - pylint knows no | here, and no name in a string


def applied(state: State, wanted: Mapping[str, Wanted], reshuffle: bool) -> dict[str, JsonObject]:
    """The definitions. Raises OptionError for a flag that is not there and is no definition, and ReleaseError of kind
    `refused` for one that is killed."""
    return {name: _applied(state, name, one, reshuffle) for name, one in wanted.items()}


def _applied(state: State, name: str, wanted: Wanted, reshuffle: bool) -> JsonObject:
    if isinstance(wanted, dict):
        refuse_killed(state, name)
        return wanted
    if isinstance(wanted, bool):
        return toggled(name, existing(state, name), wanted)
    return rolled_out(name, existing(state, name), wanted, reshuffle)
