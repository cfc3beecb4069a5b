# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases that are captured besides those of the benchmark."""

from __future__ import annotations

import typing as t

import pytest

from bench.gate import capture
from bench.gate.capture import _begin, _more, _space
from bench.gate.cases import CASES, NAME, Case
from lab.kube import Kube, Object

MORE = {case.name: case for case in _more()}


class Recorder:
    """Notes what is applied; everything that is asked for is there."""

    def __init__(self) -> None:
        self.applied: list[Object] = []
        self.asked: list[str] = []

    def apply(self, *objects: Object) -> None:
        self.applied += objects

    def get(self, _version: str, kind: str, name: str, space: str) -> Object:
        self.asked.append(f"{kind} {name}")
        return {"metadata": {"namespace": space}, "status": {"hard": {"pods": "0"}}}

    def wait(self, _what: str, check: t.Callable[[], bool], _timeout_s: float) -> None:
        assert check()


def begun(case: Case) -> Recorder:
    kube = Recorder()
    _begin(t.cast(Kube, kube), case)
    return kube


def test_every_case_has_a_namespace_of_its_own() -> None:
    names = [_space(case) for case in (*CASES, *MORE.values())]
    assert len(set(names)) == len(names)
    # A label of RFC 1123.
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() and name == name.lower() for name in names)


@pytest.mark.parametrize("case", [case for case in MORE.values() if case.kind != "Job"], ids=lambda case: case.name)
def test_the_workload_is_of_the_kind_that_the_gate_is_asked_for(case: Case) -> None:
    (workload,) = case.after
    assert (workload["kind"], workload["metadata"]["name"]) == (case.kind, NAME)
    # An API server refuses a field that it does not know.
    assert ("replicas" in workload["spec"]) == (case.kind != "DaemonSet")


def test_one_namespace_refuses_the_pods_and_the_others_do_not() -> None:
    labels = {name: begun(case).applied[0]["metadata"].get("labels") for name, case in MORE.items()}
    assert {name for name, found in labels.items() if found} == {"admission refusal"}
    assert labels["admission refusal"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_a_quota_is_in_force_before_its_workload_comes() -> None:
    kube = begun(MORE["quota refusal, DaemonSet"])
    assert [obj["kind"] for obj in kube.applied] == ["Namespace", "ResourceQuota", "DaemonSet"]
    assert kube.asked == ["ServiceAccount default", "ResourceQuota no-more-pods"]


def test_the_sidecar_stays_and_the_deadline_is_over_when_the_cluster_is_looked_at() -> None:
    for name in ("healthy sidecar", "crashing sidecar"):
        spec = MORE[name].after[0]["spec"]["template"]["spec"]
        assert [one["restartPolicy"] for one in spec["initContainers"]] == ["Always"]
    assert MORE["progress deadline"].after[0]["spec"]["progressDeadlineSeconds"] < capture._AFTER_S / 2
