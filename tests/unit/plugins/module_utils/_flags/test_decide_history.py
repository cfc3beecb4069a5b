# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list of all changes."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_history import history
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import kill_again
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Kills, Record, Stamp
from flag_samples import a_kill, any_kills
from hypothesis import given, settings
from hypothesis import strategies as st


def record(revision: int, at: float = 10.0, action: str = "set") -> Record:
    return Record(revision, action, Stamp(at, "anna", "a test"), f"sha-{revision}", {})


@settings(deadline=None)
@given(st.lists(st.integers(1, 20).map(record)), any_kills(), st.integers(1, 30))
def test_every_change_is_in_it_once_until_the_limit(records: list[Record], kills: Kills, limit: int) -> None:
    everything = history(records, kills, 10_000)
    assert {one["revision"] for one in everything if one["revision"]} == {one.revision for one in records}
    assert len([one for one in everything if one["revision"]]) == len({one.revision for one in records})
    assert len([one for one in everything if one["action"] == "kill"]) == len(kills.killed)
    assert [one["at"] for one in everything] == sorted((one["at"] for one in everything), reverse=True)
    assert history(records, kills, limit) == everything[:limit]


def test_of_two_with_one_number_the_first_counts() -> None:
    (found,) = history([record(4, action="set"), record(4, action="toggle")], Kills(), 5)
    assert found["action"] == "set"


def test_revisions_of_one_second_are_in_their_order() -> None:
    assert [one["revision"] for one in history([record(2), record(10), record(9)], Kills(), 5)] == [10, 9, 2]


def test_one_restore_of_two_kills_is_one_line() -> None:
    both = {one.id: one for one in (a_kill("x", 1, 1.0), a_kill("x", 2, 2.0))}
    stamp = Stamp(3.0, "anna", "fixed")
    found = history([], Kills(both, dict.fromkeys(both, stamp)), 9)
    assert [one["action"] for one in found] == ["restore", "kill", "kill"]


def test_a_kill_that_a_later_one_has_replaced_was_not_restored() -> None:
    first, second = a_kill("x", 1, 1.0), a_kill("x", 2, 2.0)
    found = history([], kill_again(Kills({first.id: first}), [second]), 9)
    assert [one["action"] for one in found] == ["kill", "kill"]
