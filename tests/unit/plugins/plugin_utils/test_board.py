# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts in, changes and state out; whatever the facts are."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board import Board
from board_samples import BEGAN, Facts, began, failed, fleet, opened, passed, planned
from hypothesis import given, settings
from hypothesis import strategies as st


def told(board: Board, *events: tuple[str, Facts]) -> list[str]:
    return [f"{change.region}: {change.text}" for name, facts in events for change in board.take_facts(name, facts)]


def test_a_healthy_region() -> None:
    board = Board("deploy")
    assert told(board, ("us", opened()), ("us", planned()), ("us", fleet())) == []
    assert told(board, ("us", began())) == ["us: starts, 4 steps"]
    assert board.regions[0].now == "prepare core-api"
    assert told(board, ("us", passed(1)), ("us", passed(2))) == [
        "us: 1/4 prepare core-api: pass, 2.0 s",
        "us: 2/4 core-api 10 %: pass, 2.0 s",
    ]
    assert board.regions[0].now == "core-api 100 %"
    assert board.regions[0].since == BEGAN + 4
    assert told(board, ("us", passed(4)), ("us", {"release_region_verdict": "released"})) == [
        "us: 3/4 core-api 100 %: pass, 2.0 s",
        "us: 4/4 bake: pass, 2.0 s",
        "us: released",
    ]
    assert told(board, ("us", fleet("keep")), ("eu", fleet("keep"))) == ["fleet: decision: keep"]
    assert (board.release, board.number, board.kind) == ("20261121t092656z", "7", "deploy")


def test_a_region_that_fails_is_being_taken_back_until_it_says_that_it_was() -> None:
    board = Board("deploy")
    told(board, ("us", opened()), ("us", planned()), ("us", began()), ("us", passed(2)))
    reason = "core-api error rate is 20 %, above 5 % for 1 s"
    assert told(board, ("us", failed(2, reason))) == [
        f"us: 3/4 core-api 100 %: fail, 1.0 s ({reason})",
        f"us: taking back: {reason}",
    ]
    row = {"name": "take back", "started": BEGAN + 5, "ended": BEGAN + 6, "verdict": "taken_back", "reason": ""}
    rows = [*failed(2, reason)["release_region_rows"], row]
    assert told(board, ("us", {"release_region_verdict": "taken_back", "release_region_rows": rows})) == [
        "us: take back: taken_back, 1.0 s",
        f"us: taken_back: {reason}",
    ]


def test_what_was_released_and_is_undone_by_another_region() -> None:
    board = Board("deploy")
    told(board, ("us", opened()), ("us", planned()), ("us", began()), ("us", passed(4)))
    told(board, ("us", {"release_region_verdict": "released"}))
    assert told(board, ("us", {"release_region_undo": True})) == ["us: taking back"]
    assert told(board, ("us", {"release_region_verdict": "taken_back"})) == ["us: taken_back"]


@pytest.mark.parametrize("verdict", ["refused", "unreachable", "left_out", "stuck", "a word of tomorrow"])
def test_every_other_verdict_is_told_with_its_reason(verdict: str) -> None:
    board = Board("deploy")
    told(board, ("us", opened()))
    facts = {"release_region_verdict": verdict, "release_region_reason": "no\nway"}
    assert told(board, ("us", facts)) == [f"us: {verdict}: no way"]


def test_a_recovery_calls_a_region_whole_before_it_looks() -> None:
    board = Board("recover")
    first = {"release_region_verdict": "whole", "release_region_rows": []}
    assert told(board, ("us", first), ("us", {"release_region_todo": {"action": "undo", "why": "x"}})) == [
        "us: recovering"
    ]
    assert told(board, ("us", {"release_region_verdict": "taken_back"})) == ["us: taken_back"]
    assert told(board, ("eu", first), ("eu", {"release_region_todo": {"action": "nothing", "why": "x"}})) == []
    board.end()
    assert [board.word(region) for region in board.regions] == ["taken_back", "whole"]


