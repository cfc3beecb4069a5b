# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply manifests and single fields: try everything without writing, write down the intent, write, write down what came
of it."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER, JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import (
    SCALE,
    Field,
    Weights,
    conflict_text,
    foreign,
    live_problem,
    scaled,
    weight_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    NAME_LABEL,
    WORKLOADS,
    label_of,
    rank,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import (
    AUTOSCALED,
    adopt,
    scaled_by_autoscaler,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import (
    differences,
    get_path,
    noted,
    patch_of,
    set_path,
    strip,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import (
    find_traffic,
    rights_to_shift,
    weights_by_service,
)

_TRIES: t.Final = 5


@dataclasses.dataclass(frozen=True)
class Write:
    """One object that will change: a manifest that is applied, fields that are set, or one after the other."""

    ref: Ref
    live: JsonObject | None
    manifest: JsonObject | None
    force: bool
    fields: tuple[tuple[str, t.Any], ...]
    #: After the manifest, by a dry run; and after the fields as well.
    applied: JsonObject | None
    wanted: JsonObject
    weight: int = 0

    def change(self, after: JsonObject) -> Change:
        """What the journal keeps of it."""
        before = noted(self.live) if self.live is not None else None
        now = noted(after)
        found = differences(strip(before), strip(now)) if before is not None else {}
        if self.live is not None and self.live["kind"] in WORKLOADS:
            # k8s_traffic asks for it: a slot that had no traffic when its pods were replaced is the undone version's.
            found["traffic.weight"] = {"before": self.weight, "after": self.weight}
            if SCALE in found and scaled_by_autoscaler(self.live):
                # Our write takes the field over, and the way back could not tell whose the scale before it was.
                found[AUTOSCALED] = {"before": True, "after": None}
        return Change(self.ref, "apply" if self.manifest is not None else "set", found, before, now)


class Before:
    """What the first try of a step found, and what it meant to write: a later try may find nothing else."""

    def __init__(self) -> None:
        self._known: dict[Ref, tuple[JsonObject | None, JsonObject]] = {}

    def still_holds(self, write: Write) -> bool:
        found, wanted = self._known.setdefault(write.ref, (write.live, write.wanted))
        if write.live is None or found is None:
            return write.live is found or (write.live is not None and _same_for_us(wanted, write.live))
        return _same_for_us(found, write.live) or _same_for_us(wanted, write.live)


def apply(
    session: Session,
    objects: Sequence[JsonObject],
    fields: Sequence[Field],
    *,
    shifted: Sequence[str] = (),
    allow_live: bool,
    step: str,
    check_mode: bool,
    progress: Progress,
    way_back: bool = False,
    before: Before | None = None,
) -> tuple[list[Write], list[JsonObject]]:
    """Apply. Returns what changed, and each such object as it is afterwards (in check mode: as it would be).

    With `way_back` check mode asks for the rights to take it back as well. `before` is kept over the tries of a step.

    `shifted` are services whose traffic another task shifts afterwards: pods that nobody can send traffic to are not
    brought up.
    """
    kube = session.kube
    # Asked first, so that a refusal comes before anything else; asked again with the intent.
    session.journal.guard()
    _may_shift(session, shifted)
    live = {ref: kube.get(ref) for ref in _refs(objects, fields)}
    larger = {field.at_least for field in fields if field.at_least is not None} - set(live)
    fields = scaled(fields, {**live, **{ref: kube.get(ref) for ref in larger}})
    services = {label_of(obj, NAME_LABEL) for obj in [*objects, *live.values()]} - {None}
    traffic = find_traffic(kube, session.namespace, sorted(t.cast("set[str]", services)))
    weights = traffic.weights
    if session.journal.release is not None and session.journal.release.kind == "maintenance":
        # The engine was drained and keeps its epoch; a route that still sends to a slot is refused all the same.
        weights = weights_by_service(traffic.routes)
    if not check_mode:
        live = {ref: obj and _adopted(kube, obj) for ref, obj in live.items()}
    writes = _planned(session, objects, fields, live, weights)
    problems = [live_problem(write.live, write.wanted, weights, allow_live) for write in writes]
    for write, problem in zip(writes, problems, strict=True):
        if problem:
            option = "objects" if write.manifest is not None else "fields"
            raise OptionError(option, problem, region=session.region)
    for write in writes:
        if before is not None and not before.still_holds(write):
            raise _Overtaken(session.region, f"{write.ref} was changed by somebody else between two tries")
    if check_mode and way_back:
        _must_have_a_way_back(session, writes)
    if check_mode or not writes:
        return writes, [write.wanted for write in writes]
    entry = session.journal.intend(step, [write.change(write.wanted) for write in writes])
    done: list[tuple[Write, JsonObject]] = []
    sent = False
    try:
        for write in writes:
            sent = False
            # Before each: the lease is renewed when it is due, so that a slow API server does not outlast it.
            session.journal.guard()
            sent = True
            done.append((write, _carry_out(session, write)))
        session.journal.outcome(entry, [write.change(after) for write, after in done])
    except ReleaseError as error:
        error.partial = {
            "changed": bool(done) or (sent and _is_unsure(error)),
            "objects": [change_of(str(write.ref), write.live, after) for write, after in done],
        }
        # An entry without an outcome keeps the whole intent: a way back then looks at the objects themselves.
        halfway = writes[len(done)] if len(done) < len(writes) else None
        if halfway and not _is_unsure(error) and not (halfway.manifest is not None and halfway.fields):
            # That the outcome cannot be written either must not hide why it failed.
            with contextlib.suppress(ReleaseError):
                session.journal.outcome(entry, [write.change(after) for write, after in done], error.message)
        raise
    progress(f"applied {', '.join(f'{write.ref.kind} {write.ref.name}' for write, _after in done)}")
    return writes, [after for _write, after in done]


def change_of(name: str, before: JsonObject | None, after: JsonObject | None) -> JsonObject:
    """One line of the result."""
    return {"object": name, "change": "created" if before is None else "deleted" if after is None else "changed"}


def _refs(objects: Sequence[JsonObject], fields: Sequence[Field]) -> list[Ref]:
    refs = dict.fromkeys([*(Ref.of(obj) for obj in objects), *(field.ref for field in fields)])
    return list(refs)


def _may_shift(session: Session, services: Sequence[str]) -> None:
    """Raise OptionError when our user may not write the routes of these services."""
    for verb, ref in rights_to_shift(session.kube, session.namespace, services):
        _must_be_allowed(session, verb, ref)


def _must_have_a_way_back(session: Session, writes: Sequence[Write]) -> None:
    """Raise OptionError when our user could write these and not take them back: `restore` deletes and replaces.

    Asked for the whole kind first, one question instead of one for each object.
    """
    needed: dict[tuple[str, str, str], list[Ref]] = {}
    for write in writes:
        verb = "delete" if write.live is None else "update"
        needed.setdefault((verb, write.ref.api_version, write.ref.kind), []).append(write.ref)
    for (verb, api_version, kind), refs in needed.items():
        if not session.kube.may(verb, Ref(api_version, kind, "", session.namespace)):
            for ref in refs:
                _must_be_allowed(session, verb, ref, ", which taking this release back would need")


def _must_be_allowed(session: Session, verb: str, ref: Ref, why: str = "") -> None:
    if not session.kube.may(verb, ref):
        raise OptionError("context", f"{session.kube.user()} is forbidden to {verb} {ref}{why}", region=session.region)


def _planned(
    session: Session,
    objects: Sequence[JsonObject],
    fields: Sequence[Field],
    live: dict[Ref, JsonObject | None],
    weights: Weights,
) -> list[Write]:
    """Try every object without writing, so that one that is refused leaves nothing written."""
    manifests = {Ref.of(obj): obj for obj in objects}
    writes = []
    for ref, found in live.items():
        manifest = manifests.get(ref)
        singles = tuple((field.path, field.value) for field in fields if field.ref == ref)
        force = False
        applied = wanted = found
        if manifest is not None:
            applied, force = _tried(session, manifest)
            wanted = applied
            if found is not None and strip(found) == strip(wanted):
                manifest = None
        if wanted is None:
            raise OptionError(
                "fields", f"{ref} does not exist, so {singles[0][0]} cannot be set", region=session.region
            )
        singles = tuple((path, value) for path, value in singles if get_path(wanted, path) != value)
        if manifest is None and not singles:
            continue
        if singles:
            wanted = _tried_fields(session, ref, found, wanted, singles)
        writes.append(Write(ref, found, manifest, force, singles, applied, wanted, weight_of(found, weights)))
    return sorted(writes, key=lambda write: rank(write.ref.kind))


def _tried(session: Session, manifest: JsonObject) -> tuple[JsonObject, bool]:
    """The API server's answer to a dry run of the apply, and whether it has to be forced.

    A trial writes nothing, so it needs no compare and swap: an HPA's status changes every few seconds.
    """
    kube = session.kube
    try:
        return kube.apply(manifest, dry_run=True), False
    except ApiError as error:
        if error.conflicts:
            others = foreign(error.conflicts)
            if others:
                error.message = f"{kube.region}: {conflict_text(Ref.of(manifest), others)}"
                error.args = (error.message,)
                raise
        else:
            raise
    # Only our own single fields are in the way: the manifest names them again, so they are the manifest's now.
    return kube.apply(manifest, force=True, dry_run=True), True


def _tried_fields(
    session: Session, ref: Ref, live: JsonObject | None, wanted: JsonObject, singles: Sequence[tuple[str, t.Any]]
) -> JsonObject:
    """The object with single fields set, as far as a dry run can tell."""
    kube = session.kube
    if live is None:
        # What does not exist cannot be patched, not even on trial.
        _must_be_allowed(session, "patch", ref)
    else:
        kube.patch(ref, _field_patch({"metadata": {}}, singles), dry_run=True)
    return _with_fields(wanted, singles)


def _carry_out(session: Session, write: Write) -> JsonObject:
    kube = session.kube
    after = write.live
    if write.manifest is not None:
        manifest = write.manifest
        after = _swapped(
            session,
            write.ref,
            write.live,
            write.applied,
            lambda live: kube.apply(_at(manifest, live), force=write.force),
        )
    if write.fields:
        after = _swapped(
            session,
            write.ref,
            after,
            _with_fields(after, write.fields),
            lambda live: kube.patch(write.ref, _field_patch(live or {"metadata": {}}, _not_smaller(write, live))),
        )
    if after is None:
        raise AssertionError("a write has an object or fields")
    return after


def _not_smaller(write: Write, live: JsonObject | None) -> tuple[tuple[str, t.Any], ...]:
    """The fields, and what has traffic at least as large as it is by now: an HPA may have made it larger meanwhile."""
    if write.weight == 0:
        return write.fields
    now = int(get_path(live, SCALE) or 0)
    return tuple((path, max(value, now) if path == SCALE else value) for path, value in write.fields)


def _swapped(
    session: Session,
    ref: Ref,
    live: JsonObject | None,
    wanted: JsonObject | None,
    send: Callable[[JsonObject | None], JsonObject],
) -> JsonObject:
    """Send under the resourceVersion that was read. A controller that wrote the status in between is no reason to stop;
    anything else that changed is. `wanted` is what it becomes: a write whose answer was lost meets itself."""
    seen = live
    for _attempt in range(_TRIES):
        try:
            return send(seen)
        except ApiError as error:
            if error.kind != "conflict" or error.conflicts:
                raise
            session.journal.guard()
            now = session.kube.get(ref)
            unchanged = now is not None and (live is None or _same_for_us(live, now))
            if not unchanged and now is not None and wanted is not None and _same_for_us(wanted, now):
                return now
            if not unchanged:
                raise _Overtaken(
                    session.region, f"{ref} was changed by somebody else between our read and our write"
                ) from error
            seen = now
    raise _Overtaken(session.region, f"{ref} changes faster than it can be written")


class _Overtaken(ApiError):
    """Somebody else wrote as well. Whether before or after us cannot be told when the answer to us was lost."""

    def __init__(self, region: str, problem: str) -> None:
        super().__init__(f"{region}: {problem}", kind="conflict", status=409, region=region, retriable=True)


def _is_unsure(error: ReleaseError) -> bool:
    """Whether a write that ended so may have gone through. The end of the lease ends its tries like any time-out."""
    return may_have_written(error) or isinstance(error, _Overtaken | LockLost)


def _same_for_us(live: JsonObject, now: JsonObject) -> bool:
    """Whether only controllers' own bookkeeping changed: annotations, and the scale, which an HPA may change."""

    def relevant(obj: JsonObject) -> JsonObject:
        kept = strip(obj)
        kept["metadata"].pop("annotations", None)
        if kept["kind"] == "Deployment":
            kept["spec"].pop("replicas", None)
        return kept

    return relevant(live) == relevant(now)


def _adopted(kube: KubeApi, live: JsonObject) -> JsonObject:
    """Hand fields that our updates own to our apply, left over from a way back that was killed."""
    ref, now = Ref.of(live), live
    for attempt in range(_TRIES):
        managed = adopt(now, FIELD_MANAGER)
        if managed is None:
            break
        version = now["metadata"]["resourceVersion"]
        try:
            return kube.patch(ref, {"metadata": {"resourceVersion": version, "managedFields": managed}})
        except ApiError as error:
            if error.kind != "conflict" or attempt == _TRIES - 1:
                raise
            now = kube.get(ref) or now
    return now


def _at(manifest: JsonObject, live: JsonObject | None) -> JsonObject:
    """The manifest, to be applied to what was read and to nothing else."""
    if live is None:
        return manifest
    meta = {**manifest["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    return {**manifest, "metadata": meta}


def _with_fields(obj: JsonObject | None, singles: Sequence[tuple[str, t.Any]]) -> JsonObject:
    changed = obj or {}
    for path, value in singles:
        changed = set_path(changed, path, value)
    return changed


def _field_patch(live: JsonObject, singles: Sequence[tuple[str, t.Any]]) -> JsonObject:
    patch: JsonObject = {}
    for path, value in singles:
        patch = _merged(patch, patch_of(path, value))
    version = live["metadata"].get("resourceVersion")
    return {**patch, "metadata": {"resourceVersion": version}} if version else patch


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    merged = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
