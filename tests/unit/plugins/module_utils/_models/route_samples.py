# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a model, and a data plane that answers one request as the Gateway API says it has to."""

from __future__ import annotations

import copy
import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route

Json = dict[str, t.Any]

MODEL = "price-prediction"
PREDICT = "/v1/predict"


def model_route(blue: int = 100, *rules: Json, annotations: Mapping[str, str] | None = None) -> Json:
    """As k8s_traffic makes it, with more rules in front of its own."""
    route = build_route(
        MODEL,
        "exchange",
        weights={"blue": blue, "green": 100 - blue},
        port=8080,
        hostnames=["price-prediction.lab"],
        parent={"name": "exchange"},
    )
    route["spec"]["rules"] = [*copy.deepcopy(rules), *route["spec"]["rules"]]
    if annotations:
        route["metadata"]["annotations"] = dict(annotations)
    return route


def backends(*names: str) -> list[Json]:
    return [{"group": "", "kind": "Service", "name": name, "port": 8080, "weight": 1} for name in names]


def to_slots(path: str, **more: t.Any) -> Json:
    """Somebody's rule for a path, which sends to both slots."""
    match = {"path": {"type": "PathPrefix", "value": path}, **more.pop("match", {})}
    return {"matches": [match], "backendRefs": backends(f"{MODEL}-blue", f"{MODEL}-green"), **more}


def to_other(path: str, service: str = "static", **match: t.Any) -> Json:
    """Somebody's rule for a path, which sends to another Service."""
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}, **match}],
        "backendRefs": backends(service),
        "timeouts": {"request": "2s"},
    }


@dataclasses.dataclass(frozen=True)
class Call:
    path: str = PREDICT
    method: str = "POST"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def by_the_book(match: Json) -> tuple[t.Any, ...]:
    """The precedence that the Gateway API asks for."""
    path, headers = match.get("path") or {}, match.get("headers") or []
    return path.get("type") == "Exact", len(path.get("value", "/")), "method" in match, len(headers)


def by_envoy_gateway(match: Json) -> tuple[t.Any, ...]:
    """To Envoy Gateway a method is one more header, and between as many headers the exact ones win."""
    path, headers = match.get("path") or {}, match.get("headers") or []
    count = len(headers) + ("method" in match)
    exact = sum(header.get("type") != "RegularExpression" for header in headers) + ("method" in match)
    return path.get("type") == "Exact", len(path.get("value", "/")), count, exact


def serving(route: Json, call: Call, precedence: t.Callable[[Json], tuple[t.Any, ...]] = by_the_book) -> Json | None:
    """The rule that this request comes to."""
    found: tuple[tuple[t.Any, ...], Json] | None = None
    for rule in route["spec"]["rules"]:
        for match in rule.get("matches") or [{}]:
            if _matches(match, call) and (found is None or precedence(match) > found[0]):
                found = (precedence(match), rule)
    return found[1] if found else None


def shares(rule: Json | None) -> dict[str, int]:
    """Where the requests of a rule go."""
    sent = {backend["name"]: backend.get("weight", 1) for backend in (rule or {}).get("backendRefs") or []}
    return {name.removeprefix(f"{MODEL}-"): weight for name, weight in sent.items() if weight}


def copies(rule: Json | None) -> list[Json]:
    return [f["requestMirror"] for f in (rule or {}).get("filters") or [] if f["type"] == "RequestMirror"]


def _matches(match: Json, call: Call) -> bool:
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    above = path["value"].rstrip("/")
    below = call.path == path["value"] or call.path.startswith(f"{above}/") or call.path == above
    if not (call.path == path["value"] if path["type"] == "Exact" else below):
        return False
    return match.get("method", call.method) == call.method and all(
        _has(header, call.headers) for header in match.get("headers") or []
    )


def _has(header: Json, given: Mapping[str, str]) -> bool:
    value = given.get(header["name"])
    if value is None:
        return False
    if header.get("type") == "RegularExpression":
        return re.fullmatch(header["value"], value) is not None
    return bool(value == header["value"])
