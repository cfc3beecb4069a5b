# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A challenger that gets copies may answer, and nothing else."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_side_effects import (
    Pods,
    not_proved,
    side_effect_problems,
    split,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.side_effects import read_pods
from fakes import FakeClock, FakeKube
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

NAME = "price-prediction-green"
LABELS = {"app.kubernetes.io/name": "price-prediction", "pincex.io/slot": "green"}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
FEATURES = {"to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "features"}}}]}


def deployment(**pod: t.Any) -> Json:
    container = {"name": "model", "image": "model:v2", "env": [{"name": "PINCEX_SLOT", "value": "green"}]}
    spec = {"automountServiceAccountToken": False, "serviceAccountName": "price-prediction", "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": "exchange"},
        "spec": {"template": {"metadata": {"labels": LABELS}, "spec": {**spec, **pod}}},
    }


def with_container(**fields: t.Any) -> Json:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0].update(fields)
    return made


def policy(*egress: Json, name: str = "models", **spec: t.Any) -> Json:
    selector = {"matchLabels": {"app.kubernetes.io/name": "price-prediction"}}
    rules = {"podSelector": selector, "policyTypes": ["Egress"], "egress": list(egress)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "exchange"},
        "spec": {**rules, **spec},
    }


def problems(
    workload: Json | None = None,
    *policies: Json,
    account: Json | None = None,
) -> list[tuple[str, str]]:
    pods = Pods(NAME, workload or deployment(), account, policies or (policy(DNS, FEATURES),))
    return [(problem.check, problem.text) for problem in side_effect_problems(pods)]


def test_one_that_may_only_answer_is_fit() -> None:
    assert problems() == []
    assert problems(None, policy()) == []
    assert problems(deployment(imagePullSecrets=[{"name": "registry"}])) == []
    plain = with_container(env=[{"name": "MAX_TOKENS", "value": "40"}, {"name": "DB_PASSWORD", "value": ""}])
    assert problems(plain) == []


@pytest.mark.parametrize(
    ("policies", "part"),
    [
        ((policy(podSelector={"matchLabels": {"app.kubernetes.io/name": "risk"}}),), "no NetworkPolicy of type Egress"),
        ((policy(policyTypes=["Ingress"]),), "no NetworkPolicy of type Egress"),
        ((policy(policyTypes=None),), "no NetworkPolicy of type Egress"),
        (
            (
                policy(
                    podSelector={
                        "matchExpressions": [{"key": "pincex.io/slot", "operator": "NotIn", "values": ["green"]}]
                    }
                ),
            ),
            "no NetworkPolicy of type Egress",
        ),
        ((policy({}),), "connect to everything"),
        ((policy({"ports": [{"port": 443}]}),), "connect to everything"),
        ((policy({"ports": [{"port": 53, "endPort": 9000}]}),), "connect to everything"),
        ((policy(DNS), policy({}, name="open")), "NetworkPolicy open lets the pods"),
        ((policy({"to": [{"podSelector": {}}]}),), "every pod of the namespace"),
        ((policy({"to": [{"namespaceSelector": {}}]}),), "every pod of the cluster"),
        ((policy({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}),), "every address"),
        ((policy({"to": [{"ipBlock": {"cidr": "::/0"}}]}),), "every address"),
        (
            (policy({"to": [{"ipBlock": {"cidr": "0.0.0.0/1"}}]}, {"to": [{"ipBlock": {"cidr": "128.0.0.0/1"}}]}),),
            "every address",
        ),
    ],
)
def test_where_it_may_connect_to(policies: t.Any, part: str) -> None:
    ((check, text),) = problems(None, *policies)
    assert (check, part in text) == ("egress", True)


@pytest.mark.parametrize("operator", ["In", "Exists", "DoesNotExist", "NotIn"])
def test_a_policy_selects_by_expressions_too(operator: str) -> None:
    key = "pincex.io/slot" if operator in ("In", "Exists") else "pincex.io/other"
    expression = {"key": key, "operator": operator, "values": ["green"] if operator in ("In", "NotIn") else None}
    assert problems(None, policy(podSelector={"matchExpressions": [expression]})) == []


def test_a_network_of_the_node_is_under_no_policy() -> None:
    ((check, text),) = problems(deployment(hostNetwork=True))
    assert (check, "which no NetworkPolicy is for" in text) == ("egress", True)


