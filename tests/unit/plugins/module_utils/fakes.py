# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doubles: a clock that does not wait, and an API server in memory under the transport of KubeApi.

`FakeKube` keeps resourceVersions and answers 409; it knows dry runs, merge patches, deletes with a uid, watches, and
the basics of server-side apply: who owns which field, conflicts, and that a field no longer applied goes away.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
import uuid

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from fake_objects import Json, Path, bare, copied, dotted, leaves, merged, overlaid, remove

#: Called with every request, before it acts or after it has. It may answer or raise in the server's place.
Fault = t.Callable[[Request], Answer | None]

KINDS: t.Final[dict[str, dict[str, str]]] = {
    "v1": {
        "ConfigMap": "configmaps",
        "Service": "services",
        "Pod": "pods",
        "ServiceAccount": "serviceaccounts",
        "Secret": "secrets",
        "Event": "events",
        "Namespace": "namespaces",
    },
    "apps/v1": {
        "Deployment": "deployments",
        "StatefulSet": "statefulsets",
        "DaemonSet": "daemonsets",
        "ReplicaSet": "replicasets",
    },
    "batch/v1": {"Job": "jobs"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "coordination.k8s.io/v1": {"Lease": "leases"},
    "gateway.networking.k8s.io/v1": {"HTTPRoute": "httproutes", "Gateway": "gateways"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
}


class FakeClock:
    """Time passes when somebody sleeps. `on_sleep` lets a test change the world meanwhile."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.start = start
        self.elapsed = 0.0
        self.slept: list[float] = []
        self.on_sleep: t.Callable[[float], None] | None = None

    def now(self) -> float:
        return self.start + self.elapsed

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += max(0.0, seconds)
        if self.on_sleep is not None:
            self.on_sleep(seconds)


@dataclasses.dataclass
class Stored:
    obj: Json
    #: (manager, operation) of every leaf.
    owners: dict[Path, set[tuple[str, str]]] = dataclasses.field(default_factory=dict)


class FakeStream:
    """An open watch: first what has happened since its resourceVersion, then what happens."""

    headers: t.ClassVar[dict[str, str]] = {}

    def __init__(self, server: FakeKube, answer: Answer, wanted: t.Callable[[Ref, Json], bool], since: int) -> None:
        self.status = answer.status
        self._body = answer.body
        self._server = server
        self._wanted = wanted
        self._since = since
        self._place = 0
        self._open = answer.status == 200
        self._idle = False

    def waits(self) -> bool:
        """Whether its reader has taken everything that happened."""
        return not self._open or (self._idle and self._place == len(self._server.events))

    def lines(self) -> t.Iterator[bytes]:
        if self._body:
            yield self._body
        while (line := self._next()) is not None:
            yield line

    def _next(self) -> bytes | None:
        with self._server.news:
            while self._open:
                while self._place < len(self._server.events):
                    kind, ref, obj = self._server.events[self._place]
                    self._place += 1
                    if self._wanted(ref, obj) and int(obj["metadata"]["resourceVersion"]) > self._since:
                        return json.dumps({"type": kind, "object": obj}).encode()
                self._idle = True
                self._server.news.notify_all()
                self._server.news.wait()
                self._idle = False
        return None

    def close(self) -> None:
        with self._server.news:
            self._open = False
            self._server.news.notify_all()


class FakeKube:
    """The API server of one region."""

    renews = False

    def __init__(self, namespaces: t.Iterable[str] = ("exchange", "pincex-fleet")) -> None:
        self.namespaces = set(namespaces)
        self.stored: dict[Ref, Stored] = {}
        self.requests: list[Request] = []
        #: (verb, plural) that our user may not do.
        self.denied: set[tuple[str, str]] = set()
        self.before: list[Fault] = []
        self.after: list[Fault] = []
        self.version = 100
        #: Every change so far, as watches see it, and the watches.
        self.events: list[tuple[str, Ref, Json]] = []
        self.news = threading.Condition()
        self.streams: list[FakeStream] = []

    def api(self, clock: FakeClock, region: str = "us-east-1", deadline_s: float = 30.0) -> KubeApi:
        return KubeApi(self, clock, region, deadline_s)

    # What a test does behind the back of the code under test.
    def put(self, obj: Json, manager: str = "somebody") -> Json:
        """Create or replace as another manager."""
        ref = Ref.of(obj)
        old = self.stored.get(ref)
        return copied(self._store(ref, copied(obj), old, (manager, "Update")).obj)

    def take(self, ref: Ref) -> Json:
        """A copy of what is stored."""
        return copied(self.stored[ref].obj)

    def change(self, ref: Ref, manager: str = "somebody", **fields: t.Any) -> Json:
        """Merge top-level fields as another manager."""
        return self.put(merged(self.take(ref), fields), manager)

    def writes(self) -> list[Request]:
        """Requests that meant to change something."""
        return [
            request
            for request in self.requests
            if request.method != "GET" and not _is_dry(request) and "/selfsubject" not in request.path
        ]

    def request(self, request: Request, timeout_s: float) -> Answer:
        self.requests.append(request)
        for fault in list(self.before):
            answer = fault(request)
            if answer is not None:
                return answer
        answer = self._answer(request)
        for fault in list(self.after):
            answer = fault(request) or answer
        return answer

    def stream(self, request: Request, timeout_s: float, silence_s: float) -> FakeStream:
        answer = self.request(request, timeout_s)
        found = _parse(request.path)
        assert found is not None
        selector = request.query.get("labelSelector", "")

        def wanted(ref: Ref, obj: Json) -> bool:
            same = (ref.api_version, ref.kind, ref.namespace) == (
                found[0].api_version,
                found[0].kind,
                found[0].namespace,
            )
            return same and _selected(obj["metadata"].get("labels") or {}, selector)

        stream = FakeStream(self, answer, wanted, int(request.query["resourceVersion"]))
        self.streams.append(stream)
        return stream

    def _tell(self, kind: str, ref: Ref, obj: Json) -> None:
        """Let all watches know, and wait until they have: a test goes on with a world that everybody has seen."""
        with self.news:
            self.events.append((kind, ref, copied(obj)))
            self.news.notify_all()
            self.news.wait_for(lambda: all(stream.waits() for stream in self.streams), timeout=2.0)

    def _review(self, body: Json) -> Json:
        """Who the user is, and whether it may do something."""
        if body["kind"] == "SelfSubjectReview":
            return {"userInfo": {"username": "releaser"}}
        wanted = body["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
        return {"allowed": (wanted["verb"], plural) not in self.denied}

    def _answer(self, request: Request) -> Answer:
        body = json.loads(request.body) if request.body else {}
        if "/selfsubject" in request.path:
            return _json(201, {**body, "status": self._review(body)})
        found = _parse(request.path)
        if found is None:
            return _discover(request.path)
        ref, plural = found
        verb = "watch" if request.query.get("watch") else _verb(request.method, ref)
        if (verb, plural) in self.denied:
            return _status(403, "Forbidden", f'{plural} "{ref.name}" is forbidden: User "releaser" cannot {verb} it')
        if verb == "watch":
            return Answer(200, b"", {})
        if verb == "list":
            return self._list(ref, request.query.get("labelSelector", ""))
        handler: t.Callable[[Ref, Json, Request], Answer] = getattr(self, f"_{verb}")
        return handler(ref, body, request)

    def _list(self, ref: Ref, selector: str) -> Answer:
        items = [
            copied(stored.obj)
            for key, stored in sorted(self.stored.items(), key=lambda item: item[0].name)
            if (key.api_version, key.kind) == (ref.api_version, ref.kind)
            and ref.namespace in (None, key.namespace)
            and _selected(stored.obj["metadata"].get("labels") or {}, selector)
        ]
        for item in items:
            del item["apiVersion"], item["kind"]
        meta = {"resourceVersion": str(self.version)}
        return _json(200, {"kind": f"{ref.kind}List", "apiVersion": ref.api_version, "metadata": meta, "items": items})

    def _get(self, ref: Ref, _body: Json, _request: Request) -> Answer:
        stored = self.stored.get(ref)
        return _not_found(ref) if stored is None else _json(200, stored.obj)

    def _create(self, ref: Ref, body: Json, request: Request) -> Answer:
        ref = dataclasses.replace(ref, name=body["metadata"]["name"])
        if ref.namespace and ref.namespace not in self.namespaces:
            return _status(404, "NotFound", f'namespaces "{ref.namespace}" not found')
        if ref in self.stored:
            return _status(409, "AlreadyExists", f'{ref.kind.lower()}s "{ref.name}" already exists')
        return self._keep(ref, body, None, request=request, operation="Update", status=201)

    def _update(self, ref: Ref, body: Json, request: Request) -> Answer:
        stored = self.stored.get(ref)
        if stored is None:
            return _not_found(ref)
        return _stale(ref, stored, body) or self._keep(ref, body, stored, request=request, operation="Update")

    def _patch(self, ref: Ref, body: Json, request: Request) -> Answer:
        stored = self.stored.get(ref)
        if request.content_type.startswith("application/apply-patch"):
            return self._apply(ref, body, stored, request)
        if stored is None:
            return _not_found(ref)
        stale = _stale(ref, stored, body)
        return stale or self._keep(ref, merged(stored.obj, body), stored, request=request, operation="Update")

    def _delete(self, ref: Ref, body: Json, request: Request) -> Answer:
        stored = self.stored.get(ref)
        if stored is None:
            return _not_found(ref)
        uid = (body.get("preconditions") or {}).get("uid")
        if uid not in (None, stored.obj["metadata"]["uid"]):
            return _status(409, "Conflict", f"the UID in the precondition ({uid}) does not match the UID in record")
        if body.get("dryRun") != ["All"]:
            gone = self.stored.pop(ref).obj
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell("DELETED", ref, gone)
        return _json(200, {"kind": "Status", "status": "Success"})

    def _apply(self, ref: Ref, body: Json, stored: Stored | None, request: Request) -> Answer:
        """Server-side apply."""
        if ref.namespace and ref.namespace not in self.namespaces:
            return _status(404, "NotFound", f'namespaces "{ref.namespace}" not found')
        me = (request.query["fieldManager"], "Apply")
        wanted = dict(leaves(body))
        if stored is None:
            return self._keep(ref, body, None, request=request, operation="Apply", status=201)
        stale = _stale(ref, stored, body)
        if stale:
            return stale
        have = dict(leaves(stored.obj))
        causes = []
        for path, value in wanted.items():
            others = sorted(owner for owner in stored.owners.get(path, set()) if owner != me)
            if others and have.get(path) != value:
                message = f'conflict with "{others[0][0]}" using {ref.api_version}'
                causes.append({"reason": "FieldManagerConflict", "message": message, "field": dotted(path)})
        if causes and request.query.get("force") != "true":
            return _status(409, "Conflict", f"Apply failed with {len(causes)} conflicts", causes)
        result = overlaid(stored.obj, body)
        for path, owners in stored.owners.items():
            if owners == {me} and path not in wanted:
                remove(result, path)
        return self._keep(ref, result, stored, request=request, operation="Apply", applied=set(wanted))

    def _keep(
        self,
        ref: Ref,
        obj: Json,
        old: Stored | None,
        *,
        request: Request,
        operation: str,
        status: int = 200,
        applied: set[Path] | None = None,
    ) -> Answer:
        manager = (request.query.get("fieldManager", "unknown"), operation)
        dry = request.query.get("dryRun") == "All"
        made = self._store(ref, copied(obj), old, manager, applied=applied, dry=dry)
        return _json(status, made.obj)

    def _store(
        self,
        ref: Ref,
        obj: Json,
        old: Stored | None,
        manager: tuple[str, str],
        *,
        applied: set[Path] | None = None,
        dry: bool = False,
    ) -> Stored:
        obj.setdefault("apiVersion", ref.api_version)
        obj.setdefault("kind", ref.kind)
        was = old.obj if old else None
        meta = obj.setdefault("metadata", {})
        meta["uid"] = was["metadata"]["uid"] if was else str(uuid.uuid4())
        same = was is not None and bare(was) == bare(obj)
        if was is not None and same:
            meta["resourceVersion"] = was["metadata"]["resourceVersion"]
        else:
            self.version += 1
            meta["resourceVersion"] = str(self.version)
        if "spec" in obj:
            grown = was is None or was.get("spec") != obj["spec"]
            meta["generation"] = (was["metadata"].get("generation", 1) if was else 0) + int(grown)
        made = Stored(obj, _owners(obj, old, manager, applied))
        if not dry:
            self.stored[ref] = made
            if not same:
                self._tell("MODIFIED" if was else "ADDED", ref, obj)
        return made


def _is_dry(request: Request) -> bool:
    """As the API server sees it: a delete with a body is judged by its body."""
    if request.method == "DELETE" and request.body:
        return json.loads(request.body).get("dryRun") == ["All"]
    return request.query.get("dryRun") == "All"


def lose_answer(times: int = 1, sent: bool = True, path: str = "") -> Fault:
    """A fault for `after` (the server has acted) or `before` (it has not): no answer for the next writes."""
    left = [times]

    def fault(request: Request) -> Answer | None:
        if left[0] and request.method != "GET" and path in request.path:
            left[0] -= 1
            raise NoAnswer("connection reset", timeout=False, sent=sent)
        return None

    return fault


def answer_with(status: int, times: int = 1, method: str = "", path: str = "") -> Fault:
    """A fault for `before`: the next requests of that kind get that status."""
    left = [times]

    def fault(request: Request) -> Answer | None:
        if left[0] and method in ("", request.method) and path in request.path:
            left[0] -= 1
            return _status(status, "Faulty", f"the server says {status}")
        return None

    return fault


def _owners(
    obj: Json, old: Stored | None, manager: tuple[str, str], applied: set[Path] | None
) -> dict[Path, set[tuple[str, str]]]:
    before = dict(leaves(old.obj)) if old else {}
    owners: dict[Path, set[tuple[str, str]]] = {}
    for path, value in leaves(obj):
        known = set(old.owners.get(path, set())) if old else set()
        if applied is not None:
            known.discard(manager)
            if path in applied:
                # Forced: who held another value loses the field.
                known = (known if before.get(path) == value else set()) | {manager}
        elif path not in before or before[path] != value:
            known = {manager}
        owners[path] = known
    return owners


def _parse(path: str) -> tuple[Ref, str] | None:
    parts = path.strip("/").split("/")
    api_version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return None
    kinds = {plural: kind for kind, plural in KINDS[api_version].items()}
    return Ref(api_version, kinds[rest[0]], rest[1] if len(rest) > 1 else "", namespace), rest[0]


def _discover(path: str) -> Answer:
    api_version = path.split("/", 2)[2]
    if api_version not in KINDS:
        return _status(404, "NotFound", "the server could not find the requested resource")
    resources = [
        {"kind": kind, "name": plural, "namespaced": kind != "Namespace"} for kind, plural in KINDS[api_version].items()
    ]
    return _json(200, {"kind": "APIResourceList", "groupVersion": api_version, "resources": resources})


def _verb(method: str, ref: Ref) -> str:
    if method == "GET":
        return "get" if ref.name else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]


def _selected(labels: t.Mapping[str, str], selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        if "!=" in term:
            name, value = term.split("!=", 1)
            if labels.get(name) == value:
                return False
        elif "=" in term:
            name, value = term.replace("==", "=").split("=", 1)
            if labels.get(name) != value:
                return False
        elif term not in labels:
            return False
    return True


def _stale(ref: Ref, stored: Stored, body: Json) -> Answer | None:
    given = (body.get("metadata") or {}).get("resourceVersion")
    if given in (None, stored.obj["metadata"]["resourceVersion"]):
        return None
    text = "the object has been modified; please apply your changes to the latest version and try again"
    return _status(409, "Conflict", f'Operation cannot be fulfilled on {ref.kind} "{ref.name}": {text}')


def _json(status: int, body: t.Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _not_found(ref: Ref) -> Answer:
    return _status(404, "NotFound", f'{ref.kind.lower()}s "{ref.name}" not found')


def _status(code: int, reason: str, message: str, causes: list[Json] | None = None) -> Answer:
    body: Json = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    if causes:
        body["details"] = {"causes": causes}
    return _json(code, body)
