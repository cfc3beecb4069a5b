# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_clues import (
    Clue,
    Event,
    Suspect,
    events_of,
    log_of,
    suspects_of,
    text_of,
    with_serving,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import State, Status, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import Problem
from gate_samples import pod, running
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

API, WEB = Wanted("Deployment", "api"), Wanted("StatefulSet", "web")
CRASH = Problem("crash", "ended 2 times, last with exit code 1", "p1", "app", 1, 2)


def failed(wanted: Wanted, *problems: Problem, status: Status = "failed", **more: t.Any) -> State:
    return State(wanted, status, f"{wanted}: bad", problems=problems, **more)


def test_the_pod_of_the_fatal_problem_with_all_that_is_above_it() -> None:
    assert suspects_of([failed(API, CRASH, replica_set="api-7")]) == [
        Suspect(
            "Deployment api",
            "p1",
            "app",
            "ended 2 times, last with exit code 1",
            1,
            logs=True,
            restarted=True,
            objects=(("Pod", "p1"), ("ReplicaSet", "api-7"), ("Deployment", "api")),
        )
    ]


def test_every_failed_workload_before_more_of_one_and_both_before_what_waits() -> None:
    other = Problem("oom", "out of memory", "p2", "app", 137, 1)
    slow = Problem("image_pull", "timeout", "w9", "app")
    states = [
        failed(WEB, slow, status="waiting"),
        failed(API, CRASH, other),
        failed(Wanted("DaemonSet", "agent"), Problem("crash", "ended", "a1", "app", 2, 2)),
    ]
    assert [suspect.pod for suspect in suspects_of(states)] == ["p1", "a1", "p2"]
    assert [suspect.pod for suspect in suspects_of([states[0], states[2]])] == ["a1", "w9"]


def test_the_same_trouble_of_another_replica_is_not_asked_about() -> None:
    again = Problem("crash", "ended 3 times", "p2", "app", 1, 3)
    assert [suspect.pod for suspect in suspects_of([failed(API, CRASH, again)])] == ["p1"]


def test_what_is_above_the_pods_is_asked_once() -> None:
    other = Problem("oom", "out of memory", "p2", "app", 137, 1)
    objects = [suspect.objects for suspect in suspects_of([failed(API, CRASH, other)])]
    assert objects == [(("Pod", "p1"), ("Deployment", "api")), (("Pod", "p2"),)]


def test_a_pod_that_failed_as_a_whole_names_its_container() -> None:
    whole = Problem("pod_failed", "the pod has failed DeadlineExceeded", "p1")
    suspect = suspects_of([failed(API, whole, CRASH)])[0]
    assert (suspect.problem, suspect.container, suspect.exit_code, suspect.logs) == (whole.message, "app", 1, True)


@pytest.mark.parametrize("kind", ["image_missing", "config_error", "unschedulable"])
def test_a_container_that_never_ran_has_no_log(kind: t.Any) -> None:
    suspect = suspects_of([failed(API, Problem(kind, "no", "p1", "app"))])[0]
    assert (suspect.logs, suspect.restarted) == (False, False)


def test_pods_that_are_only_not_ready() -> None:
    state = failed(API, status="waiting", unready=(("p1", "app"), ("p2", "")))
    suspects = suspects_of([state])
    assert [(one.pod, one.container, one.logs, one.problem) for one in suspects] == [
        ("p1", "app", True, "not ready"),
        ("p2", "", False, "not ready"),
    ]
    late = Problem("progress_deadline", "ProgressDeadlineExceeded: late")
    assert suspects_of([failed(API, late, unready=(("p1", "app"),))])[0].problem == late.message


def test_a_workload_without_any_pod_is_asked_about_itself() -> None:
    suspect = suspects_of([failed(WEB, status="waiting")])[0]
    assert (suspect.pod, suspect.problem, suspect.objects) == ("", "StatefulSet web: bad", (("StatefulSet", "web"),))


def test_nothing_is_asked_about_what_is_ready_or_does_not_exist() -> None:
    assert (
        suspects_of([State(API, "ready", ""), failed(WEB, Problem("missing", "StatefulSet web does not exist"))]) == []
    )


def event(message: str, at: str = "2026-11-02T10:00:00Z", **more: t.Any) -> dict[str, t.Any]:
    return {"type": "Warning", "reason": "BackOff", "message": message, "lastTimestamp": at, "count": 1, **more}


