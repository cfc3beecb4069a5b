# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the routes of services, and write their weights by compare-and-swap."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import (
    gaining,
    not_enough,
    pods_for,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import KINDS, RouteKind, weights_of

Weights = Mapping[str, int]

_TRIES: t.Final = 5
#: What a request gets when the time for all of them is over: enough for one answer and one more try.
_LEAST_S: t.Final = 2.0
#: Marks, in the journal, what a way back wrote: it is nothing that an undo would have to put back. As k8s_revision's.
TAKEN_BACK: t.Final = "taken.back"
#: The kind of the error that a slot has too few ready pods.
CAPACITY: t.Final = "capacity"
_SERVER_METADATA: t.Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp")


@dataclasses.dataclass(frozen=True)
class Shift:
    """One route that gets other weights. `live` None creates it, `after` None removes it."""

    name: str
    live: JsonObject | None
    after: JsonObject | None

    @property
    def old(self) -> dict[str, int] | None:
        return weights_of(self.live) if self.live is not None else None

    @property
    def new(self) -> dict[str, int] | None:
        return weights_of(self.after) if self.after is not None else None

    def change(self, ref: Ref, after: JsonObject | None, back: bool) -> Change:
        now = weights_of(after) if after is not None else None
        fields: dict[str, dict[str, t.Any]] = {"weights": {"before": self.old, "after": now}}
        if back:
            fields[TAKEN_BACK] = {"before": None, "after": True}
        return Change(ref, "weights", fields, bare(self.live), bare(after))

    def reads(self, obj: JsonObject | None) -> str:
        """What of an object this shift is about, for people and to read it back."""
        return _text(weights_of(obj) if obj is not None else None)

    def part(self, obj: JsonObject) -> t.Any:
        """What of an object it writes: somebody else who changes that meanwhile stands in its way."""
        return obj["spec"]

    def onto(self, now: JsonObject, after: JsonObject) -> JsonObject:
        """What is there now, with that part as it is to become."""
        return {**now, "spec": after["spec"]}


@dataclasses.dataclass
class Written:
    """What became of routes that were written together."""

    done: list[Shift] = dataclasses.field(default_factory=list)
    #: Why the others were not, by route.
    errors: dict[str, ReleaseError] = dataclasses.field(default_factory=dict)
    #: Those of `errors` that may be written all the same, or were and read otherwise.
    unsure: set[str] = dataclasses.field(default_factory=set)
    #: When the API server had accepted the last one.
    at: float | None = None
    #: Why the journal has no outcome of this.
    unrecorded: ReleaseError | None = None


