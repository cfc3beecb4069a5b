# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text and back: nothing is lost, and nothing that was edited passes for what was written."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import summed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, overlaid
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import fit
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    content_sha,
    decode,
    encode,
    grown,
    page_flags,
    page_of,
    page_record,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Page, State, Texts
from flag_samples import any_state, fractional, killed, state_of, switch
from hypothesis import given, settings
from hypothesis import strategies as st

SET = "pincex-test"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["flags", "metadata", "variants", "off", "killed", "killId", "kills"]), inner)
    ),
    max_leaves=6,
)
FLAGS = {"margin_trading": switch("on", targeting=fractional(("on", 1), ("off", 3))), "new_fees": switch("on")}


@settings(deadline=None)
@given(any_state())
def test_what_is_written_is_read_as_it_was(state: State) -> None:
    assert decode(encode(state, SET)).state == state
    assert (decode(encode(state, SET)).problem, decode(encode(state, SET)).flag_set) == ("", SET)


@settings(deadline=None)
@given(any_state())
def test_clients_get_the_flags_with_the_kills_over_them(state: State) -> None:
    document = json.loads(encode(state, SET).document)
    assert document["flags"] == overlaid(state.flags, state.kills)
    assert document["metadata"] == {"flagSetId": SET, "version": str(state.revision)}


def test_nothing_is_no_state() -> None:
    assert decode(Texts()).state is None


def edited(texts: Texts, change: t.Callable[[dict[str, t.Any]], object]) -> Texts:
    document = json.loads(texts.document)
    change(document)
    return Texts(json.dumps(document), texts.ledger)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["flags"]["new_fees"].update(defaultVariant="off"),
        lambda document: document["flags"]["margin_trading"].update(defaultVariant="on"),
        lambda document: document["flags"].pop("new_fees"),
        lambda document: document["flags"].update(more=switch()),
        lambda document: document.update(evaluators={}),
        lambda document: document["metadata"].update(version="8"),
        lambda document: document["metadata"].update(owner="me"),
        lambda document: document.pop("$schema"),
        # Python takes 0 for false.
        lambda document: document["flags"]["margin_trading"]["variants"].update(off=0),
        lambda document: document["flags"].update(more={"metadata": []}),
    ],
)
def test_an_edited_document_is_seen_and_its_kills_count(change: t.Callable[[dict[str, t.Any]], object]) -> None:
    read = decode(edited(encode(state_of(FLAGS, 7, killed("margin_trading")), SET), change))
    assert read.problem and read.state is not None
    assert set(dead(read.state.kills)) == {"margin_trading"}
    assert read.state.revision == 7


def test_other_spaces_and_orders_are_no_edit() -> None:
    assert decode(edited(encode(state_of(FLAGS), SET), lambda _document: None)).problem == ""


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        '{"flags": 5}',
        '{"flags": {"x": 5}}',
        "[" * 100_000,
        '{"flags": {"\\ud800": {}}}',
        '{"metadata": 5}',
    ],
)
def test_a_broken_document_is_a_problem_and_its_ledger_counts(document: str) -> None:
    read = decode(Texts(document, encode(state_of(FLAGS, 7, killed("new_fees")), SET).ledger))
    assert read.problem and read.state is not None
    assert (read.state.revision, set(dead(read.state.kills))) == (7, {"new_fees"})


