# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the traffic of services to a maintenance answer, and give it back.

The record of what was before is written before the first route, and removed after the last one: whatever is killed in
between is gone on with, or left, from that record.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    journal_store,
    refuse_unfinished,
    sound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.maintenance import (
    KEY,
    Record,
    Taken,
    maintenance_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import (
    decide_maintenance,
    kinds,
    route,
    selector,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_endpoints import (
    SERVICE_LABEL,
    ready_pods,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_maintenance import Answering
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.endpoints import wait_until
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import find_routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift, bare
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.shift import prove

#: What is scaled to zero, with the API it is read by.
_WORKLOADS: t.Final = {"Deployment": "apps/v1", "StatefulSet": "apps/v1"}
_POLL_S: t.Final = 0.1
#: Option `maintenance`.
SPEC: t.Final[JsonObject] = {
    "service": {"type": "str", "default": "maintenance"},
    "port": {"type": "int", "default": 8080},
    "by": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "emergency": {"type": "bool", "default": False},
    "drain": {"type": "bool", "default": False},
    "proof": {"type": "dict"},
}


@dataclasses.dataclass(frozen=True)
class Entering:
    """Option `maintenance`: which Service answers, and what the record says."""

    name: str
    port: int
    by: str
    reason: str
    emergency: bool = False
    drain: bool = False
    proof: JsonObject | None = None


def checked_entering(given: Mapping[str, t.Any] | None) -> Entering:
    """The option `maintenance`. OptionError when something is missing in it."""
    if given is None:
        raise OptionError("maintenance", "needed for state maintenance: who answers, who enters it and why")
    for option in ("service", "by", "reason"):
        if not str(given[option] or "").strip():
            raise OptionError("maintenance", f"{option} is empty")
    return Entering(**{"name" if option == "service" else option: given[option] for option in SPEC})


@dataclasses.dataclass
class Outcome:
    """What was done, or in check mode what would be. `fields` are for k8s_revision, `workloads` for the gate; `known`
    is the record that stands, or that stood until now."""

    changed: bool = False
    turns: list[Turn] = dataclasses.field(default_factory=list)
    fields: list[JsonObject] = dataclasses.field(default_factory=list)
    #: The replicas now, for each of `fields`.
    replicas: list[int] = dataclasses.field(default_factory=list)
    workloads: list[JsonObject] = dataclasses.field(default_factory=list)
    kept: list[str] = dataclasses.field(default_factory=list)
    known: Record | None = None

    def told(self, region: str) -> JsonObject | None:
        """The record as the result has it, with what is left to do."""
        if self.known is None:
            return None
        known = self.known.summary(region)
        return {**known, "todo": self.changed, "fields": self.fields, "workloads": self.workloads}

    def diff(self, *, with_scale: bool) -> tuple[JsonObject, JsonObject]:
        """Before and after. The scale is k8s_revision's to write, so it is here only while nothing is written."""
        before: JsonObject = {f"{turn.kind} {turn.name}": turn.reads(turn.live) for turn in self.turns}
        after: JsonObject = {f"{turn.kind} {turn.name}": turn.reads(turn.after) for turn in self.turns}
        for field, replicas in zip(self.fields, self.replicas, strict=True):
            if with_scale:
                before[f"{field['kind']} {field['name']}"] = f"{replicas} replicas"
                after[f"{field['kind']} {field['name']}"] = f"{field['value']} replicas"
        return before, after

    def scale(self, obj: Mapping[str, t.Any], replicas: int) -> None:
        """One more entry of `fields`."""
        named = {"api_version": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]}
        self.fields.append({**named, "path": "spec.replicas", "value": replicas})
        self.replicas.append(_replicas(obj))


class Turn(Shift):
    """One route that is sent to the maintenance answer, or back."""

    @property
    def kind(self) -> str:
        return str((self.after or {})["kind"])

    def change(self, ref: Ref, after: JsonObject | None, back: bool) -> Change:  # noqa: ARG002 - both ways are noted alike
        fields = {"traffic": {"before": self.reads(self.live), "after": self.reads(after)}}
        return Change(ref, "set", fields, bare(self.live), bare(after))

    def reads(self, obj: JsonObject | None) -> str:
        return decide_maintenance.text_of(obj)


class AnyRoutes(Routes):
    """Routes that need not send to the slots now."""

    def get(self, name: str) -> JsonObject | None:
        return self.kube.get(self.ref(name))


def enter(
    session: Session,
    wanted: Entering,
    services: Sequence[str],
    probe: Probe | None,
    *,
    step: str,
    check_mode: bool,
    progress: Progress,
) -> Outcome:
    """Record, write, prove. Of what is in maintenance already, the record keeps what was before the first time."""
    record = _standing(session)
    known = record or Record(session.kube.clock.now(), wanted.by, wanted.reason, wanted.name, wanted.emergency)
    if known.service != wanted.name:
        problem = f"{session.region} is in maintenance with {known.service}; leave it first to use {wanted.name}"
        raise OptionError("maintenance", problem, region=session.region)
    answering = _answering(session, wanted)
    routes = _routes(session, known, services)
    live = {name: obj for name, obj in routes.items() if obj["kind"] in decide_maintenance.PARTS}
    turns = [
        Turn(name, obj, after)
        for name, obj in live.items()
        if (after := decide_maintenance.answered(obj, answering)) != obj
    ]
    found = AnyRoutes(session.kube, session.namespace, {name: obj["kind"] for name, obj in live.items()})
    workloads = _workloads(session, services)
    taken = {
        name: _taken(known.services.get(name), live.get(name), answering, workloads.get(name, [])) for name in services
    }
    taken = {name: what for name, what in taken.items() if what != Taken()}
    if not taken:
        problem = f"nothing of {', '.join(services)} runs here: no route and no workload"
        raise OptionError("routes", problem, region=session.region)
    new = dataclasses.replace(
        known,
        drain=known.drain or wanted.drain,
        # The newest: an exchange that was drained again has traded since the first one.
        proof=wanted.proof or known.proof,
        services={**known.services, **taken},
    )
    done = Outcome(changed=bool(turns) or new != record, turns=turns, known=new)
    for obj in [obj for name in services for obj in workloads.get(name, []) if _replicas(obj) > 0]:
        done.scale(obj, 0)
    for turn in turns:
        found.write(session.journal, turn, dry_run=True)
    if check_mode:
        done.changed = done.changed or bool(done.fields)
        return done
    _write_record(session, new)
    _write(session, found, turns, step, progress)
    if probe is not None:
        for name in live:
            _prove_answer(session, found, probe, name, answering)
    return done


def leave(
    session: Session,
    services: Sequence[str],
    probe: Probe | None,
    *,
    step: str,
    check_mode: bool,
    progress: Progress,
) -> Outcome:
    """Give the traffic back: of these services, or of all. In check mode it says which scale has to be back before."""
    record = _standing(session)
    if record is None:
        return Outcome()
    names = [name for name in record.services if not services or name in services]
    done = Outcome(changed=bool(names), known=record)
    kinds_of = {name: kind for name in names if (kind := record.services[name].kind) is not None}
    found = AnyRoutes(session.kube, session.namespace, kinds_of)
    for name in names:
        taken = record.services[name]
        if name in kinds_of:
            done.turns += _turn_back(found, name, taken, done.kept)
        if check_mode:
            # Only before: once it is up, an HPA may have given it any scale.
            _scale_back(session, taken, done)
    for turn in done.turns:
        found.write(session.journal, turn, dry_run=True)
    if check_mode:
        return done
    for turn in done.turns:
        weights = kinds.weights_of(turn.after) if turn.after is not None else None
        if weights is not None:
            found.must_carry(turn.name, dict.fromkeys(weights, 0), weights)
    _write(session, found, done.turns, step, progress)
    if probe is not None:
        for name in kinds_of:
            weights = kinds.weights_of(obj) if (obj := found.get(name)) is not None else None
            if weights is not None:
                prove(found, probe, name, weights, probe.deadline())
    left = {name: taken for name, taken in record.services.items() if name not in names}
    _write_record(session, dataclasses.replace(record, services=left) if left else None)
    return done


def _standing(session: Session) -> Record | None:
    """The maintenance that stands. Raises Refused while a release is unfinished that this task is no part of."""
    data = sound(journal_store(session.kube, session.namespace).read(), session.region)
    if session.journal.release is None:
        refuse_unfinished(data, session.region)
    else:
        session.journal.guard()
    return maintenance_of(data, session.region)


def _answering(session: Session, wanted: Entering) -> Answering:
    """The Service that answers. Raises OptionError unless it has a ready pod."""
    found = session.kube.get(Ref(selector.API_VERSION, selector.KIND, wanted.name, session.namespace))
    labels = ((found or {}).get("spec") or {}).get("selector")
    if not labels:
        what = "does not exist" if found is None else "selects no pods"
        raise OptionError("maintenance", f"the Service {wanted.name} {what}", region=session.region)
    if not _behind(session, wanted.name):
        raise OptionError("maintenance", f"the Service {wanted.name} has no ready endpoint", region=session.region)
    return Answering(wanted.name, wanted.port, labels)


def _behind(session: Session, *services: str) -> set[str]:
    """The ready pods behind these Services."""
    labels = f"{SERVICE_LABEL} in ({','.join(services)})"
    slices = session.kube.list("discovery.k8s.io/v1", "EndpointSlice", session.namespace, labels)
    return set().union(*ready_pods(slices).values())


def _routes(session: Session, record: Record, services: Iterable[str]) -> dict[str, JsonObject]:
    """The route of each service. One that is in maintenance does not look like a route any more."""
    known = {name: taken.kind for name, taken in record.services.items() if taken.kind is not None}
    found = find_routes(session.kube, session.namespace, [name for name in services if name not in known])
    for name in services:
        if name in known:
            kind = kinds.KINDS[str(known[name])]
            obj = session.kube.get(Ref(kind.API_VERSION, kind.KIND, name, session.namespace))
            if obj is not None:
                found[name] = obj
    return found


def _workloads(session: Session, services: Sequence[str]) -> dict[str, list[JsonObject]]:
    """The workloads of each service."""
    labels = f"{selector.NAME_LABEL} in ({','.join(sorted(services))})"
    found: dict[str, list[JsonObject]] = {}
    for kind, api_version in _WORKLOADS.items():
        for obj in session.kube.list(api_version, kind, session.namespace, labels):
            found.setdefault(obj["metadata"]["labels"][selector.NAME_LABEL], []).append(obj)
    return found


def _taken(
    known: Taken | None, live: JsonObject | None, answering: Answering, workloads: Sequence[JsonObject]
) -> Taken:
    """What the record keeps of a service. What it knows already was before, and what is there now is not."""
    scales = {(scale["kind"], scale["name"]): scale for scale in known.scales} if known is not None else {}
    for obj in workloads:
        if _replicas(obj) > 0:
            scales.setdefault((obj["kind"], obj["metadata"]["name"]), _scale(obj))
    if live is None:
        return Taken(scales=tuple(scales.values()))
    if known is not None and known.kind is not None and decide_maintenance.is_answered(live, answering):
        return dataclasses.replace(known, scales=tuple(scales.values()))
    after = decide_maintenance.part_of(decide_maintenance.answered(live, answering))
    return Taken(live["kind"], decide_maintenance.part_of(live), after, tuple(scales.values()))


def _turn_back(found: AnyRoutes, name: str, taken: Taken, kept: list[str]) -> list[Turn]:
    what = f"{taken.kind} {name}"
    live = found.get(name)
    if live is None:
        kept.append(f"{what} was removed by somebody else; it stays away")
        return []
    back = decide_maintenance.way_back(what, live, taken.before, taken.after)
    kept += back.kept
    after = decide_maintenance.with_part(live, back.part)
    return [] if after == live else [Turn(name, live, after)]


def _scale_back(session: Session, taken: Taken, done: Outcome) -> None:
    for scale in taken.scales:
        live = session.kube.get(Ref(scale["api_version"], scale["kind"], scale["name"], session.namespace))
        wanted, said = decide_maintenance.scale_back(
            f"{scale['kind']} {scale['name']}", scale["replicas"], None if live is None else _replicas(live)
        )
        done.kept += [said] if said else []
        if live is not None:
            done.workloads.append({"kind": scale["kind"], "name": scale["name"]})
            if wanted is not None:
                done.scale(live, wanted)


def _write_record(session: Session, record: Record | None) -> None:
    """Under the guard, which asks for the lease before every try."""

    def make(data: Data) -> Data | None:
        rest = {key: value for key, value in data.items() if key != KEY}
        return rest if record is None else {**rest, KEY: record.to_text()}

    journal_store(session.kube, session.namespace).change(make, session.journal.guard)


def _write(session: Session, found: Routes, turns: Sequence[Turn], step: str, progress: Progress) -> None:
    written = found.write_each(session.journal, turns, step)
    for problem in (*written.errors.values(), written.unrecorded):
        if problem is not None:
            problem.partial = {"changed": bool(written.done or written.unsure)}
            raise problem
    for turn in turns:
        progress(f"{turn.name}: {turn.reads(turn.live)} -> {turn.reads(turn.after)}")


def _prove_answer(session: Session, found: Routes, probe: Probe, name: str, answering: Answering) -> None:
    """That clients of the service get the maintenance answer. Each has its own time, as with a shift."""
    end = probe.deadline()
    by_gateway = found.kind(name).KIND == route.KIND
    if by_gateway:
        live = found.must_get(name)
        while (problem := route.not_accepted(live)) is not None and probe.clock.monotonic() < end:
            probe.clock.sleep(_POLL_S)
            live = found.must_get(name)
        problem = problem or probe.ask_answer(route.host_of(live), end)
    else:

        def not_moved() -> str | None:
            behind = _behind(session, name)
            strangers = sorted(behind - _behind(session, answering.name))
            if strangers:
                return f"{strangers[0]} is still behind it"
            return None if behind else "no pod is behind it"

        problem = wait_until(not_moved, probe.clock, end)
    if problem:
        raise ReleaseError(
            f"{session.region}: {found.kind(name).KIND} {name}: the maintenance answer is not proved within "
            f"{probe.timeout_s:g} s: {problem}",
            kind="not_proved",
            system="gateway" if by_gateway else "kubernetes",
            region=session.region,
            retriable=True,
        )


def _replicas(obj: Mapping[str, t.Any]) -> int:
    return int(obj["spec"].get("replicas", 1))


def _scale(obj: Mapping[str, t.Any]) -> JsonObject:
    return {
        "api_version": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "replicas": _replicas(obj),
    }
