# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which two versions are judged, since when, and where the challenger is on its ladder. Pure.

In a region the note on the route says so, in the fleet the aliases and the history of the registry. What the task gives
counts more than either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import named
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Position, Strategy
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import Note, Traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Alias,
    Registered,
    Version,
    names_of,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """`champion`, `challenger`: as the records of their answers name them. After a promotion `challenger` is the
    champion of now and `champion` the one before. `weights`: percent by step, `step` an index in them. `since`: unix
    seconds, when the step or the promotion was. `mirrored`: the share of the champion's requests that is copied, 0 to
    1. `serves`: the challenger has requests of its own."""

    champion: str
    challenger: str
    strategy: Strategy
    weights: tuple[int, ...]
    step: int
    since: float
    promoted: bool
    mirrored: float
    serves: bool

    @property
    def weight(self) -> int:
        """Percent of the traffic that the challenger has."""
        return 100 if self.promoted else self.weights[self.step]

    def position(self, now: float) -> Position:
        """`now`: unix seconds."""
        return Position(self.step, max(0.0, now - self.since), self.promoted)


def case_of_route(options: Options, note: Note, traffic: Traffic) -> Case:
    """What is judged in a region. Raises OptionError."""
    must_be_meant(options, note)
    champion = options.champion or note.champion
    if not champion:
        raise OptionError("champion", "needed: the note on the route does not say which version it was")
    _must_differ(champion, note.challenger)
    return Case(
        champion,
        note.challenger,
        note.strategy,
        note.weights,
        note.step,
        note.since if options.since is None else options.since,
        note.promoted,
        traffic.copies[note.slot] / 100,
        traffic.shares[note.slot] > 0,
    )


def must_be_meant(options: Options, note: Note) -> None:
    """Raise OptionError when the challenger is another version than the task says."""
    if options.version and options.version != note.challenger:
        role = "champion" if note.promoted else "challenger"
        raise OptionError("version", f"is {options.version}, and the {role} here is {note.challenger}; look who it was")


def _must_differ(champion: str, challenger: str) -> None:
    if champion == challenger:
        told = f"is {champion}, and the challenger is {champion} too"
        raise OptionError("champion", f"{told}; give the version that it is to be compared with")


def case_of_registry(options: Options, found: Registered, versions: Sequence[Version]) -> Case:
    """What is judged in the fleet. Raises OptionError, and what `named` raises."""
    names = names_of(versions)
    aliases = found.aliases
    number = named(versions, options.version).number if options.version else aliases.get("challenger")
    if number is None:
        raise OptionError("version", "needed: no version has the alias challenger")
    promoted = aliases.get("champion") == number
    role: Alias = "previous_champion" if promoted else "champion"
    champion_number = named(versions, options.champion).number if options.champion else aliases.get(role, "")
    champion = names.get(champion_number, "")
    if not champion:
        raise OptionError("champion", f"needed: no version has the alias {role}")
    _must_differ(champion, names[number])
    since = options.since
    if since is None and options.weight not in (None, options.weights[0]) and not promoted:
        raise OptionError("since", f"needed with weight {options.weight}: the registry knows only of the first step")
    if since is None:
        since = _since(found, "champion" if promoted else "challenger", number)
    if since is None:
        problem = f"needed: the history of the registry does not say since when {names[number]} has its alias"
        raise OptionError("since", problem)
    return _fleet_case(options, champion, names[number], since, promoted)


def case_given(options: Options) -> Case:
    """What the task itself says is judged."""
    return _fleet_case(options, options.champion, options.version, options.since or 0.0, False)


def _fleet_case(options: Options, champion: str, challenger: str, since: float, promoted: bool) -> Case:
    weights = options.weights
    step = len(weights) - 1 if promoted else weights.index(weights[0] if options.weight is None else options.weight)
    shadows = options.strategy == "shadow" and not promoted
    mirrored = options.percent / 100 if shadows else 0.0
    return Case(
        champion, challenger, options.strategy, weights, step, since, promoted, mirrored, promoted or weights[step] > 0
    )


def _since(found: Registered, alias: Alias, number: str) -> float | None:
    """When the version got the alias that it has; unix seconds, None when nobody wrote it down."""
    for entry in reversed(found.history):
        if entry.state == "done" and entry.before.get(alias) != entry.after.get(alias) == number:
            return entry.at
    return None
