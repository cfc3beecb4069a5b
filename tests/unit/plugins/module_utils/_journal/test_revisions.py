# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of revisions: documents of any size, whole or not at all."""

from __future__ import annotations

import json
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import pack
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import revisions as module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import Revisions
from fakes import FakeClock, FakeKube, answer_with

Json = dict[str, t.Any]

DOCUMENT: t.Final[Json] = {"region": "us-east-1", "objects": [], "note": "x" * 100}
#: Compresses badly.
LONGER: t.Final[Json] = {**DOCUMENT, "note": random.Random(5).randbytes(200).hex()}


class Region:
    """A region in memory, and what lies in it."""

    def __init__(self) -> None:
        self.server = FakeKube()
        self.revisions = Revisions(self.server.api(FakeClock()), "exchange")

    def names(self) -> list[str]:
        return sorted(ref.name for ref in self.server.stored)

    def record(self, number: int, document: Json | None = None, release: str = "r1") -> None:
        self.revisions.record(header(number, release), DOCUMENT if document is None else document)

    def problem(self, number: int) -> str:
        with pytest.raises(ReleaseError) as raised:
            self.revisions.read(number)
        assert raised.value.kind == "journal"
        return raised.value.message


def header(number: int, release: str = "r1") -> Json:
    return {"number": number, "id": release, "outcome": "released", "came_from": None}


def ref(name: str) -> Ref:
    return Ref("v1", "ConfigMap", name, "exchange")


@pytest.fixture
def region() -> Region:
    return Region()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Region:
    """Shards so small that every document is cut, and that the first ones are the same for all."""
    monkeypatch.setattr(module, "_SHARD", 10)
    return Region()


def test_a_document_comes_back_as_it_was_and_its_header_says_when_it_is_pinned(region: Region) -> None:
    region.record(7)
    assert region.revisions.read(7) == DOCUMENT
    (kept,) = region.revisions.headers()
    assert kept == {**header(7), "schema": 1, "configs": [], "pinned": False}
    stored = region.server.take(ref("pincex-revision-7"))
    stored["metadata"]["labels"]["pincex.io/pinned"] = "true"
    region.server.put(stored)
    assert region.revisions.headers()[0]["pinned"] is True
    assert region.revisions.read(8) is None


def test_a_header_without_a_document_is_a_history(region: Region) -> None:
    region.revisions.record(header(3), None)
    assert region.revisions.read(3) is None
    assert region.names() == ["pincex-revision-3"]


def test_a_document_larger_than_a_configmap_is_cut_before_its_limit(region: Region) -> None:
    large = {"objects": [], "noise": random.Random(5).randbytes(1_000_000).hex()}
    assert len(pack(large)) > 1_048_576
    region.record(1, large)
    assert region.names() == ["pincex-revision-1", "pincex-revision-1-1", "pincex-revision-1-2"]
    assert region.revisions.read(1) == large
    for stored in region.server.stored.values():
        assert stored.obj["immutable"] is True
        assert len(json.dumps(stored.obj)) < 900_000


def test_the_list_of_revisions_carries_no_documents(small: Region) -> None:
    small.record(1)
    small.record(2, release="r2")
    found = small.server.api(FakeClock()).list("v1", "ConfigMap", "exchange", "pincex.io/revision")
    assert [obj["metadata"]["name"] for obj in found] == ["pincex-revision-1", "pincex-revision-2"]
    assert all(set(obj["data"]) == {"header"} for obj in found)


def test_the_header_names_the_configuration_that_the_document_holds(region: Region) -> None:
    labels = {"pincex.io/config": "0123456789"}
    config = {"kind": "ConfigMap", "metadata": {"name": "core-api-0123456789", "labels": labels}}
    other = {"kind": "ConfigMap", "metadata": {"name": "settings"}}
    region.record(1, {"objects": [config, other]})
    assert region.revisions.headers()[0]["configs"] == ["core-api-0123456789"]


def test_recording_again_is_no_error_and_writes_nothing(small: Region) -> None:
    small.record(1)
    small.server.requests.clear()
    small.record(1, {"objects": [], "read": "again, and a bit otherwise"})
    assert small.server.writes() == []
    assert small.revisions.read(1) == DOCUMENT


def test_a_number_of_another_release_is_refused(small: Region) -> None:
    small.record(1)
    before = small.names()
    with pytest.raises(ReleaseError, match="us-east-1: revision 1 is recorded already, by r1"):
        small.record(1, release="r2")
    assert small.names() == before


def test_every_answer_may_be_lost(small: Region) -> None:
    met: set[bytes | None] = set()

    def lose(request: t.Any) -> None:
        if request.method != "GET" and request.body not in met:
            met.add(request.body)
            raise NoAnswer("connection reset", timeout=False, sent=True)

    small.server.after.append(lose)
    small.record(1)
    assert len(met) == len(small.names())
    assert small.revisions.read(1) == DOCUMENT
    with pytest.raises(ReleaseError, match="recorded already, by r1"):
        small.record(1, release="r2")


@pytest.mark.parametrize("first", [DOCUMENT, LONGER])
def test_a_recording_killed_anywhere_is_no_revision_and_the_next_one_is_whole(small: Region, first: Json) -> None:
    """Whole or not at all, whichever write was the last one."""
    small.record(1)
    whole, writes = small.names(), len(small.server.writes())
    assert writes == len(whole) > 3
    for last in range(writes):
        region = Region()
        fault = _dies_after(last)
        region.server.before.append(fault)
        with pytest.raises(ApiError):
            region.record(1, first)
        region.server.before.remove(fault)
        assert region.revisions.headers() == []
        assert region.revisions.read(1) is None
        region.record(1)
        assert region.revisions.read(1) == DOCUMENT
        assert region.names() == whole


