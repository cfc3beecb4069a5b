# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what says whether a challenger can have side effects."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_side_effects import Pods

_POLICY_API: t.Final = "networking.k8s.io/v1"


def read_pods(kube: KubeApi, namespace: str, name: str, slot: str) -> Pods:
    """The pods of one slot of a model. Needs `get` for Deployments and ServiceAccounts, `list` for NetworkPolicies."""
    workload = f"{name}-{slot}"
    deployment = kube.get(Ref("apps/v1", "Deployment", workload, namespace))
    account = None
    if deployment is not None:
        pod = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
        account = kube.get(Ref("v1", "ServiceAccount", pod.get("serviceAccountName") or "default", namespace))
    policies = kube.list(_POLICY_API, "NetworkPolicy", namespace)
    return Pods(workload, deployment, account, tuple(policies))
