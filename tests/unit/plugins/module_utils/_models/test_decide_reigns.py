# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was the champion when."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_reigns import Reign, reigns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Aliases,
    Entry,
    Registered,
    State,
)


def change(before: str | None, after: str | None, at: float, state: State = "done") -> Entry:
    then: list[Aliases] = [{"champion": one} if one is not None else {} for one in (before, after)]
    return Entry(f"id-{at}", "promoted", after or "", "anna", f"why {at}", at, then[0], then[1], state)


def test_one_after_the_other() -> None:
    found = Registered({"champion": "2"}, (change(None, "1", 10), change("1", "2", 20)))
    assert reigns(found) == [Reign("1", 10, 20, "anna", "why 10"), Reign("2", 20, None, "anna", "why 20")]


def test_what_was_there_before_us_and_what_others_did_is_told_without_a_time() -> None:
    found = Registered({"champion": "9"}, (change("1", "2", 10), change("3", "4", 20)))
    assert [(one.version, one.since, one.until) for one in reigns(found)] == [
        ("1", None, 10),
        ("2", 10, None),
        ("3", None, 20),
        ("4", 20, None),
        ("9", None, None),
    ]


def test_what_was_not_done_or_moved_no_champion_does_not_count() -> None:
    entries = (change("1", "2", 10, "dropped"), change("1", "2", 20, "begun"), change("1", "1", 30))
    assert reigns(Registered({"champion": "1"}, entries)) == [Reign("1", None)]


def test_nobody_serves() -> None:
    assert reigns(Registered({})) == [Reign(None, None)]
