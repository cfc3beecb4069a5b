# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a field."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import (
    adopt,
    scaled_by_autoscaler,
)

ME = "pincex-zero-downtime"


def entry(manager: str, operation: str, fields: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def obj(*entries: t.Any, kind: str = "Deployment") -> dict[str, t.Any]:
    return {"kind": kind, "metadata": {"managedFields": list(entries)}}


def test_our_updates_go_over_to_our_apply_but_for_the_scale() -> None:
    found = adopt(
        obj(
            entry(ME, "Apply", {"f:spec": {"f:template": {"f:a": {}}}}),
            entry("kubectl", "Update", {"f:spec": {"f:paused": {}}}),
            entry(ME, "Update", {"f:spec": {"f:replicas": {}, "f:template": {"f:b": {}}}}),
        ),
        ME,
    )
    assert found == [
        entry(ME, "Apply", {"f:spec": {"f:template": {"f:a": {}, "f:b": {}}}}),
        entry("kubectl", "Update", {"f:spec": {"f:paused": {}}}),
        entry(ME, "Update", {"f:spec": {"f:replicas": {}}}),
    ]


def test_an_entry_that_is_empty_then_goes() -> None:
    found = adopt(
        obj(
            entry(ME, "Apply", {"f:spec": {"f:maxReplicas": {}}}),
            entry(ME, "Update", {"f:spec": {"f:minReplicas": {}}}),
            kind="HorizontalPodAutoscaler",
        ),
        ME,
    )
    assert found == [entry(ME, "Apply", {"f:spec": {"f:maxReplicas": {}, "f:minReplicas": {}}})]


def test_nothing_to_hand_over() -> None:
    scale = entry(ME, "Update", {"f:spec": {"f:replicas": {}}})
    assert adopt(obj(entry(ME, "Apply", {}), scale), ME) is None
    assert adopt(obj(scale), ME) is None
    assert adopt(obj(entry(ME, "Apply", {})), ME) is None
    assert adopt(obj(entry(ME, "Apply", {}), entry("kubectl", "Update", {"f:spec": {}})), ME) is None
    assert adopt(obj(entry(ME, "Apply", {}), {**entry(ME, "Update", {"f:x": {}}), "subresource": "status"}), ME) is None
    assert adopt({"kind": "Service", "metadata": {}}, ME) is None


def test_the_autoscaler_is_known_by_its_subresource() -> None:
    fields = {"f:spec": {"f:replicas": {}}}
    assert scaled_by_autoscaler(obj(entry("kube-controller-manager", "Update", fields, subresource="scale")))
    assert not scaled_by_autoscaler(obj(entry("kubectl", "Update", fields, subresource="scale")))
    assert not scaled_by_autoscaler(obj(entry("kube-controller-manager", "Update", fields, subresource="status")))
    assert not scaled_by_autoscaler({"kind": "Deployment", "metadata": {}})
