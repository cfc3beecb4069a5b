# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record says, and what is counted because nobody can read it."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Answer, Label, Observation
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.records import LONGEST_TEXT, Reader
from hypothesis import given
from hypothesis import strategies as st

ANSWER: dict[str, t.Any] = {
    "id": "r1",
    "ts": 100.5,
    "segment": "BTC-USD/buy",
    "version": "v2",
    "out": "up",
    "score": 0.5,
    "ms": 7,
    "err": "",
}
LABEL: dict[str, t.Any] = {"id": "r1", "label": 17, "ts": 160.0}


def read(*records: t.Any) -> Reader:
    reader = Reader("v1", "v2")
    for one in records:
        reader.take(one if isinstance(one, bytes) else json.dumps(one).encode())
    return reader


def test_answers_of_both_versions_and_labels() -> None:
    found = read(ANSWER, {**ANSWER, "version": "v1"}, LABEL, b"", b" \r")
    expected = Answer("up", 0.5, 7)
    assert found.observations == [
        Observation("r1", "challenger", 100.5, "BTC-USD/buy", expected),
        Observation("r1", "champion", 100.5, "BTC-USD/buy", expected),
    ]
    assert found.labels == [Label("r1", 17, 160.0)]
    assert (len(found), found.unreadable, found.others) == (3, 0, 0)


def test_an_answer_that_failed_has_no_output() -> None:
    silent = {"id": "a", "version": "v1", "ts": 1, "ms": 0, "segment": ""}
    found = read({**ANSWER, "out": None, "err": "timeout", "score": None}, silent)
    assert [one.answer.failed for one in found.observations] == [True, True]
    assert found.observations[0].answer == Answer(None, None, 7, "timeout")


def test_an_answer_that_never_came_took_no_time_that_counts() -> None:
    """A caller that gave up has nothing to write as `ms`, and its failure is one of that version all the same."""
    late = {**ANSWER, "out": None, "err": "timeout", "ms": None}
    found = read(late, {name: value for name, value in late.items() if name != "ms"})
    assert [one.answer for one in found.observations] == [Answer(None, 0.5, 0.0, "timeout")] * 2
    assert found.unreadable == 0


def test_other_versions_are_counted_and_not_read_further() -> None:
    found = read({**ANSWER, "version": "v3", "ms": "x"})
    assert (len(found), found.others, found.unreadable) == (0, 1, 0)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"{", "the record is '{'; it has to be a JSON object"),
        (b"\xff{}", "the record is "),
        (b"[" * 100_000, "the record is "),
        (b"[1]", "the record is '[1]'; it has to be a JSON object"),
        ({**ANSWER, "id": ""}, "id is ''; it has to be a text of 1 to 200 characters"),
        ({**ANSWER, "id": 17}, "id is '17'; it has to be a text"),
        ({**ANSWER, "version": None}, "version is missing; it has to be a text"),
        ({**ANSWER, "segment": "x" * (LONGEST_TEXT + 1)}, "segment is 'xxx"),
        ({**ANSWER, "segment": "a\ud800"}, "segment is 'a\\\\ud800'; it has to be a text in Unicode"),
        ({**ANSWER, "ts": "100"}, "ts is '100'; it has to be a number"),
        ({**ANSWER, "ts": True}, "ts is 'True'; it has to be a number"),
        ({**ANSWER, "ms": float("nan")}, "ms is 'nan'; it has to be a number"),
        ({**ANSWER, "ms": -1}, "ms is '-1'; it has to be milliseconds from 0 on"),
        ({**ANSWER, "ms": None}, "ms is missing; it has to be a number"),
        ({**ANSWER, "ms": "late", "err": "timeout"}, "ms is 'late'; it has to be a number"),
        ({**ANSWER, "ms": 10**400}, "ms is '1000"),
        ({**ANSWER, "score": "high"}, "score is 'high'; it has to be a number"),
        ({**ANSWER, "out": True}, "out is 'True'; it has to be a number"),
        ({**ANSWER, "err": 500}, "err is '500'; it has to be a text, empty for none"),
        ({**LABEL, "label": None}, "label is null; leave the record away until the label is known"),
        ({**LABEL, "ts": None}, "ts is missing"),
        ({**ANSWER, "ts": "password=hunter2"}, "ts is 'password=***'"),
    ],
)
def test_what_cannot_be_read_is_counted_and_told_once(record: t.Any, said: str) -> None:
    found = read(record, b"nothing either", ANSWER)
    assert found.problem.startswith(said), found.problem
    assert len(found.problem) < 200
    assert (found.unreadable, len(found)) == (2, 1)


#: Objects with names that records have, and anything in them.
NEARLY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.sampled_from(sorted({*ANSWER, *LABEL})), inner),
)


@given(NEARLY)
def test_every_line_is_read_or_counted(record: t.Any) -> None:
    found = read(record)
    assert len(found) + found.others + found.unreadable == 1
    assert (found.problem != "") == (found.unreadable == 1)


def test_texts_are_kept_once() -> None:
    found = read(ANSWER, {**ANSWER, "version": "v1"})
    one, other = found.observations
    assert one.segment is other.segment and one.answer.output is other.answer.output
    assert len(found.anew()) == 0
