# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the rollouts: what is right, who was right, and how soon."""

from __future__ import annotations

import typing as t

import pytest

from bench.gate.cases import CASES, NAME, REVISION, healthy
from bench.gate.peers import HELM, KUBECTL, KUBERNETES_CORE, OUR_TASK
from bench.gate.rollout import Healthy, Outcome, healthy_rows, placed, rows
from bench.results import OURS, table

CRASH = next(case for case in CASES if case.name == "crash loop")


def find(made: list[dict[str, t.Any]], metric: str, subject: str = OURS, case: str = "crash loop") -> dict[str, t.Any]:
    (one,) = (row for row in made if (row["case"], row["metric"], row["subject"]) == (case, metric, subject))
    return one


def crash(subject: str, seconds: float | None, verdict: str = "fail", text: str = "exit code 3") -> Outcome:
    return Outcome("crash loop", subject, seconds, verdict, "it crashes", text)


def test_every_case_that_the_table_promises_is_there() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) == 12
    doomed = ["crash loop", "absent tag", "bad config", "quota refusal", "quota refusal, StatefulSet", "absent volume"]
    assert [case.name for case in CASES if case.doomed] == doomed
    for case in CASES:
        for obj in (*case.before, *case.after):
            assert (obj["kind"], obj["metadata"]["name"]) == (case.kind, NAME)


def test_no_probe_starts_a_process_every_second() -> None:
    for case in CASES:
        for obj in (*case.before, *case.after):
            (container,) = obj["spec"]["template"]["spec"]["containers"]
            assert set(container["readinessProbe"]) & {"exec", "tcpSocket"} == {"tcpSocket"}


def test_a_case_is_not_changed_by_being_placed() -> None:
    made = placed(CRASH.after, "one")
    assert made[0]["metadata"]["namespace"] == "one"
    assert "namespace" not in CRASH.after[0]["metadata"]


def test_a_healthy_rollout_can_be_told_from_the_one_before() -> None:
    first, second = healthy(1, 4), healthy(2, 4)
    assert first["spec"]["selector"] == second["spec"]["selector"]
    labels = [one["spec"]["template"]["metadata"]["labels"][REVISION] for one in (first, second)]
    assert labels == ["1", "2"]


def test_sooner_is_measured_against_each_peer() -> None:
    made = rows([crash(OURS, 4.0), crash(OURS, 6.0), crash(KUBECTL, 600.0), crash(KUBERNETES_CORE, 25.0)])
    beside = find(made, f"change to verdict, beside {KUBECTL}")
    assert (beside["goal"], beside["reference"], beside["met"]) == (30.0, 600.0, True)
    # Five times sooner than 25 s is 5 s, and the worst of ours took 6.
    assert find(made, f"change to verdict, beside {KUBERNETES_CORE}")["met"] is False


@pytest.mark.parametrize("outcome", [crash(HELM, None, "nothing"), crash(HELM, 3.0, "pass")])
def test_no_verdict_or_a_wrong_one_counts_as_the_deadline(outcome: Outcome) -> None:
    made = rows([crash(OURS, 4.0), outcome])
    assert find(made, f"change to verdict, beside {HELM}")["reference"] == 300.0
    assert find(made, "verdict", HELM)["right"] is False
    assert find(made, "verdict", HELM)["met"] is None
    assert any(line.endswith("wrong") for line in table(made))


def test_a_wrong_verdict_of_ours_misses_every_goal() -> None:
    made = rows([crash(OURS, 1.0, "pass"), crash(OURS, 1.0), crash(KUBECTL, 600.0)])
    assert find(made, "verdict")["value"] == "fail/pass"
    assert find(made, "verdict")["met"] is False
    assert find(made, f"change to verdict, beside {KUBECTL}")["met"] is False


def test_a_judgement_without_the_reason_is_counted() -> None:
    assert find(rows([crash(OURS, 1.0, text="timed out"), crash(OURS, 1.0)]), "without evidence")["value"] == 1.0
    assert find(rows([crash(OURS, 1.0)]), "without evidence")["met"] is True


def test_healthy_no_later_than_kubectl_and_ahead_of_the_others() -> None:
    found = [Healthy(OURS, 0.3, 0.5), Healthy(OUR_TASK, 0.6, 0.9), Healthy(KUBECTL, 0.1)]
    found += [Healthy(HELM, 0.2), Healthy(KUBERNETES_CORE, 3.0)]
    made = healthy_rows(found)
    case = "healthy rollout"
    assert find(made, f"ready to verdict, beside {KUBECTL}", case=case)["goal"] == 0.4
    assert find(made, f"ready to verdict, beside {KUBECTL}", case=case)["met"] is True
    assert find(made, f"ready to verdict, beside {HELM}", case=case)["met"] is False
    assert find(made, f"ready to verdict, beside {KUBERNETES_CORE}", case=case)["met"] is True
    assert find(made, "start to first look", OUR_TASK, case)["value"] == 0.9
    assert len(table(made)) == len(made) + 1


def test_a_peer_without_a_figure_is_no_reason_to_call_a_goal_met() -> None:
    made = healthy_rows([Healthy(OURS, 0.3), Healthy(KUBECTL, None)])
    assert find(made, f"ready to verdict, beside {KUBECTL}", case="healthy rollout")["met"] is None
