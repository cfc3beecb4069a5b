# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines and gateways as pods, asked through the API server's proxy: a controller often reaches nothing else.

A pod is asked by its name, so that one that was replaced meanwhile is the same engine under another address.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import transport as kube_transport
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import NotForwarded

JsonObject = dict[str, t.Any]

#: What a method is called in a rule of a Role.
VERBS: t.Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: How the API server begins to say, as plain text, that it could not reach a pod.
_NOT_REACHED: t.Final = b"rror trying to reach service"
_LONGEST_REASON: t.Final = 300


@dataclasses.dataclass(frozen=True)
class Gateway:
    """One life of a gateway: a container that was started again has forgotten what it had in flight."""

    pod: str
    uid: str
    restarts: int
    port: int


class Pods:
    """The pods of one namespace. Its requests have times of their own, beside those of the journal."""

    def __init__(self, transport: kube_transport.Transport, clock: Clock, region: str, namespace: str) -> None:
        self._kube = KubeApi(transport, clock, region)
        self._transport = transport
        self._namespace = namespace

    def path(self, pod: str, port: int) -> str:
        """What a request to that pod begins with."""
        return f"/api/v1/namespaces/{self._namespace}/pods/{pod}:{port}/proxy"

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],  # noqa: ARG002 - the API client has its own
        timeout_s: float,
    ) -> tuple[int, bytes]:
        """Status and body of the pod's answer. Raises NoAnswer. The API client has headers of its own: it
        keeps and renews the credential."""
        try:
            answer = self._transport.request(kube_transport.Request(method, url, body=body), timeout_s)
        except kube_transport.NoAnswer as error:
            raise NoAnswer(f"the API server: {error}", timeout=error.timeout, hopeless=error.hopeless) from error
        refusal = refusal_of(method, answer.status, answer.body, renews=self._transport.renews)
        if refusal is not None:
            raise refusal
        return answer.status, answer.body

    def address(self, pod: str, port: int) -> tuple[str | None, str]:
        """Where other pods reach it, or None and why not."""
        found = self._get(pod)
        ip = ((found or {}).get("status") or {}).get("podIP")
        if not ip:
            return None, f"pod {pod} {'does not exist' if found is None else 'has no address yet'}"
        host = f"[{ip}]" if ipaddress.ip_address(ip).version == 6 else ip
        return f"http://{host}:{port}", ""

    def gateways(self, selector: str, port: int, within_s: float) -> list[Gateway]:
        """Those that run and do not end, by name. One whose container does not run has nothing in flight."""
        self._kube.deadline_s = within_s
        try:
            found = self._kube.list("v1", "Pod", self._namespace, selector)
        except ApiError as error:
            raise _with_rule(error, "list") from error
        return sorted(filter(None, (gateway_of(pod, port) for pod in found)), key=lambda one: one.pod)

    def _get(self, pod: str) -> JsonObject | None:
        try:
            return self._kube.get(Ref("v1", "Pod", pod, self._namespace))
        except ApiError as error:
            raise _with_rule(error, "get") from error


def pods_of(session: Session, clock: Clock) -> Pods:
    """The pods of the task's namespace."""
    return Pods(session.kube.transport, clock, session.region, session.namespace)


def gateway_of(pod: Mapping[str, t.Any], port: int) -> Gateway | None:
    """The gateway in that pod; None when there is none that could have anything in flight. Pure."""
    meta, status = pod["metadata"], pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    runs = any((one.get("state") or {}).get("running") is not None for one in containers)
    if status.get("phase") != "Running" or meta.get("deletionTimestamp") or not runs:
        return None
    restarts = sum(int(one.get("restartCount") or 0) for one in containers)
    return Gateway(str(meta["name"]), str(meta.get("uid") or ""), restarts, port)


def refusal_of(method: str, status: int, body: bytes, *, renews: bool) -> NotForwarded | None:
    """What the API server has said itself; None for an answer that is the pod's own. Pure. `renews`: whether the
    credential may be another one soon."""
    said = _said(status, body)
    if said is None:
        return None
    kind, problem = "server" if status == 429 or status >= 500 else "refused", f"the API server answered {status}"
    if status == 404:
        kind, problem = "gone", "there is no such pod"
    elif status == 403:
        rule = f'apiGroups [""], resources [pods/proxy], verbs [{VERBS[method]}]'
        kind, problem = "unauthorized", f"the API server forbids it, the rule {rule} is missing"
    elif status == 401:
        kind = "server" if renews else "unauthorized"
        problem = "the API server does not accept the credential of the kubeconfig"
    elif status in (502, 503):
        kind, problem = "unreachable", "the API server does not reach the pod"
    elif status == 504:
        kind, problem = "timeout", "the pod did not answer the API server in time"
    return NotForwarded(f"{problem}: {said}" if said else problem, kind=kind, status=status)


def _said(status: int, body: bytes) -> str | None:
    """The API server's own words; None when it was not the one that answered."""
    if status < 300:
        return None
    if _NOT_REACHED in body[:200] and not body.lstrip().startswith(b"{"):
        return " ".join(body.decode("utf-8", "replace").split())[:_LONGEST_REASON]
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict) or (found.get("kind"), found.get("apiVersion")) != ("Status", "v1"):
        return None
    return " ".join(str(found.get("message") or "").split())[:_LONGEST_REASON]


def _with_rule(error: ApiError, verb: str) -> ApiError:
    if error.kind == "forbidden":
        error.message += f'; the rule apiGroups [""], resources [pods], verbs [{verb}] is missing'
    return error
