# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a region did not trade, by its engine's journal."""

from __future__ import annotations

import typing as t

from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.trading import Trading, trading_of

Json = dict[str, t.Any]


def event(at_s: float, kind: str = "order") -> Json:
    return {"seq": 1, "at": int(1000 * at_s), "kind": kind}


def cut(closed_s: float, opened_s: float) -> list[Json]:
    return [event(closed_s, "epoch_closed"), event(opened_s, "epoch_opened")]


def test_the_longest_gap_and_the_longest_cut() -> None:
    events = [event(1), event(1.5), *cut(2, 2.4), event(2.5), *cut(3, 9), event(9.1), event(9.2, "settle")]
    assert trading_of(events, 10_000) == Trading(orders=4, gap_s=6.6, closed_s=6.0, is_open=True)


def test_what_came_before_the_first_order_is_no_gap_and_what_never_came_back_is_one() -> None:
    assert trading_of([event(1, "epoch_opened"), event(50)], 50_000).gap_s == 0
    stopped = trading_of([event(1), event(2, "epoch_closed"), event(3, "settle")], 21_000)
    assert stopped == Trading(orders=1, gap_s=20.0, closed_s=19.0, is_open=False)
    assert trading_of([], 5_000) == Trading(orders=0, gap_s=0.0, closed_s=0.0, is_open=True)


def test_what_is_said_of_it() -> None:
    assert Trading(9, 11.9, 11.9, True).violations("us", 10) == []
    assert Trading(9, 12.3, 12.2, False).violations("us", 10) == [
        "us: the journal ends with a closed epoch",
        "us: an epoch was closed for 12.2 s, with a deadline of 10 s",
        "us: no order was accepted for 12.3 s, with a deadline of 10 s",
    ]
    assert Trading(0, 0, 0, True).violations("us", 10) == ["us: no order was accepted"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30_000), min_size=1), st.integers(0, 10_000))
def test_no_gap_is_longer_than_said(at_ms: list[int], more_ms: int) -> None:
    at_ms.sort()
    ended_ms = at_ms[-1] + more_ms
    found = trading_of([{"at": at, "kind": "order"} for at in at_ms], ended_ms)
    later = [*at_ms[1:], ended_ms]
    assert found.gap_s == max(after - at for at, after in zip(at_ms, later, strict=True)) / 1000