@pytest.mark.parametrize("ledger", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": 2}', "{" * 100_000, "5"])
def test_without_its_ledger_a_document_still_tells_its_kills_and_revision(ledger: str) -> None:
    read = decode(Texts(encode(state_of(FLAGS, 7, killed("new_fees")), SET).document, ledger))
    assert read.problem and read.state is not None
    assert (read.state.revision, set(dead(read.state.kills))) == (7, {"new_fees"})
    assert "killed" not in read.state.flags["new_fees"]["metadata"]


def test_a_ledger_with_another_checksum_is_not_used() -> None:
    texts = encode(state_of(FLAGS), SET)
    read = decode(Texts(texts.document, texts.ledger.replace('"revision": 1', '"revision": 9', 1)))
    assert read.problem == "its ledger cannot be read"
    unchecked = json.loads(texts.ledger)
    del unchecked["checksum"]
    assert decode(Texts(texts.document, json.dumps(unchecked))).problem == "its ledger cannot be read"


def with_ledger(texts: Texts, **fields: t.Any) -> Texts:
    """As a program would write it that knows of these fields."""
    ledger = json.loads(texts.ledger)
    del ledger["checksum"]
    return Texts(texts.document, summed({**ledger, **fields}))


def test_the_kills_of_a_ledger_with_another_checksum_count() -> None:
    """Also where the document tells of none: somebody has edited both."""
    texts = encode(state_of(FLAGS, 7, killed("new_fees")), SET)
    ledger = texts.ledger.replace('"revision": 7', '"revision": 8')
    read = decode(Texts(encode(state_of(FLAGS, 7), SET).document, ledger))
    assert read.problem == "its ledger cannot be read" and read.state is not None
    assert set(dead(read.state.kills)) == {"new_fees"}


def test_a_newer_ledger_is_not_taken_for_an_edited_one() -> None:
    texts = encode(state_of(FLAGS, 7, killed("new_fees")), SET)
    for newer in (
        with_ledger(texts, schema=2),
        with_ledger(texts, schema=2, revision=9, record={"new": "form"}),
        # With another checksum, too.
        Texts(texts.document, texts.ledger.replace('"schema": 1', '"schema": 3')),
    ):
        read = decode(newer)
        assert (read.newer, read.flag_set) == (True, SET) and read.problem and read.state is not None
        assert set(dead(read.state.kills)) == {"new_fees"}
    assert decode(with_ledger(texts, schema=2, revision=9)).state.revision == 9  # type: ignore[union-attr]
    unreadable = decode(with_ledger(texts, schema=2, kills={"in": "another form"}))
    # Clients do read the document.
    assert unreadable.newer and unreadable.state is not None
    assert set(dead(unreadable.state.kills)) == {"new_fees"}
    assert not decode(texts).newer


def test_a_document_without_a_ledger_says_whose_it_is() -> None:
    texts = encode(state_of(FLAGS), SET)
    for ledger in ("", "{", texts.ledger.replace('"set"', '"sat"')):
        assert decode(Texts(texts.document, ledger)).flag_set == SET
    assert decode(Texts('{"flags": {}}')).flag_set == ""
    assert decode(Texts('{"flags": {}, "metadata": {"flagSetId": 5}}')).flag_set == ""


def test_a_flag_that_was_copied_with_its_kill_takes_none_from_the_other() -> None:
    document = json.loads(encode(state_of(FLAGS, 7, killed("margin_trading")), SET).document)
    document["flags"]["new_fees"] = document["flags"]["margin_trading"]
    read = decode(Texts(json.dumps(document)))
    assert read.state is not None and set(dead(read.state.kills)) == {"margin_trading", "new_fees"}


@settings(deadline=None)
@given(anything, anything)
def test_whatever_stands_there_is_read_and_killed(document: t.Any, flag: t.Any) -> None:
    """Nothing is raised: a kill would not come to the other stores."""
    sound = encode(state_of(FLAGS, 7, killed("new_fees")), SET)
    for made in (
        document,
        {"flags": document},
        {"flags": {"new_fees": flag}},
        {"flags": {"new_fees": {"metadata": flag}}},
    ):
        for ledger in ("", sound.ledger, json.dumps(document)):
            read = decode(Texts(json.dumps(made), ledger))
            if read.state is not None:
                again = decode(encode(dataclasses.replace(read.state, kills=killed("new_fees")), SET, edited=read))
                assert again.state is not None and again.state.flags.keys() == read.state.flags.keys()
                assert fit(read, again.state).writes


def test_a_kill_over_an_edit_keeps_what_its_clients_need() -> None:
    texts = edited(encode(state_of(FLAGS), SET), lambda document: document.update({"$evaluators": {"is_vip": {}}}))
    read = decode(texts)
    assert read.state is not None
    made = encode(dataclasses.replace(read.state, kills=killed("new_fees")), SET, edited=read)
    assert json.loads(made.document)["$evaluators"] == {"is_vip": {}}
    assert decode(made).problem


def test_a_page_of_a_newer_version_is_not_used() -> None:
    page = page_of(state_of(FLAGS))
    assert page is not None
    content = json.loads(page.text)
    del content["checksum"]
    newer = Page(1, summed({**content, "schema": 2}))
    for ask in (page_flags, page_record):
        with pytest.raises(ValueError, match="a newer version of this collection wrote it"):
            ask(newer)


@settings(deadline=None)
@given(any_state())
def test_a_page_of_the_history_has_all_of_its_revision(state: State) -> None:
    page = page_of(state)
    assert page is not None
    assert (page.revision, page_record(page), page_flags(page)) == (state.revision, state.record, state.flags)


def test_content_that_nobody_made_here_has_no_page() -> None:
    assert page_of(State(3, FLAGS)) is None


@pytest.mark.parametrize("number", [0, 1, 50, 51, 120])
def test_the_past_has_the_newest_revisions(number: int) -> None:
    past: dict[int, str] = {}
    for revision in range(number):
        past = grown(past, revision, f"sha-{revision}")
    assert past == {revision: f"sha-{revision}" for revision in range(max(0, number - 50), number)}


def test_the_sum_does_not_depend_on_the_order_of_keys() -> None:
    assert content_sha({"a": {"x": 1, "y": 2}}) == content_sha({"a": {"y": 2, "x": 1}})
