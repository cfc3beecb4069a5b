# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests are writes of a release, and which of them a sweep counts. Pure, but for what it remembers of leases.

Not counted: reads, dry runs, reviews that ask the API server a question, and renewals of a lease: these change nothing
that a release stands on, and their number depends on time. What is sent to a pod through the API server's proxy is
counted like everything else, but once: a command to an exchange has one id in all its tries.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import urllib.parse

Json = dict[str, t.Any]

_WRITES: t.Final = ("POST", "PUT", "PATCH", "DELETE")
_QUESTIONS: t.Final = ("selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews", "tokenreviews")
_JOURNAL: t.Final = "configmaps/pincex-release-journal"
_POD: t.Final = re.compile(
    r"/api/v1/namespaces/[^/]+/pods/(?:https?:)?(?P<pod>[^/:]+)(?::[^/]*)?/proxy/(?:control/)?(?P<call>.+)"
)
#: A zone of PowerDNS.
_ZONE: t.Final = re.compile(r"/api/v1/servers/[^/]+/(?P<what>zones/[^/]+)")
#: A region and its weight, in the table of a LUA record.
_ROW: t.Final = re.compile(r"\{'([^']+)',(\d+),")


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as a proxy got it. `path` is without its query."""

    method: str
    path: str
    query: str
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, body: bytes) -> Request:
        path, _mark, query = target.partition("?")
        return cls(method, path, query, body)

    @property
    def is_watch(self) -> bool:
        wanted = urllib.parse.parse_qs(self.query)
        return wanted.get("watch", [""])[0] in ("1", "true") or wanted.get("follow", [""])[0] in ("1", "true")


@dataclasses.dataclass(frozen=True)
class Write:
    """A request that changes something. `what` is PLURAL/NAME, CALL of POD, or `weights` with `weights`: region and
    weight of each member of a weighted set, where the request writes one."""

    method: str
    what: str
    step: str
    weights: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.what}" + (f" ({self.step})" if self.step else "")


def what_of(request: Request, body: Json) -> str:
    """PLURAL/NAME of the object that a request is about; CALL of POD for one that a pod answers; for one to a zone the
    weights that it writes."""
    asked = _POD.fullmatch(request.path)
    if asked is not None:
        return f"{asked['call']} of {asked['pod']}"
    zone = _ZONE.fullmatch(request.path)
    if zone is not None:
        told = ",".join(f"{region}={weight}" for region, weight in weights_of(request))
        return f"weights {told}" if told else zone["what"]
    parts = request.path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) >= 3 and rest[0] == "namespaces":
        rest = rest[2:]
    name = "/".join(rest[1:]) or str((body.get("metadata") or {}).get("name") or "")
    return f"{rest[0]}/{name}" if rest else request.path


def weights_of(request: Request) -> tuple[tuple[str, int], ...]:
    """Region and weight of each member that a request writes into a zone; empty for every other request."""
    if _ZONE.fullmatch(request.path) is None:
        return ()
    records = [record for one in body_of(request.body).get("rrsets") or [] for record in one.get("records") or []]
    return tuple(
        (region, int(weight)) for record in records for region, weight in _ROW.findall(str(record.get("content")))
    )


def body_of(content: bytes) -> Json:
    """The JSON object in a body; empty when it is none."""
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_write(request: Request) -> bool:
    """Whether this request would change something, were it no renewal."""
    if request.method not in _WRITES or request.path.rsplit("/", 1)[-1] in _QUESTIONS:
        return False
    dry = "dryRun" in urllib.parse.parse_qs(request.query)
    if request.method == "DELETE" and request.body:
        # The API server does not look at the query of a delete that has a body.
        dry = False
    return not dry and not body_of(request.body).get("dryRun")


def command_of(request: Request) -> str:
    """The id of a command to an exchange; empty for every other request."""
    return str(body_of(request.body).get("command_id") or "") if _POD.fullmatch(request.path) else ""


class Leases:
    """Who holds which lease, out of what an API server answered: that tells a renewal from a change of hands."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}

    def answered(self, request: Request, status: int, body: bytes) -> None:
        found = _lease(request, body_of(body))
        if found is not None and 200 <= status < 300:
            self._known[found[0]] = found[1]

    def renews(self, request: Request) -> bool:
        found = _lease(request, body_of(request.body))
        return found is not None and self._known.get(found[0]) == found[1]


def _lease(request: Request, body: Json) -> tuple[str, tuple[str, int]] | None:
    if "/leases" not in request.path or "spec" not in body:
        return None
    spec = body["spec"]
    key = f"{request.path.partition('/leases')[0]}/{(body.get('metadata') or {}).get('name')}"
    return key, (str(spec.get("holderIdentity") or ""), int(spec.get("leaseTransitions") or 0))


def step_of(request: Request) -> str | None:
    """The step that a write into a journal names; None when it names none."""
    body = body_of(request.body)
    if not request.path.endswith(_JOURNAL) and what_of(request, body) != _JOURNAL:
        return None
    for key, text in (body.get("data") or {}).items():
        if text and key.isdigit():
            entry = body_of(text.encode())
            return str(entry.get("step") or "") + (" done" if entry.get("done") else "")
        if text and key in ("decision", "release"):
            value = body_of(text.encode())
            return str(value.get("decision") or value.get("state") or "")
    return None
