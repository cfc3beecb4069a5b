# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be applied."""

from __future__ import annotations

import typing as t

import hypothesis
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import Conflict, OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import (
    checked_fields,
    checked_objects,
    conflict_text,
    foreign,
    live_problem,
    scaled,
)
from hypothesis import strategies as st
from slot_world import account, deployment, hpa, scale, service, slot_ref

COUNTS = st.integers(0, 50)

LIVE = {"core-api": {"blue": 90, "green": 10}}


def test_the_order_of_writing() -> None:
    given = [hpa("blue", 2), deployment("blue", "v1"), service("blue"), account()]
    kinds = [obj["kind"] for obj in checked_objects(given, "exchange")]
    assert kinds == ["ServiceAccount", "Service", "Deployment", "HorizontalPodAutoscaler"]


def test_the_namespace_is_filled_in_and_what_the_server_keeps_is_left_out() -> None:
    given = service("blue")
    del given["metadata"]["namespace"]
    given["metadata"] |= {"resourceVersion": "7", "uid": "u"}
    assert checked_objects([given], "exchange") == [service("blue")]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("text", "number 1 is no manifest with metadata"),
        ({"kind": "Service", "metadata": {"name": "x"}}, "number 1 has no apiVersion"),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {}}, "number 1 (Service) has no metadata.name"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}, "the Secret x has no place in a release"),
        (
            {"apiVersion": "g/v1", "kind": "HTTPRoute", "metadata": {"name": "x"}},
            "the HTTPRoute x belongs to k8s_traffic",
        ),
        (
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "other"}},
            "Service x is for namespace other, this call is for exchange",
        ),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(given: t.Any, problem: str) -> None:
    with pytest.raises(OptionError) as caught:
        checked_objects([given], "exchange")
    assert caught.value.message.startswith(f"objects: {problem}")


def test_twice_and_different_is_once_too_often() -> None:
    assert checked_objects([account(), account()], "exchange") == [account()]
    other = {**service("blue"), "spec": {}}
    with pytest.raises(OptionError, match="Service core-api-blue is there twice, and not the same"):
        checked_objects([service("blue"), other], "exchange")
    with pytest.raises(OptionError, match=r"spec.replicas of Deployment core-api-blue is there twice"):
        checked_fields([scale("blue", 1), scale("blue", 2)], "exchange")


@pytest.mark.parametrize(
    "path", ["replicas", "spec", "spec.", "spec.containers[0]", "metadata.labels.x", "status.replicas", "spec..x"]
)
def test_only_fields_of_the_spec_can_be_set(path: str) -> None:
    with pytest.raises(OptionError, match=r"^fields: "):
        checked_fields([{**scale("blue", 1), "path": path}], "exchange")


@hypothesis.given(value=COUNTS, own=st.none() | COUNTS, other=st.none() | COUNTS)
def test_a_scale_follows_the_larger_slot_and_never_shrinks_its_own(
    value: int, own: int | None, other: int | None
) -> None:
    given = [{**scale("green", value), "at_least": "core-api-blue"}, scale("blue", value)]
    live = {
        slot_ref(slot): None if count is None else deployment(slot, "v1", replicas=count)
        for slot, count in (("green", own), ("blue", other))
    }
    green, blue = scaled(checked_fields(given, "exchange"), live)
    assert green.value == max(value, own or 0, other or 0)
    # A field without it is what it says.
    assert blue.value == value


@pytest.mark.parametrize("change", [{"path": "spec.paused"}, {"kind": "HorizontalPodAutoscaler"}, {"value": "2"}])
def test_only_a_number_of_pods_follows_another_workload(change: dict[str, t.Any]) -> None:
    with pytest.raises(OptionError, match=r"^fields: at_least of .* core-api-green is for a number of pods"):
        checked_fields([{**scale("green", 2), "at_least": "core-api-blue", **change}], "exchange")


@pytest.mark.parametrize(
    ("wanted", "allow_live", "problem"),
    [
        (deployment("blue", "v1", replicas=3), False, None),
        (deployment("blue", "v1", replicas=4), False, None),
        (deployment("blue", "v1", replicas=2), True, "90 % of the traffic and 3 replicas; it is not scaled down to 2"),
        (deployment("blue", "v1", replicas=0), True, "it is not scaled down to 0"),
        (deployment("blue", "v2", replicas=3), False, "another pod template there needs allow_live"),
        (deployment("blue", "v2", replicas=3), True, None),
    ],
)
def test_a_slot_with_traffic(wanted: t.Any, allow_live: bool, problem: str | None) -> None:
    live = deployment("blue", "v1", replicas=3)
    found = live_problem(live, wanted, LIVE, allow_live)
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")
    # Without traffic everything goes.
    assert live_problem(live, wanted, {"core-api": {"blue": 0, "green": 100}}, False) is None


def test_conflicts_with_ourselves_are_none() -> None:
    mine, theirs = Conflict(".spec.a", "pincex-zero-downtime"), Conflict(".spec.b", "kubectl")
    assert foreign([mine, theirs]) == [theirs]
    text = conflict_text(Ref("apps/v1", "Deployment", "x", "exchange"), [theirs])
    assert text.startswith("Deployment exchange/x: spec.b belongs to kubectl; nothing was written.")
