# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions make of the definitions, and of the revisions. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import (
    LARGEST_SUM,
    losing,
    moves,
    split_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_check import problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    dead,
    off_variant,
    on_variant,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import content_sha, grown
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    Flags,
    JsonObject,
    Record,
    Stamp,
    State,
)

#: In the metadata of a flag: the revision that changed it last.
_VERSION: t.Final = "version"
#: Decimal places that a share may have: 100 with seven of them is below the largest sum of weights.
_PLACES: t.Final = 7


def existing(state: State, name: str) -> JsonObject:
    """The definition of a flag that may be changed. Raises OptionError when there is none, and ReleaseError of kind
    `refused` when it is killed: a kill ends by a named restore and by nothing else."""
    if name not in state.flags:
        raise OptionError("flags", f"there is no flag {name}; make it with action set")
    _refuse_killed(state, name)
    return state.flags[name]


def toggled(name: str, flag: JsonObject, value: bool) -> JsonObject:
    """On or off for everybody, without targeting."""
    return {**_without_targeting(flag), "state": "ENABLED", "defaultVariant": _side(name, flag, value)}


def rolled_out(name: str, flag: JsonObject, percent: Decimal, reshuffle: bool) -> JsonObject:
    """On for that percentage of all users. "on" stays the first range, or the last one where it was that: so whoever
    has it keeps it while the percentage grows. Raises ReleaseError of kind `refused` when growing would take it from
    somebody all the same, or nobody can tell, unless `reshuffle` allows it.
    """
    on, off = _side(name, flag, True), _side(name, flag, False)
    if percent in (0, 100):
        # Without a range, users without a key are in it as well.
        made = toggled(name, flag, percent == 100)
    else:
        old = split_of(flag)
        entries = [
            [on, weight] if side else [off, weight] for side, weight in zip((1, 0), _weights(percent), strict=True)
        ]
        if old is not None and [entry[0] for entry in old.entries] == [off, on]:
            entries.reverse()
        by = [old.by] if old is not None and old.by is not None else []
        made = {**_without_targeting(flag), "state": "ENABLED", "defaultVariant": off}
        made["targeting"] = {"fractional": [*by, *entries]}
    if not reshuffle:
        _must_be_stable(name, flag, made, on, percent)
    return made


def split_up(name: str, flag: JsonObject, weights: Mapping[str, Decimal]) -> JsonObject:
    """Variants with weights. Variants that were in it keep their order, so that as few users as can be change sides."""
    unknown = sorted(set(weights) - set(flag["variants"]))
    if unknown:
        raise OptionError(
            "weights", f"{', '.join(unknown)} is no variant of {name}, which has {', '.join(flag['variants'])}"
        )
    old = split_of(flag)
    before = [entry[0] for entry in old.entries if entry[0] in weights] if old is not None else []
    order = list(dict.fromkeys([*before, *weights]))
    by = [old.by] if old is not None and old.by is not None else []
    whole = _whole([weights[one] for one in order], "weights")
    entries = [[variant, weight] for variant, weight in zip(order, whole, strict=True)]
    return {**flag, "state": "ENABLED", "targeting": {"fractional": [*by, *entries]}}


def checked(definitions: Flags, option: str) -> None:
    """Raise OptionError with everything that is wrong with these definitions, by the option that they came by."""
    found = [f"{name}: {problem}" for name, flag in definitions.items() for problem in problems(name, flag)]
    if found:
        raise OptionError(option, "; ".join(found))


def set_back(state: State, old: Flags) -> dict[str, JsonObject | None]:
    """What makes the content of an old revision of today's: definitions by flag, None for one that goes. A killed flag
    that the old revision did not have stays: without it clients would use the default in their own code, which may be
    on."""
    wanted: dict[str, JsonObject | None] = dict.fromkeys(name for name in state.flags if name not in dead(state.kills))
    return {**wanted, **old}


def stays_killed(state: State, old: Flags) -> list[str]:
    """What is told of the killed flags that `set_back` leaves."""
    kills = dead(state.kills)
    return [
        f"{name}: was killed by {kills[name].stamp.actor} ({kills[name].stamp.reason}) and stays, although that "
        "revision did not have it"
        for name in sorted(state.flags)
        if name in kills and name not in old
    ]