@pytest.mark.parametrize(
    ("workload", "part"),
    [
        (with_container(envFrom=[{"secretRef": {"name": "broker"}}]), "hold the Secret broker"),
        (
            with_container(env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "broker", "key": "k"}}}]),
            "hold the Secret broker",
        ),
        (deployment(volumes=[{"name": "v", "secret": {"secretName": "broker"}}]), "hold the Secret broker"),
        (
            deployment(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "broker"}}]}}]),
            "hold the Secret broker",
        ),
        (deployment(initContainers=[{"name": "i", "envFrom": [{"secretRef": {"name": "broker"}}]}]), "Secret broker"),
        (
            deployment(volumes=[{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}]),
            "the volume v of price-prediction-green comes from a store of secrets",
        ),
        (with_container(env=[{"name": "DB_PASSWORD", "value": "hunter2"}]), "a credential in DB_PASSWORD"),
        (with_container(env=[{"name": "STORE", "value": "redis://user:hunter2@redis"}]), "a credential in STORE"),
    ],
)
def test_what_it_holds(workload: Json, part: str) -> None:
    ((check, text),) = problems(workload)
    assert (check, part in text, "hunter2" in text) == ("secrets", True, False)


@pytest.mark.parametrize(
    ("pod", "account", "fit"),
    [
        (False, {"automountServiceAccountToken": True}, True),
        (None, {"automountServiceAccountToken": False}, True),
        (None, {}, False),
        (None, None, False),
        (True, {"automountServiceAccountToken": False}, False),
    ],
)
def test_the_token_of_its_account(pod: bool | None, account: Json | None, fit: bool) -> None:
    found = problems(deployment(automountServiceAccountToken=pod), account=account)
    assert [check for check, _text in found] == ([] if fit else ["token"])


def test_a_token_among_its_volumes() -> None:
    volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    assert [check for check, _text in problems(deployment(volumes=[volume]))] == ["token"]


def test_nothing_is_known_of_pods_that_are_not_there() -> None:
    found = side_effect_problems(Pods(NAME, None, None, ()))
    assert [(problem.check, "apply the challenger first" in problem.text) for problem in found] == [("egress", True)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([policy(DNS), policy(FEATURES), policy({}), policy(policyTypes=["Ingress"])]), max_size=4)
)
def test_another_policy_never_makes_what_is_open_closed(policies: list[Json]) -> None:
    """They add up: who is allowed by one is allowed."""
    pods = Pods(NAME, deployment(), None, tuple(policies))
    is_open = policy({}) in policies or not any(one["spec"]["policyTypes"] == ["Egress"] for one in policies)
    assert bool(side_effect_problems(pods)) == is_open


def test_who_overrides_names_what() -> None:
    workload = deployment(hostNetwork=True, automountServiceAccountToken=True)
    found = side_effect_problems(Pods(NAME, workload, None, ()))
    refusing, overridden = split(found, ["egress"])
    assert ({one.check for one in refusing}, {one.check for one in overridden}) == ({"token"}, {"egress"})


def test_an_accepted_policy_is_no_proof() -> None:
    assert not_proved(None).startswith("not proved: ")
    assert "nothing enforces it" in not_proved(False)
    assert not_proved(True) == ""


def test_they_are_read_from_the_cluster() -> None:
    server = FakeKube()
    kube = server.api(FakeClock())
    assert read_pods(kube, "exchange", "price-prediction", "green") == Pods(NAME, None, None, ())
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "price-prediction"}}
    account["metadata"] = {"name": "price-prediction", "namespace": "exchange"}
    elsewhere = copy.deepcopy(policy({}, name="elsewhere"))
    elsewhere["metadata"]["namespace"] = "pincex-fleet"
    for obj in (deployment(), account, policy(DNS), elsewhere):
        server.put(obj)
    found = read_pods(kube, "exchange", "price-prediction", "green")
    assert (found.deployment or {})["metadata"]["name"] == NAME
    assert (found.account or {})["metadata"]["name"] == "price-prediction"
    assert [one["metadata"]["name"] for one in found.policies] == ["models"]
    assert side_effect_problems(found) == []
    server.denied.add(("list", "networkpolicies"))
    with pytest.raises(ApiError, match="forbidden"):
        read_pods(kube, "exchange", "price-prediction", "green")
