# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a set's flags, as properties over any history of releases and people."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import next_state, plain
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_flag_undo import (
    Step,
    WayBack,
    change_of,
    has_loose_ends,
    revisions_since,
    steps_of,
    steps_of_records,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Record, State
from flag_samples import ANNA, NAMES, fractional, killed, switch
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]
Flag = Json | None
SET: t.Final = "pincex-test"
PERSON: t.Final = None


@dataclasses.dataclass
class History:
    """Revisions of a set, each by a release or by a person."""

    state: State = dataclasses.field(default_factory=State)
    records: list[Record] = dataclasses.field(default_factory=list)

    def write(self, flags: t.Mapping[str, Flag], release: str | None) -> None:
        made = next_state(self.state, flags, "set", ANNA, self.state.revision, release=release)
        assert made.record is not None
        self.state = made
        self.records.append(made.record)

    def values(self) -> dict[str, Flag]:
        return {name: plain(flag) for name, flag in self.state.flags.items()}

    def steps(self, since: int = 0) -> list[Step]:
        return steps_of_records(record for record in self.records if record.revision > since)

    def undo(self, steps: t.Sequence[Step], release: str | None = "undo") -> WayBack:
        found = way_back(steps, self.state)
        if found.definitions:
            self.write(found.definitions, release)
        return found


