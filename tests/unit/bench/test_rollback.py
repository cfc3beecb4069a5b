# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the ways back: what counts as decided, back and over, and what the rows make of it."""

from __future__ import annotations

import json
import typing as t

from bench.command import written_before
from bench.results import OURS, Goal, row
from bench.rollback import back, dead, marks, overhead, peers, tables
from bench.rollback.__main__ import BENCH
from bench.rollback.marks import Marks
from bench.rollback.orders import Orders, read
from lab.model import plan_lab

Row = dict[str, t.Any]
SITE = plan_lab("demo").regions[0]


def find(made: list[Row], case: str, metric: str, subject: str = OURS) -> Row:
    (one,) = (entry for entry in made if (entry["case"], entry["metric"], entry["subject"]) == (case, metric, subject))
    return one


def route(name: str, *weights: tuple[str, int]) -> Row:
    refs = [{"name": f"{name}-{slot}", "weight": weight} for slot, weight in weights]
    single = [{"name": f"{name}-blue", "weight": 1}]
    return {"metadata": {"name": name}, "spec": {"rules": [{"backendRefs": refs}, {"backendRefs": single}]}}


def journal(**data: t.Any) -> list[Row]:
    other = {"metadata": {"name": "pincex-revision-1"}, "data": {"header": "{}"}}
    return [other, {"metadata": {"name": marks.JOURNAL}, "data": {key: json.dumps(data[key]) for key in data}}]


class TestMarks:
    def test_a_service_with_shared_traffic_is_on_no_slot(self) -> None:
        routes = [route("a", ("blue", 100), ("green", 0)), route("b", ("blue", 90), ("green", 10))]
        assert marks.live_slots(routes) == {"a": "a-blue"}

    def test_back_means_every_service_on_its_slot(self) -> None:
        done = marks.on({"a": "a-blue", "b": "b-green"})
        assert not done([route("a", ("blue", 100), ("green", 0))])
        assert not done([route("a", ("blue", 100), ("green", 0)), route("b", ("blue", 100), ("green", 0))])
        others = [route("a", ("blue", 100), ("green", 0)), route("b", ("blue", 0), ("green", 100))]
        assert done([*others, route("c", ("blue", 50), ("green", 50))])

    def test_a_rollback_is_decided_when_it_is_open(self) -> None:
        asked = marks.says(marks.decided("one", "rollback"))
        assert not asked(journal(release={"id": "one", "kind": "rollback"}))
        assert not asked(journal(release={"id": "two", "kind": "deploy"}))
        assert asked(journal(release={"id": "two", "kind": "rollback"}))

    def test_an_abort_is_decided_when_undo_is_written(self) -> None:
        asked = marks.says(marks.decided("one", "deploy"))
        assert not asked(journal(release={"id": "two", "kind": "deploy"}))
        assert not asked(journal(release={"id": "two", "kind": "deploy"}, decision={"decision": "keep"}))
        assert asked(journal(release={"id": "two", "kind": "deploy"}, decision={"decision": "undo"}))

    def test_over_is_closed_and_not_the_release_before(self) -> None:
        asked = marks.says(marks.ended("one", "deploy"))
        assert not asked(journal(release={"id": "one", "kind": "deploy", "state": "closed"}))
        assert not asked(journal(release={"id": "two", "kind": "deploy", "state": "open"}))
        assert asked(journal(release={"id": "two", "kind": "deploy", "state": "closed"}))

    def test_what_did_not_happen_has_no_length(self) -> None:
        assert Marks(1.0, None, 3.0, 4.0).between("decided", "weights") is None
        assert Marks(1.0, 2.0, 3.0, 4.0).between("entered", "verified") == 3.0

    def test_a_trip_ahead_of_the_decision_took_no_time(self) -> None:
        assert Marks(1.0, 2.0, 1.5, 4.0).between("decided", "weights") == 0.0


def one(subject: str, weights: float, verified: float, failed: int = 0) -> back.Round:
    times = Marks(100.0, 101.0, 101.0 + weights, 101.0 + verified) if subject in back.CASES else None
    orders = Orders(failed=failed, last_of={"v2": 102.0})
    return back.Round(subject, verified + 1, back.last_answer(orders, 100.0), orders, times)


class TestBack:
    def test_the_worst_round_decides(self) -> None:
        made = back.rows([one(back.WARM, 0.5, 3.0), one(back.WARM, 0.6, 4.5)])
        assert find(made, back.WARM, "decision to verified")["met"] is True
        # 4.5 s after the decision and 1 s before it.
        assert find(made, back.WARM, "Enter to verified")["met"] is False
        assert find(made, back.WARM, "Enter to decision")["met"] is None

    def test_an_abort_is_judged_from_its_decision(self) -> None:
        made = back.rows([one(back.ABORT, 0.5, 4.5)])
        assert find(made, back.ABORT, "decision to verified")["met"] is True
        assert find(made, back.ABORT, "Enter to verified")["goal"] is None

    def test_the_best_peer_stands_beside_ours(self) -> None:
        rounds = [one(back.GONE, 2.0, 9.0), one(peers.KUBECTL, 0.0, 20.0), one(peers.HELM, 0.0, 30.0, failed=3)]
        made = back.rows(rounds)
        assert find(made, back.GONE, "Enter to verified")["reference"] == 21.0
        theirs = find(made, "whole environment back", "failed requests", peers.HELM)
        assert (theirs["value"], theirs["met"]) == (3.0, None)
        assert find(made, back.GONE, "failed requests")["met"] is True

    def test_a_failed_request_of_ours_is_a_missed_goal(self) -> None:
        assert find(back.rows([one(back.GONE, 1.0, 2.0, failed=1)]), back.GONE, "failed requests")["met"] is False

    def test_no_answer_of_the_new_version_is_not_measured(self) -> None:
        assert back.last_answer(Orders(), 100.0) is None
        assert back.last_answer(Orders(last_of={"v2": 99.0}), 100.0) == 0.0