def test_what_a_killed_recording_left_is_swept_and_whole_revisions_stay(small: Region) -> None:
    small.record(1)
    kept = small.names()
    fault = _dies_after(2)
    small.server.before.append(fault)
    with pytest.raises(ApiError):
        small.record(2, release="r2")
    small.server.before.remove(fault)
    assert small.names() != kept
    small.revisions.sweep()
    assert small.names() == kept
    small.server.requests.clear()
    small.revisions.sweep()
    assert small.server.writes() == []


def test_a_revision_goes_with_its_document_header_first(small: Region) -> None:
    small.record(1)
    small.record(11, release="r11")
    kept = [name for name in small.names() if name.startswith("pincex-revision-11")]
    small.server.requests.clear()
    small.revisions.remove(1)
    assert small.names() == kept
    assert small.server.writes()[0].path.endswith("/pincex-revision-1")
    small.revisions.remove(1)
    assert small.revisions.read(11) == DOCUMENT


def test_a_document_that_lacks_a_shard_is_refused(small: Region) -> None:
    small.record(7)
    shards = len(small.names()) - 1
    del small.server.stored[ref("pincex-revision-7-2")]
    assert small.problem(7) == (
        f"us-east-1: revision 7 lacks part 2 of {shards} of its document, so it is not used; go to another one"
    )
    assert [kept["number"] for kept in small.revisions.headers()] == [7]


def test_a_document_that_was_edited_is_refused(small: Region) -> None:
    small.record(7)
    small.server.change(ref("pincex-revision-7-1"), data={"document": pack({"objects": ["of somebody else"]})})
    edited = "us-east-1: revision 7 was edited after it was written (its checksum does not match), so it is not used"
    assert small.problem(7) == edited


@pytest.mark.parametrize("text", ["", "no base64", "QUJD"])
def test_a_document_from_before_there_were_seals_that_was_edited_is_refused(small: Region, text: str) -> None:
    small.record(7)
    told = json.loads(small.server.take(ref("pincex-revision-7"))["data"]["header"])
    old = {name: value for name, value in told.items() if name not in ("schema", "checksum", "document")}
    data = {"header": json.dumps(old), "document": pack({"objects": []})}
    small.server.change(ref("pincex-revision-7"), data=data)
    assert small.revisions.read(7) == {"objects": []}
    small.server.change(ref("pincex-revision-7"), data={"document": text})
    assert "us-east-1: revision 7 was edited after it was written" in small.problem(7)


def test_a_header_that_was_edited_is_refused(small: Region) -> None:
    small.record(7)
    told = json.loads(small.server.take(ref("pincex-revision-7"))["data"]["header"])
    small.server.change(ref("pincex-revision-7"), data={"header": json.dumps({**told, "outcome": "taken_back"})})
    assert "us-east-1: revision 7 was edited after it was written" in small.problem(7)


def test_a_newer_schema_is_refused(region: Region) -> None:
    region.record(7)
    told = json.loads(region.server.take(ref("pincex-revision-7"))["data"]["header"])
    region.server.change(ref("pincex-revision-7"), data={"header": json.dumps({**told, "schema": 2})})
    newer = "us-east-1: revision 7 was written by a newer version of the collection"
    assert newer in region.problem(7)
    with pytest.raises(ReleaseError, match=newer):
        region.revisions.headers()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"number": "x"}', "null"])
def test_a_configmap_that_is_no_revision_is_named(region: Region, text: str) -> None:
    region.record(7)
    region.server.change(ref("pincex-revision-7"), data={"header": text})
    with pytest.raises(ReleaseError, match="us-east-1: ConfigMap pincex-revision-7 holds no header of a revision"):
        region.revisions.headers()


def test_a_revision_from_before_there_were_shards_is_read(region: Region) -> None:
    labels = {"pincex.io/revision": "4"}
    old = {"header": json.dumps(header(4)), "document": pack(DOCUMENT)}
    meta = {"name": "pincex-revision-4", "namespace": "exchange", "labels": labels}
    region.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": old})
    assert region.revisions.read(4) == DOCUMENT
    assert region.revisions.headers() == [{**header(4), "pinned": False}]


@pytest.mark.parametrize("text", ["", "{}", '{"number": 8}', '{"number": 8, "id": "r2", "schema": 2}'])
def test_what_a_release_has_recorded_is_forgotten_whatever_else_lies_there(small: Region, text: str) -> None:
    for number, release in ((6, "r0"), (7, "r1"), (8, "r2")):
        small.record(number, release=release)
    small.server.change(ref("pincex-revision-8"), data={"header": text})
    others = [name for name in small.names() if not name.startswith("pincex-revision-7")]
    small.revisions.forget("r1")
    assert small.names() == others


def test_what_the_server_refuses_is_raised(small: Region) -> None:
    small.server.before.append(answer_with(403, method="POST"))
    with pytest.raises(ApiError):
        small.record(1)


def _dies_after(writes: int) -> t.Callable[[t.Any], t.Any]:
    """No write is carried out after so many."""
    left = [writes]

    def fault(request: t.Any) -> t.Any:
        if request.method == "GET":
            return None
        left[0] -= 1
        return answer_with(403)(request) if left[0] < 0 else None

    return fault