authors = st.sampled_from([PERSON, "r1", "r2", "r3"])


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Each value is another one, so that it says who wrote it. Now and then a flag goes."""
    made, number = History(), itertools.count(1)
    for _ in range(draw(st.integers(0, 8))):
        names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
        flags: dict[str, Flag] = {}
        for name in sorted(names):
            goes = name in made.state.flags and draw(st.integers(0, 4)) == 0
            flags[name] = None if goes else switch(metadata={"mark": str(next(number))})
        made.write(flags, draw(authors))
    return made


def expected(history: History, since: int) -> dict[str, Flag]:
    """By the records themselves: of each flag what it was before the releases that wrote it last, in a row."""
    found = history.values()
    for name in NAMES:
        for record in reversed(history.records):
            if record.revision <= since or (name in record.changes and record.release is PERSON):
                break
            if name in record.changes:
                found[name] = plain(record.changes[name]["before"])
    return {name: flag for name, flag in found.items() if flag is not None}


@given(histories(), st.integers(0, 8))
def test_what_releases_made_goes_and_what_people_made_since_stays(history: History, since: int) -> None:
    wanted, before = expected(history, since), history.values()
    found = history.undo(history.steps(since))
    assert history.values() == wanted
    assert found.definitions.keys() == {name for name in NAMES if before.get(name) != wanted.get(name)}
    for sentence in found.kept:
        assert "somebody else has made it" in sentence


@given(histories(), st.integers(0, 8))
def test_a_way_back_that_is_run_again_has_nothing_to_do(history: History, since: int) -> None:
    history.undo(history.steps(since))
    there = history.values()
    assert history.undo(history.steps(since)).definitions == {} and history.values() == there


@given(histories(), st.integers(0, 8))
def test_several_releases_go_as_if_each_was_taken_back_by_itself_the_newest_first(history: History, since: int) -> None:
    one = History(history.state, list(history.records))
    for record in reversed(history.records):
        if record.revision > since and record.release is not PERSON:
            one.undo(steps_of_records(past for past in one.records if past.revision >= record.revision))
    history.undo(history.steps(since))
    assert one.values() == history.values()


@given(histories(), st.sets(st.sampled_from(NAMES)))
def test_a_kill_stays_and_no_killed_flag_goes(history: History, dead: set[str]) -> None:
    """Without a definition a client falls back to the default in its own code, which may be on."""
    steps, wanted = history.steps(), expected(history, 0)
    state = dataclasses.replace(history.state, kills=killed(*dead))
    found = way_back(steps, state)
    touched = {name for step in steps if not step.foreign for name in step.flags}
    assert {name for name in found.definitions if found.definitions[name] is None} & dead == set()
    for name in touched & dead:
        assert any(sentence.startswith(f"{name}: ") for sentence in found.kept)
    for name in set(NAMES) - dead:
        assert found.definitions.get(name, history.values().get(name)) == wanted.get(name)


@given(histories(), st.data())
def test_a_change_that_was_not_carried_out_is_no_change(history: History, data: st.DataObject) -> None:
    """An intent without an outcome may be anywhere between others."""
    wanted, steps = expected(history, 0), list[Step]()
    for step in history.steps():
        if data.draw(st.booleans()):
            lost = switch(metadata={"mark": "lost"})
            steps.append(Step({name: (old, lost) for name, (old, _new) in step.flags.items()}, known=False))
        steps.append(step)
    history.undo(steps)
    assert history.values() == wanted


def entry_of(history: History, done: bool = True, failed: str | None = None, flag_set: str = SET) -> Entry:
    made = Entry(1, "flags", "m", 0.0, (change_of(flag_set, "fleet", history.records[-1]),), done, failed)
    return Entry.from_text(made.to_text())


def test_a_journal_holds_what_a_way_back_needs() -> None:
    history = History()
    history.write({"margin_trading": switch("off", metadata={"owner": "trading"}), "old": switch("on")}, PERSON)
    history.write(
        {
            "margin_trading": switch("off", targeting=fractional(("on", 25), ("off", 75))),
            "new_fees": switch("on"),
            "old": None,
        },
        "r1",
    )
    entry = entry_of(history)
    assert steps_of([entry], SET) == history.steps(since=1) and steps_of([entry], "other") == []
    assert {name: both for change in entry.changes for name, both in change.fields.items()} == {
        "flags.margin_trading": {"before": "off", "after": "on for 25 %"},
        "flags.new_fees": {"before": "absent", "after": "on for everybody"},
        "flags.old": {"before": "on for everybody", "after": "absent"},
    }
    history.undo(steps_of([entry], SET))
    assert history.values() == {"margin_trading": switch("off", metadata={"owner": "trading"}), "old": switch("on")}


def test_the_same_change_under_another_number_is_the_same_entry() -> None:
    one, other = History(), History()
    other.write({"old": switch("on")}, PERSON)
    for made in (one, other):
        made.write({"margin_trading": switch("on")}, "r1")
    assert change_of(SET, "fleet", one.records[-1]) == change_of(SET, "fleet", other.records[-1])


@pytest.mark.parametrize(
    ("done", "failed", "steps", "loose"), [(True, None, 1, False), (False, None, 1, True), (False, "no", 0, False)]
)
def test_what_is_known_to_have_failed_is_no_step(done: bool, failed: str | None, steps: int, loose: bool) -> None:
    history = History()
    history.write({"margin_trading": switch("on")}, "r1")
    entry = entry_of(history, done, failed)
    assert (len(steps_of([entry], SET)), has_loose_ends([entry], SET)) == (steps, loose)
    assert not has_loose_ends([entry], "other")
    assert all(step.known is done for step in steps_of([entry], SET))


def test_what_stays_is_told_in_words() -> None:
    history = History()
    history.write({"margin_trading": switch("off"), "new_fees": switch("off")}, PERSON)
    history.write({"margin_trading": switch("on"), "new_fees": switch("on"), "more": switch("on")}, "r1")
    history.write({"margin_trading": switch("off", targeting=fractional(("on", 1), ("off", 3)))}, PERSON)
    state = dataclasses.replace(history.state, kills=killed("new_fees", "more"))
    found = way_back(history.steps(), state)
    # What the release had brought stays as something that is off: without it clients would use their own default.
    assert found.definitions == {"new_fees": switch("off"), "more": switch("off")}
    assert found.kept == (
        "margin_trading: somebody else has made it on for 25 % since, and it stays (the release had made it on for "
        "everybody; off before)",
        "more: was killed by ben (it loses money) and stays killed",
        "new_fees: was killed by ben (it loses money) and stays killed",
    )


def test_a_past_that_does_not_reach_back_is_refused() -> None:
    history = History()
    for number in range(60):
        history.write({"margin_trading": switch("on" if number % 2 else "off")}, PERSON)
    state = history.state
    assert revisions_since(state, 57) == [58, 59, 60] and revisions_since(state, 60) == []
    assert revisions_since(State(), 0) == [] and revisions_since(dataclasses.replace(state, past={}), 60) == []
    for since in (0, 10, 61):
        with pytest.raises(ReleaseError) as caught:
            revisions_since(state, since)
        assert caught.value.kind == "refused"
        assert caught.value.message.startswith(f"revision {since} is not in the past of the set, which is at 60 and")
