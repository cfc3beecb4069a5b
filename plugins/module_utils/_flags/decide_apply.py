# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy wants of several flags at once: each a switch, a percentage, or a whole definition. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import (
    existing,
    rolled_out,
    toggled,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, State

#: On or off for everybody, a percentage of all users, or a definition in flagd's format.
Wanted = t.Union[bool, Decimal, JsonObject]  # noqa: UP007 - pylint knows no | here, and no name in a string


@dataclasses.dataclass(frozen=True)
class Applied:
    """What is written, and a sentence for each flag that is passed over."""

    definitions: Mapping[str, JsonObject]
    kept: tuple[str, ...]


def applied(state: State, wanted: Mapping[str, Wanted], reshuffle: bool) -> Applied:
    """What becomes of the set. A killed flag is passed over: its kill wins, and a release that was going on when it was
    killed, or whose inventory names it still, is no reason to take the new version back from everybody. Raises
    OptionError for a flag that is not there and is no definition."""
    killed = dead(state.kills)
    return Applied(
        {name: _made_of(state, name, one, reshuffle) for name, one in wanted.items() if name not in killed},
        tuple(
            f"{name}: was killed by {killed[name].stamp.actor} ({killed[name].stamp.reason}) and stays killed, so it "
            "is passed over; restore_feature.yml ends the kill, and toggle_feature.yml switches it then"
            for name in wanted
            if name in killed
        ),
    )


def _made_of(state: State, name: str, wanted: Wanted, reshuffle: bool) -> JsonObject:
    if isinstance(wanted, dict):
        return wanted
    if isinstance(wanted, bool):
        return toggled(name, existing(state, name), wanted)
    return rolled_out(name, existing(state, name), wanted, reshuffle)