def test_events_of_both_recorders() -> None:
    old = event("Back-off restarting", "2026-11-02T10:00:05Z", count=4, firstTimestamp="2026-11-02T10:00:00Z")
    new = {
        "metadata": {"creationTimestamp": "2026-11-02T10:00:00Z"},
        "type": "Warning",
        "reason": "FailedScheduling",
        "message": "0/1 nodes are available",
        "eventTime": "2026-11-02T10:00:01.000000Z",
        "lastTimestamp": None,
        "series": {"count": 2, "lastObservedTime": "2026-11-02T10:00:02.000000Z"},
    }
    assert events_of([old, new]) == (
        Event("2026-11-02T10:00:02.000000Z", "Warning", "FailedScheduling", "0/1 nodes are available", 2),
        Event("2026-11-02T10:00:05Z", "Warning", "BackOff", "Back-off restarting", 4),
    )


def test_warnings_come_first_and_the_newest_last() -> None:
    raw = [
        event("n", "2026-11-02T10:00:09Z", type="Normal"),
        event("b", "2026-11-02T10:00:02Z"),
        event("a", "2026-11-02T10:00:01Z"),
        event("b", "2026-11-02T10:00:03.5Z", count=2),
        event("c", "2026-11-02T10:00:03Z"),
    ]
    assert [(one.message, one.count) for one in events_of(raw)] == [("a", 1), ("c", 1), ("b", 3), ("n", 1)]


def test_the_newest_ten_are_kept() -> None:
    raw = [event(str(number), f"2026-11-02T10:00:{number:02}Z") for number in range(12)]
    normal = event("n", "2026-11-02T10:00:59Z", type="Normal")
    assert [one.message for one in events_of([normal, *raw])] == [str(number) for number in range(2, 12)]
    assert [one.message for one in events_of([normal, *raw[:9]])] == [*(str(number) for number in range(9)), "n"]


def test_secrets_and_terminal_commands_are_not_shown() -> None:
    assert events_of([event("exec failed: --password hunter2 \x1b[2Jgone")])[0].message == (
        "exec failed: --password *** gone"
    )
    log = "\x1b[31mred\x1b[0m token=abc\x07\r\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n\nend\n"
    assert log_of("", log, 20) == ("red token=***", "***", "end")


def test_the_last_lines_go_back_into_the_life_before() -> None:
    assert log_of("a\nb\n", "c\n", 2) == ("b", "c")
    assert log_of("a\nb", "", 5) == ("a", "b")
    # While it waits to be started again, the API server has only one log to give.
    assert log_of("a\nb\n", "a\nb\n", 5) == ("a", "b")


def test_a_long_line_is_cut_after_its_secrets_are_covered() -> None:
    line = log_of("", "x" * 480 + ' password="' + "s" * 100 + '" ' + "y" * 9000, 5)[0]
    assert len(line) == 500
    assert "sss" not in line


def test_lines_for_people() -> None:
    first = suspects_of([failed(API, CRASH)])[0]
    note = "events: not allowed (events)"
    seen = Event("2026-11-02T10:00:00Z", "Warning", "BackOff", "Back-off restarting", 3)
    other = Suspect("StatefulSet web", "", "", "0 of 3 pods")
    clues = [Clue(first, ("fatal: no config",), (seen,), (note,)), Clue(other, notes=(note,))]
    assert text_of(clues) == [
        "pod p1, container app: ended 2 times, last with exit code 1",
        "  log: fatal: no config",
        "  event: Warning BackOff (3 times): Back-off restarting",
        "  events: not allowed (events)",
        "StatefulSet web: 0 of 3 pods",
    ]


def test_json() -> None:
    seen = Event("2026-11-02T10:00:00Z", "Warning", "BackOff", "Back-off", 3)
    assert Clue(suspects_of([failed(API, CRASH)])[0], ("line",), (seen,)).to_json() == {
        "workload": "Deployment api",
        "pod": "p1",
        "container": "app",
        "exit_code": 1,
        "problem": "ended 2 times, last with exit code 1",
        "log": ["line"],
        "events": [
            {"at": seen.at, "type": "Warning", "reason": "BackOff", "message": "Back-off", "count": 3},
        ],
        "notes": [],
    }


