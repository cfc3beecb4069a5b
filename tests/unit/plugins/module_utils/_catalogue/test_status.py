# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the regions, as data and as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.filter.environment import FilterModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.status import progress_line, status_lines

Json = dict[str, t.Any]
FILTERS: t.Final = FilterModule().filters()


def document(blue: int, green: int, ready: int | None = 2) -> Json:
    slot = {"version": "v2", "replicas": 2, "ready_replicas": ready}
    state = {"live_slot": "green", "slots": {"green": slot}, "weights": {"blue": blue, "green": green}}
    return {"revision": {"namespace": "exchange", "services": {"core-api": state}, "objects": []}}


def journal(*numbers: int, **more: t.Any) -> Json:
    return {"revisions": [{"number": number, "outcome": "released"} for number in numbers], **more}


def region(name: str, *numbers: int, now: Json | None = None, recorded: Json | None = None, **more: t.Any) -> Json:
    found = FILTERS["region_status"](
        name, journal(*numbers, **more), recorded or document(0, 100), now or document(0, 100)
    )
    return t.cast("Json", found)


def away(name: str) -> Json:
    failed = {"msg": f"{name}: no answer", "error": {"kind": "unreachable"}, "revisions": [], "failed": False}
    return t.cast("Json", FILTERS["region_status"](name, failed, {"skipped": True}, {"skipped": True}))


def fleet(*headers: Json, **more: t.Any) -> Json:
    return {"revisions": list(headers), **more}


FOUR: t.Final = {"number": 4, "outcome": "released", "kind": "deploy", "by": "ann", "closed_at": "2026-11-21T09:20:00Z"}


def test_one_region_of_each_kind() -> None:
    regions = [region("a", 3, 4), region("b", 3), region("c", 4, now=document(10, 90)), away("d")]
    status = FILTERS["environment_status"](fleet({**FOUR, "versions": {"core-api": "v2"}}), regions, "staging")
    assert [entry["behind"] for entry in status["regions"]] == [False, True, False, None]
    assert (status["drifted"], status["behind"], status["unread"], status["ok"]) == (["c"], ["b"], ["d"], False)
    lines = status_lines(status)
    assert lines[0] == "staging: revision 4 (v2), deploy by ann, 2026-11-21T09:20:00Z"
    assert lines[2].split() == ["a", "b", "c", "d"]
    assert lines[4].split() == ["revision", "4", "3", "(not", "the", "newest)", "4", "unreachable"]
    cells = [cell.strip() for cell in lines[6].split("  ") if cell]
    assert cells == ["core-api", "v2 green 2/2", "v2 green 2/2", "v2 green 2/2 at 90 %", "-"]
    assert "c: HTTPRoute exchange/core-api: weights.green is 90, recorded as 100" in lines
    assert lines.count("d: no answer") == 1
    assert lines[-1] == "drift in c; not on the newest revision: b; could not be read: d"
    assert [progress_line(entry) for entry in regions[2:]] == [
        "[c] revision 4, 2 fields differ",
        "[d] d: no answer",
    ]


def test_what_only_brought_a_region_up_leaves_nobody_behind() -> None:
    missed = {**FOUR, "number": 5, "outcome": "incomplete", "regions": {"a": "released", "b": "unreachable"}}
    brought = {**FOUR, "number": 6, "follows": 5, "regions": {"b": "released"}, "closed_at": "2026-11-21T10:00:00Z"}
    before = FILTERS["environment_status"](fleet(FOUR, missed), [region("a", 4, 5), region("b", 4)])
    assert (before["revision"]["number"], before["behind"]) == (5, ["b"])
    status = FILTERS["environment_status"](fleet(FOUR, missed, brought), [region("a", 4, 5), region("b", 4, 5)])
    assert (status["revision"]["number"], status["behind"]) == (5, [])
    assert status["sentence"] == "no drift in all 2 regions, revision 5"
    assert status_lines(status)[0] == "status: revision 5, deploy by ann, 2026-11-21T10:00:00Z"


