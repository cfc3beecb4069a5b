# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instants of a way back, as the API servers tell them to a watch of the bench's own."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import json
import typing as t

from bench.gate import region
from bench.gate.region import Seen
from lab.kube import Kube, Object
from lab.model import Lab

NAMESPACE: t.Final = "exchange"
FLEET: t.Final = "pincex-fleet"
JOURNAL: t.Final = "pincex-release-journal"
_ROUTES: t.Final = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"

Slots = t.Mapping[str, str]
#: The data of a journal: whether what is waited for stands in it.
Question = c.Callable[[t.Mapping[str, str]], bool]


@dataclasses.dataclass(frozen=True)
class Marks:
    """Unix seconds; None where it did not happen.

    `decided`: the fleet's journal says that everything goes back. `weights`: the last route of the last region sends
    all traffic to the version before. `verified`: the last region is gated, recorded and unlocked.
    """

    entered: float
    decided: float | None
    weights: float | None
    verified: float | None

    def between(self, start: str, end: str) -> float | None:
        begin, over = getattr(self, start), getattr(self, end)
        # A gate that trips is ahead of the fleet's decision.
        return None if begin is None or over is None else max(0.0, over - begin)


def live_slots(routes: t.Iterable[Object]) -> dict[str, str]:
    """Service -> the slot that has all of its traffic; services whose traffic is shared are left out."""
    found = {}
    for route in routes:
        for rule in route["spec"]["rules"]:
            names = {str(ref["name"]): ref.get("weight", 1) for ref in rule["backendRefs"]}
            whole = [name for name, weight in names.items() if weight == 100]
            if len(names) > 1 and whole:
                found[str(route["metadata"]["name"])] = whole[0]
    return found


def on(slots: Slots) -> c.Callable[[c.Collection[Object]], bool]:
    """Whether all of these services have their traffic on these slots."""
    return lambda routes: live_slots(routes).items() >= slots.items()


def says(question: Question) -> c.Callable[[c.Collection[Object]], bool]:
    """Whether the journal among the ConfigMaps says so."""

    def asked(maps: c.Collection[Object]) -> bool:
        return any(question(one.get("data") or {}) for one in maps if one["metadata"]["name"] == JOURNAL)

    return asked


def header(data: t.Mapping[str, str]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(data.get("release") or "{}")
    return found


def decided(known: str, kind: str) -> Question:
    """A rollback is decided when it is open; a deploy is undone when its journal says so."""

    def asked(data: t.Mapping[str, str]) -> bool:
        if header(data).get("kind") != kind or header(data).get("id") == known:
            return False
        return kind == "rollback" or json.loads(data.get("decision") or "{}").get("decision") == "undo"

    return asked


def ended(known: str, kind: str) -> Question:
    """A release of that kind that is not the known one has ended here."""

    def asked(data: t.Mapping[str, str]) -> bool:
        found = header(data)
        return bool(found.get("kind") == kind and found.get("id") != known and found.get("state") == "closed")

    return asked


def journal(kube: Kube, namespace: str) -> t.Mapping[str, str]:
    return (kube.get("v1", "ConfigMap", JOURNAL, namespace) or {}).get("data") or {}


class Watchers:
    """Watches of all sites until a way back is over. `regions`: those that are expected to go back."""

    def __init__(self, lab: Lab, regions: c.Collection[str]) -> None:
        self._lab = lab
        self._regions = regions
        self._decided: Seen | None = None
        self._weights: list[Seen] = []
        self._verified: list[Seen] = []

    @contextlib.contextmanager
    def watching(self, slots: t.Mapping[str, Slots], kind: str, known: str) -> c.Iterator[Watchers]:
        """`slots`: region -> service -> slot that it goes back to; `known`: the release that is there before it."""
        with contextlib.ExitStack() as stack:
            fleet = f"/api/v1/namespaces/{FLEET}/configmaps"
            question = says(decided(known, kind))
            self._decided = stack.enter_context(region.observed(self._lab.management, fleet, question))
            for site in self._lab.regions:
                if site.name not in self._regions:
                    continue
                own = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
                self._weights.append(stack.enter_context(region.observed(site, _ROUTES, on(slots[site.name]))))
                self._verified.append(stack.enter_context(region.observed(site, own, says(ended(known, kind)))))
            yield self

    def marks(self, entered: float, patience_s: float) -> Marks:
        assert self._decided is not None, "nobody watches"

        def last(seen: c.Sequence[Seen]) -> float | None:
            found = [one.wait(patience_s) for one in seen]
            known = [at for at in found if at is not None]
            return max(known) if known and len(known) == len(found) else None

        verified = last(self._verified)
        return Marks(entered, self._decided.wait(1), last(self._weights), verified)
