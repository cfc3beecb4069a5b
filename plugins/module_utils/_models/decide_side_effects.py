# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a challenger that gets copies of requests can do anything with them besides answering. Pure.

A copy is a request that its sender never sent twice: an order that it places, a mail that it sends, a row that it
writes is one too many. So the pods may not reach everything, hold no credentials, and get only what is named.
"""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import typing as t
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import referenced

JsonObject = dict[str, t.Any]

#: `egress`: where the pods may connect to. `secrets`, `token`: what they hold.
Check = t.Literal["egress", "secrets", "token"]
CHECKS: t.Final = t.get_args(Check)
_DNS_PORT: t.Final = 53
_SECRET_STORE: t.Final = "secrets-store.csi"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that stands in the way, and in `text` what to do about it."""

    check: Check
    text: str


@dataclasses.dataclass(frozen=True)
class Pods:
    """The challenger's pods as the cluster has them. `name`: of their Deployment, which is None when it is not there;
    `account`: their ServiceAccount, None when it is not there; `policies`: all NetworkPolicies of the namespace."""

    name: str
    deployment: JsonObject | None
    account: JsonObject | None
    policies: tuple[JsonObject, ...]


def side_effect_problems(pods: Pods) -> list[Problem]:
    """What stands in the way of copying requests to these pods. An empty list is no proof: see `not_proved`."""
    if pods.deployment is None:
        text = f"there is no Deployment {pods.name}, so nothing is known of its pods; apply the challenger first"
        return [Problem("egress", text)]
    template = (pods.deployment.get("spec") or {}).get("template") or {}
    return [
        *_egress_problems(pods.name, template, pods.policies),
        *_secret_problems(pods.name, pods.deployment),
        *_token_problems(pods.name, template.get("spec") or {}, pods.account),
    ]


def split(problems: Iterable[Problem], override: Container[str]) -> tuple[list[Problem], list[Problem]]:
    """Those that refuse the mirror, and those that somebody has overridden."""
    found = list(problems)
    return (
        [problem for problem in found if problem.check not in override],
        [problem for problem in found if problem.check in override],
    )


def not_proved(enforced: bool | None) -> str:
    """What has to be told although there is no problem. `enforced`: whether a probe was stopped by the policy; None
    when nobody tried."""
    if enforced:
        return ""
    if enforced is None:
        return (
            "not proved: the egress policy of the challenger is accepted, and whether anything enforces it was not "
            "tried; a cluster whose network plug-in knows no NetworkPolicy accepts it all the same"
        )
    return "the egress policy of the challenger is accepted, and nothing enforces it: its pods reach what it forbids"


def _egress_problems(
    name: str, template: Mapping[str, t.Any], policies: Sequence[Mapping[str, t.Any]]
) -> Iterator[Problem]:
    if (template.get("spec") or {}).get("hostNetwork"):
        yield Problem("egress", f"{name} uses the network of its node, which no NetworkPolicy is for; take that away")
    labels = (template.get("metadata") or {}).get("labels") or {}
    ruling = [policy for policy in policies if _is_egress(policy) and _selects(policy["spec"], labels)]
    if not ruling:
        yield Problem(
            "egress",
            f"no NetworkPolicy of type Egress selects the pods of {name}, so they may connect to everything; add one "
            "that allows only what the model needs to answer",
        )
    for policy in ruling:
        too_much = _too_much(policy["spec"].get("egress") or [])
        if too_much:
            yield Problem(
                "egress",
                f"NetworkPolicy {policy['metadata']['name']} lets the pods of {name} connect to {too_much}; name what "
                "the model needs to answer",
            )


def _is_egress(policy: Mapping[str, t.Any]) -> bool:
    spec = policy.get("spec") or {}
    # As the API server fills it in.
    return "Egress" in (spec.get("policyTypes") or (["Egress"] if spec.get("egress") else []))


def _selects(spec: Mapping[str, t.Any], labels: Mapping[str, str]) -> bool:
    selector = spec.get("podSelector") or {}
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _meets(expression: Mapping[str, t.Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(expression["operator"]), False)


def _too_much(rules: Sequence[Mapping[str, t.Any]]) -> str:
    """What these rules allow that no model needs; empty when they name what they are for. Names have to be resolved, so
    DNS may be anywhere."""
    blocks: list[str] = []
    for rule in rules:
        ports = rule.get("ports") or []
        if ports and all(port.get("port") == _DNS_PORT and "endPort" not in port for port in ports):
            continue
        if not rule.get("to"):
            return "everything"
        for peer in rule["to"]:
            if peer.get("ipBlock"):
                blocks.append(peer["ipBlock"]["cidr"])
            elif _is_empty(peer.get("podSelector")) and _is_empty(peer.get("namespaceSelector")):
                return "every pod of the namespace" if "namespaceSelector" not in peer else "every pod of the cluster"
    return "every address" if _is_every_address(blocks) else ""


def _is_empty(selector: Mapping[str, t.Any] | None) -> bool:
    return not (selector or {}).get("matchLabels") and not (selector or {}).get("matchExpressions")


def _is_every_address(blocks: Iterable[str]) -> bool:
    """Also when it is said in halves."""
    networks = [ipaddress.ip_network(block, strict=False) for block in blocks]
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return any(network.prefixlen == 0 for network in ipaddress.collapse_addresses(v4)) or any(
        network.prefixlen == 0 for network in ipaddress.collapse_addresses(v6)
    )


def _secret_problems(name: str, deployment: JsonObject) -> Iterator[Problem]:
    without_pull = copy.deepcopy(deployment)
    # The node uses that one, and no container sees it.
    without_pull["spec"]["template"]["spec"].pop("imagePullSecrets", None)
    names = sorted(referenced([without_pull], "Secret"))
    if names:
        text = f"the pods of {name} hold the Secret {', '.join(names)}; a challenger that only answers needs none"
        yield Problem("secrets", f"{text}: take it out of its environment and volumes")
    plain = sorted(set(_credentials(without_pull["spec"]["template"]["spec"])))
    if plain:
        yield Problem("secrets", f"the environment of {name} holds a credential in {', '.join(plain)}; take it out")
    volumes = without_pull["spec"]["template"]["spec"].get("volumes") or []
    stores = [v["name"] for v in volumes if _SECRET_STORE in str((v.get("csi") or {}).get("driver"))]
    if stores:
        yield Problem("secrets", f"the volume {', '.join(stores)} of {name} comes from a store of secrets; remove it")


def _credentials(pod: Mapping[str, t.Any]) -> Iterator[str]:
    """The names of variables that look like a secret in plain text, or like an address with a password in it."""
    for container in (*(pod.get("initContainers") or []), *(pod.get("containers") or [])):
        for entry in container.get("env") or []:
            text = f"{entry['name']}={entry.get('value') or ''}"
            if entry.get("value") and redact(text) != text:
                yield str(entry["name"])


def _token_problems(name: str, pod: Mapping[str, t.Any], account: Mapping[str, t.Any] | None) -> Iterator[Problem]:
    mounted = pod.get("automountServiceAccountToken")
    if mounted is None:
        # The pod's word counts first, and true is the default.
        mounted = (account or {}).get("automountServiceAccountToken", True)
    if mounted:
        text = f"the pods of {name} get the token of their ServiceAccount; set automountServiceAccountToken to false"
        yield Problem("token", text)
    projected = [
        volume["name"]
        for volume in pod.get("volumes") or []
        for source in (volume.get("projected") or {}).get("sources") or []
        if "serviceAccountToken" in source
    ]
    if projected:
        yield Problem("token", f"the volume {', '.join(projected)} of {name} has a token of its account; remove it")