def test_a_run_that_ends_in_the_middle_says_so() -> None:
    board = Board("deploy")
    told(board, ("us", opened()), ("eu", opened()), ("us", planned()), ("us", began()))
    board.end()
    assert [board.word(region) for region in board.regions] == ["unfinished", "untouched"]
    assert [entry["verdict"] for entry in board.report()["regions"]] == ["unfinished", "untouched"]


def test_regions_stand_in_the_order_of_the_inventory() -> None:
    board = Board("deploy", ["management", "us", "eu", "ap"])
    told(board, ("ap", opened()), ("us", opened()), ("eu", opened()), ("mars", opened()))
    assert [region.name for region in board.regions] == ["us", "eu", "ap", "mars"]
    late = Board("deploy", ["us"])
    late.take_start("eu", "set_fact")
    late.take_start("ap", "set_fact")
    told(late, ("ap", opened()), ("us", opened()), ("eu", opened()))
    assert [region.name for region in late.regions] == ["us", "eu", "ap"]


def test_facts_of_other_hosts_make_no_row() -> None:
    board = Board("deploy")
    assert told(board, ("management", fleet()), ("management", {"anything": 1})) == []
    board.take_start("management", "ansible.builtin.ping")
    assert board.regions == []


def test_what_a_task_is_about_in_a_word() -> None:
    board = Board("deploy")
    told(board, ("us", opened()))
    board.take_start("us", "pincex.zero_downtime.k8s_rollout_gate")
    board.take_start("us", "ansible.builtin.set_fact")
    assert board.regions[0].activity == "gate"


def test_secrets_and_signs_that_steer_a_terminal_stay_outside() -> None:
    board = Board("deploy")
    reason = "GET https://ann:hunter2@api/ said\x1b[2J password=hunter2"
    lines = told(board, ("us", {"release_region_verdict": "refused", "release_region_reason": reason}))
    assert lines == ["us: refused: GET https://***@api/ said [2J password=***"]


def test_of_facts_in_another_shape_the_rest_is_taken() -> None:
    board = Board("deploy")
    plan = {"prepare": "text", "steps": [1, None, {"name": ["x"]}, {"name": "one"}], "bake": {"name": "two"}}
    rows = [3, {"name": 4, "verdict": True, "started": "1795253216", "ended": float("inf")}]
    told(board, ("us", opened() | {"release_region_plan": plan, "release_region_rows": rows}))
    [region] = board.regions
    assert region.steps == ("?", "one")
    [row] = region.rows
    assert (row.name, row.verdict, row.started, row.ended, row.seconds) == ("4", "?", BEGAN, None, None)


NAMES = st.sampled_from(
    [
        "release_region_verdict",
        "release_region_reason",
        "release_region_plan",
        "release_region_rows",
        "release_region_began",
        "release_region_go",
        "release_region_undo",
        "release_region_todo",
        "release_fleet_release",
        "release_fleet_number",
        "release_fleet_decision",
    ]
)
KEYS = st.sampled_from(["name", "verdict", "started", "ended", "reason", "prepare", "steps", "bake", "id", "versions"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["pass", "fail"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.integers(), inner, max_size=4),
    max_leaves=6,
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["us", "eu", "ap"]), st.dictionaries(NAMES, ANYTHING, max_size=4)), max_size=4
)


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, facts=ANYTHING)
def test_no_fact_whatever_makes_it_raise(events: list[tuple[str, t.Any]], facts: t.Any) -> None:
    board = Board("deploy")
    expected = set()
    for name, given_facts in events:
        lines = board.take_facts(name, given_facts)
        assert all("\n" not in line.text and "\x1b" not in line.text for line in lines)
        if "release_region_verdict" in given_facts:
            expected.add(name)
    board.take_facts("us", facts)
    board.end()
    report = board.report()
    assert expected <= {entry["region"] for entry in report["regions"]}
