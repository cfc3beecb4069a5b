# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags, states and kills for tests, by hand and by hypothesis."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import content_sha, grown
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    Flags,
    Kill,
    Kills,
    Record,
    Stamp,
    State,
)
from hypothesis import strategies as st

Json = dict[str, t.Any]

ANNA: t.Final = Stamp(1_800_000_000.0, "anna", "a test")
NAMES: t.Final = ("margin_trading", "high_frequency", "new_fees")


def switch(default: str = "off", **more: t.Any) -> Json:
    """A flag with the variants on and off."""
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": default, **more}


def fractional(*entries: tuple[str, int]) -> Json:
    return {"fractional": [[variant, weight] for variant, weight in entries]}


def state_of(
    flags: Flags, revision: int = 1, kills: Kills | None = None, past: t.Mapping[int, str] | None = None
) -> State:
    """A state as an action has made it."""
    digest = content_sha(flags)
    record = Record(
        revision, "set", ANNA, digest, {name: {"before": None, "after": flag} for name, flag in flags.items()}
    )
    return State(revision, flags, kills or Kills(), record, grown(past or {}, revision, digest))


def a_kill(flag: str, number: int = 1, at: float = 1_800_000_000.0) -> Kill:
    return Kill(f"{flag}.{number}", flag, Stamp(at, "ben", "it loses money"))


def killed(*flags: str) -> Kills:
    return Kills({one.id: one for one in map(a_kill, flags)})


_stamps = st.builds(Stamp, st.integers(0, 9).map(float), st.sampled_from(["anna", "ben"]), st.just("why"))


@st.composite
def any_kills(draw: st.DrawFn) -> Kills:
    """Kills of a few flags with ids that two of them share now and then, and restores, also of kills not seen."""
    ids = [f"{flag}.{number}" for flag in NAMES for number in range(3)]
    found = draw(st.sets(st.sampled_from(ids)))
    restored = draw(st.dictionaries(st.sampled_from(ids), _stamps, max_size=4))
    return Kills({one: Kill(one, one.split(".")[0], draw(_stamps)) for one in sorted(found)}, restored)


any_weights = st.lists(st.integers(0, 1000), min_size=2, max_size=5).filter(sum)
any_flag = st.one_of(
    st.sampled_from(
        [switch("on"), switch("off"), switch("off", metadata={"owner": "trading", "expires": "2027-01-31"})]
    ),
    st.integers(0, 100).map(lambda share: switch("off", targeting=fractional(("on", share), ("off", 100 - share)))),
)
any_flags = st.dictionaries(st.sampled_from(NAMES), any_flag)


@st.composite
def any_state(draw: st.DrawFn) -> State:
    return state_of(draw(any_flags), draw(st.integers(0, 60)), draw(any_kills()))
