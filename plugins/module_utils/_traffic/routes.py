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
    OptionError,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import JsonObject, KubeApi, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import gaining, not_enough

Weights = Mapping[str, int]

_TRIES: t.Final = 5
_SERVER_METADATA: t.Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp")


@dataclasses.dataclass(frozen=True)
class Shift:
    """One route that gets other weights. `live` None creates it, `after` None removes it."""

    name: str
    live: JsonObject | None
    after: JsonObject | None

    @property
    def old(self) -> dict[str, int] | None:
        return routes.weights_of(self.live) if self.live is not None else None

    @property
    def new(self) -> dict[str, int] | None:
        return routes.weights_of(self.after) if self.after is not None else None

    def change(self, ref: Ref, after: JsonObject | None) -> Change:
        now = routes.weights_of(after) if after is not None else None
        return Change(ref, "weights", {"weights": {"before": self.old, "after": now}}, _bare(self.live), _bare(after))


class Routes:
    """The routes of one namespace."""

    def __init__(self, kube: KubeApi, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    def ref(self, name: str) -> Ref:
        return Ref(routes.API_VERSION, routes.KIND, name, self.namespace)

    def get(self, name: str) -> JsonObject | None:
        """The route; OptionError when it has no rule that sends to both slots."""
        found = self.kube.get(self.ref(name))
        if found is not None and routes.weights_of(found) is None:
            raise OptionError(
                "routes",
                f"{name}: the HTTPRoute has no rule with the backends {name}-blue and {name}-green",
                region=self.kube.region,
            )
        return found

    def must_get(self, name: str) -> JsonObject:
        found = self.get(name)
        if found is None:
            raise OptionError(
                "routes", f"{name}: there is no such HTTPRoute in {self.namespace}", region=self.kube.region
            )
        return found

    def ready(self, name: str, slot: str) -> int:
        """How many pods of a slot are ready."""
        deployment = self.kube.get(Ref("apps/v1", "Deployment", f"{name}-{slot}", self.namespace))
        return int(((deployment or {}).get("status") or {}).get("readyReplicas") or 0)

    def must_carry(self, name: str, old: Weights | None, new: Weights, min_ready: int | None = None) -> None:
        """Refuse more traffic for a slot that is not up to it now."""
        needed = max(1, min_ready or 1)
        for slot in gaining(old, new):
            problem = not_enough(slot, self.ready(name, slot), needed)
            if problem:
                raise ReleaseError(
                    f"{self.kube.region}: route {name}: {problem}; nothing was written",
                    kind="capacity",
                    system="kubernetes",
                    region=self.kube.region,
                    retriable=True,
                )

    def write(self, journal: Journal, shift: Shift, dry_run: bool = False, undoing: bool = False) -> JsonObject | None:
        """Create, replace or remove a route. Whoever wrote the status in between is no reason to stop; whoever changed
        the rules is."""
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
                if now["spec"] == shift.after["spec"]:
                    # Our own write, whose answer was lost.
                    return now
                if now["spec"] != shift.live["spec"]:
                    raise ApiError(
                        f"{self.kube.region}: HTTPRoute {shift.name} was changed by somebody else between our read and "
                        "our write",
                        kind="conflict",
                        status=409,
                        region=self.kube.region,
                        retriable=True,
                    ) from error
                wanted = {**now, "spec": shift.after["spec"]}
        raise ApiError(
            f"{self.kube.region}: HTTPRoute {shift.name} changes faster than it can be written",
            kind="conflict",
            status=409,
            region=self.kube.region,
            retriable=True,
        )

    def write_all(
        self, journal: Journal, shifts: Sequence[Shift], step: str, undoing: bool = False
    ) -> list[JsonObject | None]:
        """Journal the intent, write, read back, journal the outcome."""
        if not shifts:
            return []
        entry = journal.intend(step, [s.change(self.ref(s.name), s.after) for s in shifts], undoing=undoing)
        done: list[tuple[Shift, JsonObject | None]] = []
        try:
            for shift in shifts:
                done.append((shift, self.write(journal, shift, undoing=undoing)))
                self._read_back(shift)
        except ReleaseError as error:
            # Without an outcome the entry keeps the whole intent, so that a way back takes these routes back as well.
            if not may_have_written(error):
                journal.outcome(entry, [s.change(self.ref(s.name), after) for s, after in done], error.message)
            raise
        journal.outcome(entry, [s.change(self.ref(s.name), after) for s, after in done])
        return [after for _shift, after in done]

    def _read_back(self, shift: Shift) -> None:
        found = self.kube.get(self.ref(shift.name))
        now = routes.weights_of(found) if found is not None else None
        if now != shift.new:
            raise ReleaseError(
                f"{self.kube.region}: HTTPRoute {shift.name} was written as {_text(shift.new)} and reads {_text(now)}",
                kind="read_back",
                system="kubernetes",
                region=self.kube.region,
                retriable=True,
            )


def _bare(obj: JsonObject | None) -> JsonObject | None:
    """What a journal keeps of a route."""
    if obj is None:
        return None
    meta = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}


def _text(weights: Weights | None) -> str:
    if weights is None:
        return "no weights"
    return ", ".join(f"{slot} {weight}" for slot, weight in weights.items())