class Routes:
    """The routes of one namespace: of the kind that `kinds` says by name, HTTPRoutes where it says nothing. `option` is
    what bad input is blamed on.

    `end` is the instant (of the monotonic clock) by which everything should be over, for whoever goes on after an
    error: an API server that does not answer costs the time once and not once for each route.
    """

    def __init__(
        self, kube: KubeApi, namespace: str, kinds: Mapping[str, str] | None = None, option: str = "routes"
    ) -> None:
        self.kube = kube
        self.namespace = namespace
        self.kinds = kinds or {}
        self.option = option
        self.end: float | None = None

    def kind(self, name: str) -> RouteKind:
        return KINDS[self.kinds.get(name, route.KIND)]

    def ref(self, name: str) -> Ref:
        kind = self.kind(name)
        return Ref(kind.API_VERSION, kind.KIND, name, self.namespace)

    def get(self, name: str) -> JsonObject | None:
        """The route; OptionError when it does not send to the slots."""
        found = self.kube.get(self.ref(name))
        if found is not None and weights_of(found) is None:
            raise OptionError(self.option, f"{name}: {self.kind(name).no_slots(name)}", region=self.kube.region)
        return found

    def must_get(self, name: str) -> JsonObject:
        found = self.get(name)
        if found is None:
            raise OptionError(
                self.option,
                f"{name}: there is no such {self.kind(name).KIND} in {self.namespace}",
                region=self.kube.region,
            )
        return found

    def ready(self, name: str, slot: str) -> int:
        """How many pods of a slot are ready and will stay: one that was just scaled down still has its pods."""
        deployment = self.kube.get(Ref("apps/v1", "Deployment", f"{name}-{slot}", self.namespace)) or {}
        ready = int((deployment.get("status") or {}).get("readyReplicas") or 0)
        return min(ready, int((deployment.get("spec") or {}).get("replicas", ready)))

    def scale(self, name: str, slot: str) -> int:
        """How many pods a slot is to have; 0 when there is none."""
        deployment = self.kube.get(Ref("apps/v1", "Deployment", f"{name}-{slot}", self.namespace)) or {}
        return int((deployment.get("spec") or {}).get("replicas") or 0)

    def must_carry(self, name: str, old: Weights | None, new: Weights, min_ready: int | None = None) -> None:
        """Refuse more traffic for a slot that is not up to it now."""
        self.must_be_ready(name, gaining(old, new), min_ready)

    def must_be_ready(self, name: str, slots: Sequence[str], min_ready: int | None = None) -> None:
        """Refuse traffic for slots that are not up to it now."""
        needed = max(1, min_ready or 1)
        for slot in slots:
            problem = not_enough(slot, self.ready(name, slot), needed)
            if problem:
                raise ReleaseError(
                    f"{self.kube.region}: route {name}: {problem}; nothing was written",
                    kind=CAPACITY,
                    system="kubernetes",
                    region=self.kube.region,
                    retriable=True,
                )

    def must_bear(self, name: str, old: Weights | None, new: Weights) -> list[str]:
        """On the way back: refuse traffic for a slot without a ready pod, and say so of one with too few.

        Too few pods may be overloaded, and the answers of the version that is left are bad: it goes back all the same.
        """
        gains = gaining(old, new)
        # The larger slot says how many pods are needed.
        ready = {slot: self.ready(name, slot) for slot in route.SLOTS} if gains else {}
        said = []
        for slot in gains:
            needed = pods_for(new[slot], ready)
            if ready[slot] == 0:
                raise ReleaseError(
                    f"{self.kube.region}: route {name}: {slot} has 0 ready pods and needs {needed}; its weights stay",
                    kind=CAPACITY,
                    system="kubernetes",
                    region=self.kube.region,
                    retriable=True,
                )
            if ready[slot] < needed:
                said.append(
                    f"route {name}: {slot} takes {new[slot]} % of the traffic with {ready[slot]} ready pods and should "
                    f"have {needed}"
                )
        return said

    def hurry(self) -> None:
        """Give the next requests what is left until `end`."""
        if self.end is not None:
            self.kube.deadline_s = max(_LEAST_S, self.end - self.kube.clock.monotonic())

    def write(self, journal: Journal, shift: Shift, dry_run: bool = False, undoing: bool = False) -> JsonObject | None:
        """Create, replace or remove a route. An answer that was lost is looked for in what is there now."""
        try:
            return self._write(journal, shift, dry_run, undoing)
        except ReleaseError as error:
            # A create whose answer was lost is tried again by the client, and then meets its own object.
            met_itself = shift.live is None and error.kind == "conflict"
            if dry_run or not (met_itself or _is_unsure(error)):
                raise
            try:
                now = self.kube.get(self.ref(shift.name))
            except ApiError:
                raise error from None
            if not _is_written(shift, now):
                raise
            return now

    def _write(self, journal: Journal, shift: Shift, dry_run: bool, undoing: bool) -> JsonObject | None:
        """Whoever wrote the status in between is no reason to stop; whoever changed the rules is."""
        if shift.after is None:
            self.kube.delete(
                self.ref(shift.name), uid=(shift.live or {"metadata": {}})["metadata"].get("uid"), dry_run=dry_run
            )
            return None
        if shift.live is None:
            return self.kube.create(shift.after, dry_run=dry_run)
        wanted = shift.after
        for _attempt in range(_TRIES):
            try:
                return self.kube.replace(wanted, dry_run=dry_run)
            except ApiError as error:
                if error.kind != "conflict":
                    raise
                journal.guard(undoing)
                now = self.must_get(shift.name)
                if _is_written(shift, now):
                    return now
                if shift.part(now) != shift.part(shift.live):
                    raise ApiError(
                        f"{self.kube.region}: {self.kind(shift.name).KIND} {shift.name} was changed by somebody else "
                        "between our read and our write",
                        kind="conflict",
                        status=409,
                        region=self.kube.region,
                        retriable=True,
                    ) from error
                wanted = shift.onto(now, shift.after)
        raise ApiError(
            f"{self.kube.region}: {self.kind(shift.name).KIND} {shift.name} changes faster than it can be written",
            kind="conflict",
            status=409,
            region=self.kube.region,
            retriable=True,
        )

    def write_each(self, journal: Journal, shifts: Sequence[Shift], step: str, *, back: bool = False) -> Written:
        """Journal the intent, write, read back, journal the outcome. Raises when the intent cannot be journaled: then
        nothing was written. The first error ends it; on the way back it does not keep the next route, and neither does
        the fleet's decision."""
        found = Written()
        if not shifts:
            return found
        self.hurry()
        entry = journal.intend(step, [s.change(self.ref(s.name), s.after, back) for s in shifts], undoing=back)
        changes: list[Change] = []
        recorded = True
        for shift in shifts:
            sent = False
            try:
                self.hurry()
                # Before each: the lease is renewed when it is due, so that a slow API server does not outlast it.
                journal.guard(back)
                sent = True
                after = self.write(journal, shift, undoing=back)
                found.at = self.kube.clock.now()
                changes.append(shift.change(self.ref(shift.name), after, back))
                self._read_back(shift)
                found.done.append(shift)
            except ReleaseError as error:
                found.errors[shift.name] = error
                if sent and _is_unsure(error):
                    recorded = False
                    found.unsure.add(shift.name)
                if error.kind == "read_back":
                    found.unsure.add(shift.name)
                if not back:
                    break
        # Without an outcome the entry keeps the whole intent, so that a way back takes these routes back as well.
        if recorded:
            failed = "; ".join(error.message for error in found.errors.values()) or None
            try:
                journal.outcome(entry, changes, failed)
            except ReleaseError as error:
                found.unrecorded = error
        return found

    def _read_back(self, shift: Shift) -> None:
        written, now = shift.reads(shift.after), shift.reads(self.kube.get(self.ref(shift.name)))
        if now != written:
            raise ReleaseError(
                f"{self.kube.region}: {self.kind(shift.name).KIND} {shift.name} was written as {written} and reads "
                f"{now}",
                kind="read_back",
                system="kubernetes",
                region=self.kube.region,
                retriable=True,
            )


def _is_unsure(error: ReleaseError) -> bool:
    """Whether a write that ended so may have gone through. The end of the lease ends its tries like any time-out."""
    return may_have_written(error) or isinstance(error, LockLost)


def _is_written(shift: Shift, now: JsonObject | None) -> bool:
    """Whether what is there is what we meant to write, whoever got the answer."""
    if shift.after is None or now is None:
        return shift.after is now
    if shift.live is None:
        # With the labels that say whose it is. The API server fills in defaults.
        return _holds(now, shift.after)
    return bool(shift.part(now) == shift.part(shift.after))


def _holds(found: t.Any, wanted: t.Any) -> bool:
    """Whether everything that is wanted is there."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and _holds(found[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(_holds, found, wanted))
    return bool(found == wanted)


def bare(obj: JsonObject | None) -> JsonObject | None:
    """What a journal keeps of a route."""
    if obj is None:
        return None
    meta = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}


def _text(weights: Weights | None) -> str:
    if weights is None:
        return "no weights"
    return ", ".join(f"{slot} {weight}" for slot, weight in weights.items())
