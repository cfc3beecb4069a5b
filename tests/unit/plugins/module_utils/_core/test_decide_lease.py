# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the lease."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.decide_lease import (
    Denied,
    Hold,
    LeaseState,
    Watch,
    decide_acquire,
    decide_hold,
    writes_until,
)
from hypothesis import given, settings
from hypothesis import strategies as st

HELD = LeaseState(holder="anna", token=4, duration_s=15, renewed_at=1000)


@pytest.mark.parametrize(
    ("lease", "now", "unchanged_s", "expected"),
    [
        (None, 0, 0, 1),
        (dataclasses.replace(HELD, holder=""), 1001, 0, 5),
        (HELD, 1001, 0, Denied.HELD),
        (HELD, 1014.9, 14.9, Denied.HELD),
        (HELD, 1015, 0, Watch.LAPSED),
        (HELD, 9999, 14.9, Watch.LAPSED),
        (HELD, 9999, 15, 5),
        # The observer's wall clock is behind; its own stopwatch counts.
        (HELD, 900, 15, 5),
        (dataclasses.replace(HELD, holder="bert"), 1001, 0, 4),
    ],
)
def test_acquire(lease: LeaseState | None, now: float, unchanged_s: float, expected: object) -> None:
    assert decide_acquire(lease, "bert", now, unchanged_s) == expected


@pytest.mark.parametrize(
    ("lease", "now", "expected"),
    [
        (HELD, 1004.9, Hold.HELD),
        (HELD, 1005, Hold.RENEW),
        (HELD, 9999, Hold.RENEW),
        (HELD, 999, Hold.RENEW),
        (None, 1001, Hold.LOST),
        (dataclasses.replace(HELD, token=5), 1001, Hold.LOST),
        (dataclasses.replace(HELD, holder="bert"), 1001, Hold.LOST),
        (dataclasses.replace(HELD, holder=""), 1001, Hold.LOST),
    ],
)
def test_hold(lease: LeaseState | None, now: float, expected: Hold) -> None:
    assert decide_hold(lease, "anna", 4, now, renew_s=5) is expected


@dataclasses.dataclass
class Actor:
    """One who wants the lease. Its wall clock may be wrong by `skew`; its stopwatch is right."""

    name: str
    skew: float
    token: int | None = None
    writes_until: float = -1.0
    seen: LeaseState | None = None
    seen_at: float = 0.0


MOVES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["acquire", "acquire", "write", "release", "die"]), st.floats(0, 9)),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(MOVES, st.tuples(*[st.floats(-40, 40)] * 3))
def test_never_two_writers_and_a_token_that_only_grows(
    moves: list[tuple[int, str, float]], skews: tuple[float, float, float]
) -> None:
    actors = [Actor(name, skew) for name, skew in zip("abc", skews, strict=True)]
    lease: LeaseState | None = None
    now = 1000.0
    tokens = [0]
    for who, move, passed in moves:
        now += passed
        actor = actors[who]
        local = now + actor.skew
        if move == "die":
            # A new process under a new name; its predecessor's writes may still be on their way until its fence.
            actors[who] = Actor(actor.name + "'", actor.skew)
            if actor.token is not None:
                actors.append(actor)
        elif move == "acquire" and actor.token is None:
            if lease != actor.seen:
                actor.seen, actor.seen_at = lease, now
            decided = decide_acquire(lease, actor.name, local, now - actor.seen_at)
            if isinstance(decided, int):
                lease = LeaseState(actor.name, decided, 15, local)
                actor.token, actor.writes_until = decided, writes_until(now, 15)
                tokens.append(decided)
        elif move == "write" and actor.token is not None:
            decided_hold = decide_hold(lease, actor.name, actor.token, local, 5)
            if decided_hold is Hold.LOST:
                actor.token, actor.writes_until = None, -1.0
            elif decided_hold is Hold.RENEW and lease is not None:
                lease = dataclasses.replace(lease, renewed_at=local)
                actor.writes_until = writes_until(now, 15)
        elif move == "release" and actor.token is not None and lease is not None:
            if (lease.holder, lease.token) == (actor.name, actor.token):
                lease = dataclasses.replace(lease, holder="")
            actor.token, actor.writes_until = None, -1.0
        assert sum(other.writes_until >= now for other in actors) <= 1
    assert tokens == sorted(set(tokens))