def changed(state: State, definitions: Mapping[str, JsonObject | None]) -> dict[str, JsonObject | None]:
    """Those of the definitions that are others than now. The revision in their metadata is no difference."""
    return {
        name: flag
        for name, flag in definitions.items()
        if plain(flag) != plain(state.flags.get(name)) or (flag is None) != (name not in state.flags)
    }


def next_state(
    state: State,
    definitions: Mapping[str, JsonObject | None],
    action: str,
    stamp: Stamp,
    highest: int,
    *,
    release: str | None = None,
) -> State:
    """The state with these definitions as a new revision, made by that `release`. A number is never used again: it is
    one above the `highest` that any store has."""
    revision = max(highest, state.revision) + 1
    flags = {name: flag for name, flag in state.flags.items() if name not in definitions}
    for name, flag in definitions.items():
        if flag is not None:
            flags[name] = {**flag, "metadata": {**(flag.get("metadata") or {}), _VERSION: str(revision)}}
    digest = content_sha(flags)
    both = {name: {"before": state.flags.get(name), "after": flags.get(name)} for name in sorted(definitions)}
    record = Record(revision, action, stamp, digest, both, release)
    past = dict(state.past) if state.past or not state.flags else {state.revision: content_sha(state.flags)}
    return dataclasses.replace(state, revision=revision, flags=flags, record=record, past=grown(past, revision, digest))


def _refuse_killed(state: State, name: str) -> None:
    """Raise ReleaseError of kind `refused` for a flag that is killed."""
    kill = dead(state.kills).get(name)
    if kill is not None:
        raise ReleaseError(
            f"{name} was killed by {kill.stamp.actor} ({kill.stamp.reason}); nothing was written. Restore it first",
            kind="refused",
            system="guard",
        )


def _side(name: str, flag: JsonObject, value: bool) -> str:
    found = on_variant(flag) if value else off_variant(flag)
    if found is None:
        word = "on" if value else "off"
        raise OptionError(
            "flags", f"{name}: no variant is {word}; name it in metadata as {word}, or use action ab with its variants"
        )
    return found


def _without_targeting(flag: JsonObject) -> JsonObject:
    return {key: value for key, value in flag.items() if key != "targeting"}


def plain(flag: JsonObject | None) -> JsonObject | None:
    """A definition as it is compared: without the revision in its metadata, which each change writes anew."""
    if flag is None:
        return None
    metadata = {key: value for key, value in (flag.get("metadata") or {}).items() if key != _VERSION}
    made = {key: value for key, value in flag.items() if key not in ("metadata", "targeting")}
    # An empty one is none.
    return made | {key: value for key, value in (("metadata", metadata), ("targeting", flag.get("targeting"))) if value}


def _must_be_stable(name: str, before: JsonObject, after: JsonObject, on: str, percent: Decimal) -> None:
    old = split_of(before)
    if before.get("state") == "DISABLED":
        # Nobody has it by the server's word.
        return
    found = moves(before, after)
    if found is None or old is None:
        raise _reshuffled(f"{name}: its targeting is more than a percentage, and nobody can tell who would lose {on}")
    had = Decimal(sum(weight for variant, weight in old.entries if variant == on)) * 100 / old.total
    lost = losing(found, on)
    if percent >= had and lost > 0:
        raise _reshuffled(f"{name}: {lost * 100:.4g} % of all users would lose {on}, which grows from {had:.7g} %")


def _reshuffled(why: str) -> ReleaseError:
    return ReleaseError(
        f"{why}; nothing was written. Set reshuffle to do it all the same", kind="refused", system="guard"
    )


def _weights(percent: Decimal) -> list[int]:
    return _whole([percent, 100 - percent], "percent")


def _whole(shares: Sequence[Decimal], option: str) -> list[int]:
    """The same shares as whole weights: by the smallest power of ten that shows all of them exactly. Raises OptionError
    that names the `option` they came by."""
    places = max(0, *(-int(share.normalize().as_tuple().exponent) for share in shares))
    if places > _PLACES:
        raise OptionError(option, f"has {places} decimal places; give at most {_PLACES}")
    found = [int(share.scaleb(places)) for share in shares]
    if sum(found) > LARGEST_SUM:
        raise OptionError(option, f"add up to {sum(found)} with {places} decimal places; at most {LARGEST_SUM}")
    return found
