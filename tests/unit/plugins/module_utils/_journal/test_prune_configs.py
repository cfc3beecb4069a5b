# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which configuration is removed, and that nothing else is."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_config_prune import (
    decide_config_prune,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.prune_configs import prune_configs
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import Revisions
from fakes import FakeClock, FakeKube
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import deployment

NAMES = st.sets(st.sampled_from("abcdef"))


@settings(max_examples=100)
@given(NAMES, NAMES, NAMES)
def test_exactly_what_nobody_refers_to_goes(existing: set[str], slots: set[str], revisions: set[str]) -> None:
    gone = decide_config_prune(existing, slots, revisions)
    assert not set(gone) & (slots | revisions)
    assert existing - set(gone) == existing & (slots | revisions)
    assert gone == sorted(set(gone))


def config(name: str, namespace: str = "exchange", **labels: str) -> dict[str, t.Any]:
    meta = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "core-api", **labels}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "immutable": True, "data": {"A": name}}


MARK = {"pincex.io/config": "x"}


def test_a_slot_and_a_kept_revision_keep_their_configuration() -> None:
    server = FakeKube(("exchange", "elsewhere"))
    kube = server.api(FakeClock())
    blue = deployment("blue", "v2", replicas=0)
    blue["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "core-api-slot"}}]
    server.put(blue)
    for name in ("core-api-slot", "core-api-recorded", "core-api-old"):
        server.put(config(name, **MARK))
    server.put(config("core-api-old", "elsewhere", **MARK))
    server.put(config("settings-of-a-template"))
    revisions = Revisions(kube, "exchange")
    revisions.record({"number": 1, "id": "r1"}, {"objects": [config("core-api-recorded", **MARK)]})
    assert prune_configs(kube, "exchange", revisions.headers()) == ["core-api-old"]
    left = {ref.name for ref in server.stored if ref.kind == "ConfigMap" and ref.namespace == "exchange"}
    assert left == {
        "core-api-slot",
        "core-api-recorded",
        "settings-of-a-template",
        "pincex-revision-1",
        "pincex-revision-1-1",
    }
    assert Ref("v1", "ConfigMap", "core-api-old", "elsewhere") in server.stored
    revisions.remove(1)
    assert prune_configs(kube, "exchange", revisions.headers()) == ["core-api-recorded"]


def test_without_such_configuration_one_question_is_asked() -> None:
    server = FakeKube()
    assert prune_configs(server.api(FakeClock()), "exchange", [{"number": 1}]) == []
    assert [request.path for request in server.requests if request.path.count("/") > 2] == [
        "/api/v1/namespaces/exchange/configmaps"
    ]