def test_a_maintenance_is_told() -> None:
    sentence = "in maintenance since 2026-11-21T19:05:42Z (core-api), entered by anna: storage"
    status = FILTERS["environment_status"](fleet(FOUR), [region("a", 4, maintenance={"sentence": f"a is {sentence}"})])
    assert f"a: {sentence}; what differs may be its work" in status_lines(status)


def test_all_is_well() -> None:
    status = FILTERS["environment_status"](fleet(FOUR, {"number": 5, "outcome": "taken_back"}), [region("a", 4)])
    assert (status["ok"], status["sentence"]) == (True, "no drift in the region, revision 4")


def test_a_release_that_is_open_is_told_in_region_and_fleet() -> None:
    header = {"id": "r5", "kind": "deploy", "by": "ben", "state": "open"}
    status = FILTERS["environment_status"](
        fleet(FOUR, header=header, lock={"holder": "r5/host/7", "lapsed": False}), [region("a", 4, header=header)]
    )
    lines = status_lines(status)
    assert "fleet: deploy r5 by ben is open" in lines
    assert "fleet: r5/host/7 holds the lock" in lines
    assert "a: deploy r5 by ben is open, so what differs may be its work" in lines


def test_a_fleet_that_does_not_answer_leaves_the_newest_revision_open() -> None:
    failed = {"msg": "fleet: no answer", "error": {"kind": "unreachable"}, "revisions": []}
    status = FILTERS["environment_status"](failed, [region("a", 4)], "staging")
    assert (status["regions"][0]["behind"], status["ok"]) == (None, True)
    lines = status_lines(status)
    assert lines[0] == "staging: the newest revision is not known"
    assert lines[-1] == "could not be read: fleet"


def test_nothing_was_released_yet() -> None:
    empty = {"revision": {"namespace": "exchange", "services": {}, "objects": []}}
    read = FILTERS["region_status"]("a", journal(), {"skipped": True}, empty)
    assert (read["revision"], read["told"]) == (None, ["no revision is recorded here"])
    status = FILTERS["environment_status"](fleet(), [read])
    assert status["sentence"] == "no drift in the region; nothing was released yet"
    assert FILTERS["newest_revision"](journal()) is None


def test_a_recorded_revision_that_cannot_be_read_is_no_proof() -> None:
    failed = {"msg": "us: revision 4 was edited", "error": {"kind": "journal"}, "revision": None}
    read = FILTERS["region_status"]("us", journal(4), failed, document(0, 100))
    assert read["problem"] == {"kind": "journal", "sentence": "us: revision 4 was edited"}


def test_long_values_are_cut_and_whole_objects_are_one_line() -> None:
    recorded, now = document(0, 100), document(0, 100)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "y" * 99}}
    recorded["revision"]["objects"] = [config, {**config, "metadata": {"name": "b"}}]
    now["revision"]["objects"] = [{**config, "data": {"x": "n"}}, {**config, "metadata": {"name": "c"}}]
    lines = status_lines(FILTERS["environment_status"](fleet(FOUR), [region("us", 4, recorded=recorded, now=now)]))
    assert lines[-4:-1] == [
        f"us: ConfigMap exchange/a: data.x is n, recorded as {'y' * 60}...",
        "us: ConfigMap exchange/b is gone",
        "us: ConfigMap exchange/c is not recorded",
    ]


def test_a_champion_that_is_not_the_recorded_one_is_a_line_and_no_drift() -> None:
    service = {"live_slot": "green", "slots": {"green": {"version": "v2"}}}
    models = {"revision": {"services": {"fraud": service}, "objects": []}}
    read = FILTERS["region_status"](
        "us", journal(4), document(0, 100), document(0, 100), models=models, names=["fraud", "risk"]
    )
    assert read["models"]["fraud"] == {"champion": "v2", "challenger": None, "strategy": None}
    recorded = {"fraud": {"champion": "v1"}, "risk": {"champion": None}}
    status = FILTERS["environment_status"](fleet({**FOUR, "models": recorded}), [read, away("eu")])
    line = "model fraud: the champion is v2 in us, and revision 4 has v1; a model that was promoted since is no drift"
    assert status["models"] == [line]
    assert status_lines(status)[-2:] == [line, "could not be read: eu"]
    assert FILTERS["environment_status"](fleet(FOUR), [region("us", 4)])["models"] == []
