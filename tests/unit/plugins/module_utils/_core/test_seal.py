# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal of a header."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import check_schema, check_seal, seal
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


def problem(header: dict[str, t.Any], **given: str) -> str:
    with pytest.raises(ReleaseError) as raised:
        check_seal(header, "us-east-1", **given)
    assert raised.value.to_result() == {
        "kind": "journal",
        "system": "journal",
        "region": "us-east-1",
        "retriable": False,
    }
    return raised.value.message


@settings(max_examples=40)
@given(HEADERS)
def test_what_is_sealed_comes_back_from_json_whole_and_may_be_sealed_again(header: dict[str, t.Any]) -> None:
    stored = json.loads(json.dumps(seal(header)))
    check_seal(stored, "us-east-1")
    assert seal(stored) == stored
    changed = {**stored, "state": "closed", "x": (1, 2)}
    check_seal(json.loads(json.dumps(seal(changed))), "us-east-1")


@settings(max_examples=40)
@given(HEADERS, st.data())
def test_a_header_that_was_edited_is_refused(header: dict[str, t.Any], data: st.DataObject) -> None:
    stored = json.loads(json.dumps(seal(header)))
    name = data.draw(st.sampled_from(sorted({*stored, "added"} - {"schema"})))
    edited = {**stored, name: "by hand"}
    if name in stored and data.draw(st.booleans()):
        del edited[name]
    assert problem(edited) == (
        "us-east-1: the journal was edited after it was written (its checksum does not match), so it is not used"
    )


@pytest.mark.parametrize("schema", ["2", None, True, 0.5])
def test_a_schema_that_there_cannot_be_was_made_by_hand(schema: t.Any) -> None:
    assert "was edited after it was written" in problem({**seal({"id": "r1"}), "schema": schema})


def test_a_newer_schema_is_told_apart_from_an_edit() -> None:
    newer = {**seal({"id": "r1"}), "schema": 2, "what": "nobody knows"}
    assert problem(newer, what="revision 7") == (
        "us-east-1: revision 7 was written by a newer version of the collection (schema 2, this version knows 1); use "
        "that version"
    )
    with pytest.raises(ReleaseError, match="newer version"):
        check_schema(newer, "us-east-1")


def test_a_header_from_before_there_were_seals_is_taken() -> None:
    check_seal({"id": "r1", "state": "open"}, "us-east-1")
    check_seal({}, "us-east-1")