_EVENTS = st.lists(
    st.builds(
        lambda message, second, kind, count: event(message, f"2026-11-02T10:00:{second:02}Z", type=kind, count=count),
        st.sampled_from("abcdefghijklmnop"),
        st.integers(0, 59),
        st.sampled_from(["Warning", "Normal"]),
        st.integers(1, 5),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(_EVENTS, st.integers(0, 1000))
def test_order_of_events_does_not_matter(raw: list[dict[str, t.Any]], seed: int) -> None:
    mixed = list(raw)
    random.Random(seed).shuffle(mixed)
    assert events_of(raw) == events_of(mixed)
    assert len(events_of(raw)) <= 10


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(), st.integers(1, 20))
def test_a_log_is_never_longer_than_asked(before: str, present: str, lines: int) -> None:
    assert len(log_of(before, present, lines)) <= lines


def test_what_the_kubelet_says_instead_of_a_log_is_no_line_of_it() -> None:
    assert log_of("unable to retrieve container logs for containerd://c39a56", "no port\n", 20) == ("no port",)


SERVED = Wanted("Deployment", "api", service="core-api")


def serves(name: str, second: int = 0, exits: int = 0, names: tuple[str, ...] = ("app",), **meta: t.Any) -> Json:
    """A pod that serves, made at that second."""
    status = pod(name, ready=True, containers=[running(exits, names[0])])["status"]
    made = {"name": name, "creationTimestamp": f"2026-11-02T10:00:{second:02}Z", **meta}
    return {"metadata": made, "spec": {"containers": [{"name": one} for one in names]}, "status": status}


def failing(service: str = "core-api", name: str = "errors", nearness: float = 2.0, **more: t.Any) -> CheckState:
    return CheckState(name, more.pop("status", "bad"), "outside", nearness=nearness, service=service, **more)


def test_the_newest_pods_of_the_failing_service_and_before_them_the_restarted() -> None:
    pods = [serves("old", 1), serves("new", 9), serves("restarted", 2, exits=1), serves("newer", 9)]
    found = with_serving([], [failing()], [(WEB, [serves("other", 50)]), (SERVED, pods)])
    assert found == [
        Suspect(
            "Deployment api",
            "restarted",
            "app",
            "serves what errors judges, restarted (1 exits)",
            1,
            logs=True,
            restarted=True,
            objects=(("Pod", "restarted"),),
        ),
        Suspect("Deployment api", "new", "app", "serves what errors judges", logs=True, objects=(("Pod", "new"),)),
    ]


def test_only_what_decided_is_asked_about() -> None:
    pods = [(SERVED, [serves("p1")])]
    for check in (failing(critical=False), failing(status="over"), failing(status="lost"), failing("reference-data")):
        assert with_serving([], [check], pods) == []
    both = [failing("reference-data", "far", 1.0), failing(name="near", nearness=3.0)]
    found = with_serving([], both, [*pods, (Wanted("Deployment", "ref", service="reference-data"), [serves("r1")])])
    assert [one.problem for one in found] == ["serves what near judges"]


def test_a_check_of_no_service_speaks_of_the_only_one() -> None:
    one = [(SERVED, [serves("p1")]), (Wanted("Deployment", "api-2", service="core-api"), [serves("p2")])]
    assert [suspect.pod for suspect in with_serving([], [failing("")], one)] == ["p1", "p2"]
    assert with_serving([], [failing("")], [*one, (WEB, [serves("w1")])]) == []
    assert [suspect.pod for suspect in with_serving([], [failing("")], [(WEB, [serves("w1")])])] == ["w1"]


def test_three_pods_in_all_and_each_of_them_once() -> None:
    waits = suspects_of([failed(WEB, status="waiting", unready=(("p1", "app"), ("w1", "app"), ("w2", "app")))])
    found = with_serving(waits, [failing()], [(SERVED, [serves("p1"), serves("p2", 5)])])
    assert [suspect.pod for suspect in found] == ["p2", "p1", "w1"]
    assert with_serving(waits, [failing("nobody")], [(SERVED, [serves("p2")])]) == waits


def test_jobs_and_pods_that_do_not_run_serve_nothing() -> None:
    done = serves("p1")
    done["status"]["phase"] = "Pending"
    work = Wanted("Job", "migrate", service="core-api")
    assert with_serving([], [failing()], [(SERVED, [done]), (work, [serves("j1")])]) == []


@pytest.mark.parametrize(
    ("annotations", "container"), [({}, "mesh"), ({"kubectl.kubernetes.io/default-container": "app"}, "app")]
)
def test_the_log_of_a_pod_that_serves_is_that_of_its_own_container(annotations: Json, container: str) -> None:
    two = serves("p1", names=("mesh", "app"), annotations=annotations)
    assert with_serving([], [failing()], [(SERVED, [two])])[0].container == container
