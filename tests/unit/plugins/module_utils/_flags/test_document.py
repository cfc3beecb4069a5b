# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text and back: nothing is lost, and nothing that was edited passes for what was written."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, overlaid
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    content_sha,
    decode,
    encode,
    grown,
    page_flags,
    page_of,
    page_record,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import State, Texts
from flag_samples import any_state, fractional, killed, state_of, switch
from hypothesis import given, settings

SET = "pincex-test"
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
    ],
)
def test_an_edited_document_is_seen_and_its_kills_count(change: t.Callable[[dict[str, t.Any]], object]) -> None:
    read = decode(edited(encode(state_of(FLAGS, 7, killed("margin_trading")), SET), change))
    assert read.problem and read.state is not None
    assert set(dead(read.state.kills)) == {"margin_trading"}
    assert read.state.revision == 7


def test_other_spaces_and_orders_are_no_edit() -> None:
    assert decode(edited(encode(state_of(FLAGS), SET), lambda _document: None)).problem == ""


@pytest.mark.parametrize("document", ["", "{", "[]", '{"flags": 5}', '{"flags": {"x": 5}}'])
def test_a_broken_document_is_a_problem_and_its_ledger_counts(document: str) -> None:
    read = decode(Texts(document, encode(state_of(FLAGS, 7, killed("new_fees")), SET).ledger))
    assert read.problem and read.state is not None
    assert (read.state.revision, set(dead(read.state.kills))) == (7, {"new_fees"})


@pytest.mark.parametrize("ledger", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": 2}'])
def test_without_its_ledger_a_document_still_tells_its_kills_and_revision(ledger: str) -> None:
    read = decode(Texts(encode(state_of(FLAGS, 7, killed("new_fees")), SET).document, ledger))
    assert read.problem and read.state is not None
    assert (read.state.revision, set(dead(read.state.kills))) == (7, {"new_fees"})
    assert "killed" not in read.state.flags["new_fees"]["metadata"]


def test_a_ledger_with_another_checksum_is_not_used() -> None:
    texts = encode(state_of(FLAGS), SET)
    read = decode(Texts(texts.document, texts.ledger.replace('"revision": 1', '"revision": 9', 1)))
    assert read.problem == "its ledger cannot be read"


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