class TestOrders:
    def test_what_is_not_known_counts_as_all(self) -> None:
        totals = {"failed": 1, "turned_away": 1, "lost": None, "duplicated": 0, "acknowledged": 70}
        found = read({"totals": totals, "versions": {"v1": {"last_at": 5.0}, "v2": {"last_at": None}}})
        assert found == Orders(failed=2, lost=70, duplicated=0, last_of={"v1": 5.0})


class TestPeers:
    def test_they_get_the_manifests_of_a_slot(self) -> None:
        made = peers.exchange(peers.HELM, "v2", SITE)
        assert {obj["kind"] for obj in made} == {"ServiceAccount", "Service", "Deployment", "PodDisruptionBudget"}
        deployments = [obj for obj in made if obj["kind"] == "Deployment"]
        assert [obj["spec"]["replicas"] for obj in deployments] == [2, 2]
        (container,) = deployments[1]["spec"]["template"]["spec"]["containers"]
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        assert container["image"].endswith(":v2")
        assert env["PINCEX_SERVICE"] == "core-api"
        assert env["REFERENCE_DATA_HOST"] == peers.host(peers.HELM, "reference-data")

    def test_each_has_routes_of_its_own(self) -> None:
        hosts = [route["spec"]["hostnames"][0] for peer in back.PEERS for route in peers.routes(peer)]
        assert len(set(hosts)) == 4
        for peer in back.PEERS:
            services = {obj["metadata"]["name"] for obj in peers.exchange(peer, "v1", SITE) if obj["kind"] == "Service"}
            for made in peers.routes(peer):
                assert made["spec"]["rules"][0]["backendRefs"][0]["name"] in services


class TestOverhead:
    def test_the_difference_is_of_the_same_round(self) -> None:
        made = overhead.rows([12.0, 15.0], [4.0, 4.5])
        more = find(made, overhead.CASE, f"more than {overhead.KUBECTL}")
        assert (more["worst"], more["met"]) == (10.5, False)
        assert find(made, overhead.CASE, "Enter to end", overhead.KUBECTL)["met"] is None


class TestDead:
    def test_a_region_that_was_dead_has_to_follow_the_others(self) -> None:
        services = ["core-api", "reference-data"]
        there = dict.fromkeys(services, "v1")
        assert dead.brought_up(0, there, services) is None
        assert dead.brought_up(2, there, services) == "recover ended with 2"
        left = dead.brought_up(0, {**there, "core-api": "v2"}, services)
        assert left == "after recover core-api serves v2 instead of v1"
        # Its traffic is shared by two slots.
        assert dead.brought_up(0, {"core-api": "v1"}, services) == (
            "after recover reference-data serves None instead of v1"
        )

    def test_the_two_others_may_wait_for_one_attempt(self) -> None:
        def lasting(state: str, seconds: float) -> dead.Round:
            return dead.Round("rollback", state, Marks(0.0, 1.0, seconds - 1, seconds))

        made = dead.rows([lasting(dead.ALIVE, 10.0), lasting(dead.ALIVE, 12.0), lasting(dead.DEAD, 20.5)])
        beside = find(made, f"rollback, {dead.DEAD}", "Enter to verified")
        assert (beside["goal"], beside["reference"], beside["met"]) == (21.0, 11.0, True)
        assert not [entry for entry in made if entry["case"].startswith("abort")]


class TestTables:
    def test_a_goal_that_was_missed_is_bold(self) -> None:
        entry = {"part": "back", **row("case", "Enter to verified", [4.0, 6.0], Goal(5.0, 20.0))}
        assert tables.tables([entry])["back"][2:] == [
            "| case | ours | Enter to verified | 5.0 s | **6.0 s** | < 5.0 s | 20.0 s |"
        ]

    def test_counts_are_whole_and_their_goal_is_none(self) -> None:
        entry = {"part": "back", **row("case", "lost requests", [0.0], Goal(0.5), "count", subject="Helm")}
        assert tables.tables([entry])["back"][2:] == ["| case | Helm | lost requests | 0 | 0 | 0 |  |"]

    def test_the_page_shows_the_results(self) -> None:
        text = tables.PAGE.read_text(encoding="utf-8")
        rows, _versions = written_before(BENCH)
        if rows:
            assert tables.filled(text, tables.tables(rows)) == text, "run `python -m bench.rollback.tables`"
