# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a workload refers to."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config, referenced
from slot_world import deployment, service

POD: dict[str, t.Any] = {
    "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "from-init"}}]}],
    "containers": [
        {
            "name": "c",
            "envFrom": [{"configMapRef": {"name": "from-env"}}, {"secretRef": {"name": "all-of-it"}}],
            "env": [
                {"name": "A", "value": "configMapRef"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "one-key", "key": "b"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "one-password", "key": "c"}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        }
    ],
    "imagePullSecrets": [{"name": "registry"}],
    "volumes": [
        {"name": "a", "configMap": {"name": "as-files"}},
        {"name": "b", "secret": {"secretName": "certificate"}},
        {
            "name": "c",
            "projected": {
                "sources": [
                    {"configMap": {"name": "projected"}},
                    {"secret": {"name": "projected-secret"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]
            },
        },
        {"name": "d", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "of-the-driver"}}},
        {"name": "e", "emptyDir": {}},
    ],
}


def test_every_way_to_refer_to_something_is_found() -> None:
    workload = deployment("blue", "v1")
    workload["spec"]["template"]["spec"] = POD
    assert referenced([workload, service("blue")], "ConfigMap") == {
        "from-init",
        "from-env",
        "one-key",
        "as-files",
        "projected",
    }
    assert referenced([workload], "Secret") == {
        "all-of-it",
        "one-password",
        "certificate",
        "projected-secret",
        "of-the-driver",
        "registry",
    }


def test_who_refers_to_nothing() -> None:
    assert referenced([], "Secret") == set()
    assert referenced([service("blue"), deployment("blue", "v1"), {"kind": "ConfigMap"}], "ConfigMap") == set()


def test_configuration_is_known_by_its_label() -> None:
    labelled = {"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"pincex.io/config": "0123456789"}}}
    assert is_config(labelled)
    assert not is_config({**labelled, "kind": "Service"})
    assert not is_config({"kind": "ConfigMap", "metadata": {"name": "a"}})
