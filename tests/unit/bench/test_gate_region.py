# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the bench's own watch says that something is ready."""

from __future__ import annotations

import typing as t

import pytest

from bench.gate.region import Seen, is_complete, is_ready

Json = dict[str, t.Any]


def pod(ready: str = "True", **meta: str) -> Json:
    return {"metadata": {"uid": "1", **meta}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def deployment(**status: int) -> Json:
    full = {"observedGeneration": 3, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2, **status}
    return {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": full}


def test_a_pod_is_ready_unless_it_is_on_its_way_out() -> None:
    assert is_ready(pod())
    assert not is_ready(pod("False"))
    assert not is_ready(pod(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert not is_ready({"metadata": {}, "status": {}})


@pytest.mark.parametrize(
    "status", [{"observedGeneration": 2}, {"updatedReplicas": 1}, {"replicas": 3}, {"availableReplicas": 1}]
)
def test_a_deployment_is_complete_when_all_of_it_is(status: dict[str, int]) -> None:
    assert is_complete(deployment())
    assert not is_complete(deployment(**status))


def test_the_first_instant_counts() -> None:
    seen = Seen(lambda pods: len(pods) == 1 and all(is_ready(one) for one in pods))
    seen.take({"type": "ADDED", "object": pod("False")}, 1.0)
    assert seen.done_at is None
    seen.take({"type": "MODIFIED", "object": pod()}, 2.0)
    seen.take({"type": "MODIFIED", "object": pod("False")}, 3.0)
    seen.take({"type": "MODIFIED", "object": pod()}, 4.0)
    assert seen.wait(0) == 2.0


def test_what_was_deleted_is_not_awaited() -> None:
    seen = Seen(lambda pods: not pods)
    seen.take({"type": "ADDED", "object": pod()}, 1.0)
    seen.take({"type": "DELETED", "object": pod()}, 2.0)
    assert seen.wait(0) == 2.0
