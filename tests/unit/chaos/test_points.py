# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points, samples, shards, and what becomes of them."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from chaos.__main__ import chosen
from chaos.mutations import Write
from chaos.points import Point, Sample, Shard, points_of
from chaos.proxy import NAMES, Counted
from chaos.record import Outcome, Record, table
from chaos.subjects import ENGINE
from chaos.variants import VARIANTS

POINTS = points_of([("us", number, f"PUT leases/{number}") for number in range(1, 21)])


def test_every_write_is_two_points() -> None:
    assert len(POINTS) == 40
    assert [str(point) for point in POINTS[:3]] == ["us:1:before", "us:1:after", "us:2:before"]
    assert Point.parse("us:1:after") == POINTS[1]


@pytest.mark.parametrize("text", ["us", "us:1", "us:x:before", "us:1:between"])
def test_no_point(text: str) -> None:
    with pytest.raises(ValueError, match="no point"):
        Point.parse(text)


@pytest.mark.parametrize("text", ["7", "7:0", "7:x", ":3"])
def test_no_sample(text: str) -> None:
    with pytest.raises(ValueError, match="SEED:COUNT"):
        Sample.parse(text)


@pytest.mark.parametrize("text", ["1", "0/2", "3/2", "a/b"])
def test_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="i/n"):
        Shard.parse(text)


def test_a_sample_is_the_same_again_and_spread_over_the_release() -> None:
    sample = Sample.parse("7:5")
    first = sample.of(POINTS, "tree")
    assert first == sample.of(POINTS, "tree")
    assert [POINTS.index(point) // 8 for point in first] == [0, 1, 2, 3, 4]
    assert Sample("8", 5).of(POINTS, "tree") != first
    assert Sample("7", 5).of(POINTS, "group") != first
    assert Sample("7", 99).of(POINTS, "tree") == POINTS


ASKED = [("us", 21, "POST cut of engine-0 (handover)"), ("us", 22, "POST open of engine-1 (handover)")]


def test_half_of_a_sample_of_an_engine_are_requests_to_it() -> None:
    points = points_of([(point.site, point.number, point.what) for point in POINTS[::2]] + ASKED)
    sample = Sample("7", 6).with_few(points, "drain", ENGINE.is_rare)
    assert [point.asks_a_pod for point in sample] == [False] * 3 + [True] * 3
    assert sample == chosen(VARIANTS["drain"], points, ["7:6"], Shard())
    # When there are fewer of them, there are more of the others.
    assert [point.asks_a_pod for point in Sample("7", 12).with_few(points, "drain", ENGINE.is_rare)].count(True) == 4
    assert len(Sample("7", 12).with_few(points, "drain", ENGINE.is_rare)) == 12
    assert len(Sample("7", 99).with_few(points, "drain", ENGINE.is_rare)) == len(points)
    # Every other variant takes what it has always taken.
    assert chosen(VARIANTS["tree"], points, ["7:6"], Shard()) == Sample("7", 6).of(points, "tree")


def test_half_of_a_sample_of_regions_that_leave_are_writes_to_the_name_server() -> None:
    points = [*POINTS, *points_of([(NAMES, number, f"PATCH weights us=0,eu={number}") for number in range(1, 9)])]
    sample = chosen(VARIANTS["dns"], points, ["7:4"], Shard())
    assert [point.site for point in sample] == ["us", "us", NAMES, NAMES]
    assert not any(point.asks_a_pod for point in points)


def test_what_regions_that_leave_are_struck_at() -> None:
    journal = "configmaps/pincex-release-journal"
    writes = [
        Counted(site, number, Write("PATCH", what, step), 0)
        for number, (site, what, step) in enumerate(
            [
                ("management", "leases/pincex-release", ""),
                ("management", journal, "evacuate us"),
                ("us", journal, "prepare api"),
                # A proof of the lock.
                ("management", journal, "evacuate us"),
                (NAMES, "weights us=0,eu=50", ""),
                ("management", journal, "evacuate us done"),
                ("us", "deployments/api-green", "prepare api"),
                ("us", "httproutes/api", "shift"),
                ("management", journal, "evacuate us"),
            ]
        )
    ]
    assert [counted.number for counted in VARIANTS["dns"].struck(writes)] == [1, 4, 5, 7, 8]
    assert VARIANTS["tree"].struck(writes) == writes


@pytest.mark.parametrize("what", ["PUT leases/a (held of b)", "POST configmaps/a", ""])
def test_an_object_is_no_request_to_a_pod(what: str) -> None:
    assert not Point("us", 1, "before", what).asks_a_pod


def test_shards_are_everything_once() -> None:
    parts = [Shard(index, 3).of(POINTS) for index in (1, 2, 3)]
    assert sorted(str(point) for part in parts for point in part) == sorted(map(str, POINTS))


def test_what_a_call_runs() -> None:
    everything = Shard()
    assert chosen(VARIANTS["tree"], POINTS, [], everything) == POINTS
    assert len(chosen(VARIANTS["api"], POINTS, [], everything)) == 8
    assert len(chosen(VARIANTS["tree"], POINTS, ["1:4"], everything)) == 4
    (one,) = chosen(VARIANTS["api"], POINTS, ["us:3:after"], everything)
    assert one.what == "PUT leases/3"


def outcome(variant: str, point: str, *violations: str, **more: object) -> Outcome:
    made = Outcome(variant, point, "PUT x", True, "old", violations, 60.0, 12.0, {"lost": 0, "duplicated": 0})
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]  # fields of any type


def test_a_record_is_gone_on_with(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "record.jsonl"
    Record(path, resume=False).add(outcome("tree", "us:1:before", "a lock is held"))
    with path.open("a") as file:
        file.write('{"variant": "tr')  # the sweep was killed here
    again = Record(path, resume=True)
    assert again.has("tree", "us:1:before")
    assert not again.has("tree", "us:1:after")
    assert again.outcomes["tree", "us:1:before"].violations == ("a lock is held",)
    again.add(outcome("tree", "us:2:before"))
    later = Record(path, resume=True, commit="83ad685+")
    later.add(outcome("tree", "us:3:before"))
    found = Record(path, resume=True).outcomes.values()
    assert [one.commit for one in found] == ["", "", "83ad685+"]
    assert "points by commit: unknown 2, 83ad685+ 1" in table(list(found))
    assert Record(path, resume=False).outcomes == {}


def test_the_table_tells_what_was_not_proved() -> None:
    lines = table(
        [
            outcome("tree", "us:1:before"),
            outcome("tree", "us:1:after", "us: the lock is held by x"),
            outcome("tree", "us:2:before", reached=False),
            outcome("stop", "us:1:before", stands="new", orders={"lost": None, "duplicated": 0}),
        ]
    )
    rows = {line.split()[0]: line.split() for line in lines[1:4]}
    assert rows["tree"][1:8] == ["3", "1", "1", "1", "3", "0", "0"]
    assert rows["stop"][6:9] == ["1", "?", "0"]
    assert rows["all"][1:5] == ["4", "2", "1", "1"]
    assert lines[-1] == "tree us:1:after PUT x: us: the lock is held by x"
    assert not any("accepted no order" in line for line in lines)


def test_the_table_tells_how_long_nobody_traded() -> None:
    gaps = [{"lost": 0, "duplicated": 0, "longest_gap_s": gap} for gap in (0.4, 10.62, None)]
    lines = table([outcome("drain", f"us:{at}:after", orders=orders) for at, orders in enumerate(gaps, 1)])
    assert lines[-1] == "longest time in which a region accepted no order: 10.6 s"
