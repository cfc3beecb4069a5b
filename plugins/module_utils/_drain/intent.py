# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handover leaves in the journal of its release, and what is to be done to take it back. Pure.

The intent holds all that the way back needs: who led in which epoch, and the options that reach both engines and all
gateways. So the way back is told nothing but the release.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Engine

JsonObject = dict[str, t.Any]
Params = Mapping[str, t.Any]

#: The mark of a way back among the fields of a journaled change.
TAKEN_BACK: t.Final = "taken.back"
#: The options that a handover in reverse needs. `tls` names files, and holds nothing of what is in them.
KEPT: t.Final = (
    *("engine", "new_engine", "gateways", "gateway_pods", "contract", "tls", "reason"),
    *("cut_deadline_s", "deadline_s", "step_s", "timeout_s", "max_lag", "min_disk_free_mb", "allow_unknown"),
)


@dataclasses.dataclass(frozen=True)
class Handover:
    """One exchange that a release has handed over, or meant to. `led` is the engine that led before the release."""

    led: str
    epoch: int
    other: str
    options: Params

    def back(self, params: Params) -> JsonObject:
        """The options of the task that hands it back to `led`."""
        kept = {**self.options, "engine": self.options["new_engine"], "new_engine": self.options["engine"]}
        # A gateway may be the reason for the way back. What the others say is judged all the same.
        kept["allow_unknown"] = sorted({*self.options["allow_unknown"], "I2", "I9"})
        title = params["step"] or "drain_trading restored"
        return {**params, **kept, "state": "drained", "way": "handover", "announce_s": 0.0, "step": title}


def ref_of(name: str, namespace: str | None) -> Ref:
    """An engine, as a journal names it."""
    return Ref("pincex.io/v1", "Exchange", name, namespace)


def change_of(params: Params, old: Engine, new: Engine, *, undoing: bool) -> Change:
    """The intent of a handover from `old` to `new`. What is packed beside its fields is read by `handovers` only."""
    fields: dict[str, Mapping[str, t.Any]] = {
        "leader": {"before": old.name, "after": new.name},
        "epoch": {"before": old.epoch, "after": old.epoch + 1},
    }
    if undoing:
        fields[TAKEN_BACK] = {"before": None, "after": True}
    ref = ref_of(old.name, params["namespace"])
    spec = {name: params[name] for name in KEPT}
    meta = {"name": ref.name, "namespace": ref.namespace}
    plan = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta, "spec": spec}
    return Change(ref, "drain", fields, plan)


def handovers(entries: Sequence[Entry]) -> list[Handover]:
    """What a release has handed over, the last exchange first. Of one that it handed over again and again, the engine
    that led at first counts, and the options that were used last. A way back is none."""
    found: dict[frozenset[str], Handover] = {}
    for entry in entries:
        for change in entry.changes:
            if change.op != "drain" or "leader" not in change.fields or TAKEN_BACK in change.fields:
                continue
            led, other = (str(change.fields["leader"][side]) for side in ("before", "after"))
            options = (change.before or {})["spec"]
            both = frozenset((led, other))
            if both in found:
                first = found.pop(both)
                swapped = {**options, "engine": options["new_engine"], "new_engine": options["engine"]}
                options = options if first.led == led else swapped
                found[both] = dataclasses.replace(first, options=options)
            else:
                found[both] = Handover(led, int(change.fields["epoch"]["before"]), other, options)
    return list(reversed(found.values()))


@dataclasses.dataclass(frozen=True)
class Sight:
    """One engine at one look; without a status, why there is none."""

    name: str
    engine: Engine | None
    problem: str = ""

    @property
    def leads(self) -> bool:
        return self.engine is not None and self.engine.leads

    @property
    def told(self) -> str:
        return f"{self.name} is {self.engine.role}" if self.engine is not None else f"{self.name} does not answer"


#: What to do: nothing, hand back, look again because somebody may lead soon, or nothing that a program should do.
Back = t.Literal["nothing", "hand_back", "wait", "stuck"]


def decide_back(led: Sight, other: Sight) -> Back:
    """`led` is the engine that led before the release. A cut that is pending ends by its deadline at the latest, and an
    engine that starts may lead when it has started."""
    if led.leads:
        return "stuck" if other.leads else "nothing"
    if not other.leads:
        return "wait"
    return "hand_back" if led.engine is not None else "wait"


def why_stuck(led: Sight, other: Sight) -> str:
    """What a tired operator has to know and to do, when waiting has not helped. A clause without its end."""
    if led.leads:
        return f"{led.name} and {other.name} both say that they lead; stop the one that the epoch record does not name"
    if other.leads and other.engine is not None:
        return (
            f"{other.name} leads in epoch {other.engine.epoch} and goes on trading, and {led.name}, which led before, "
            f"does not answer ({led.problem}); start its pod, and take the release back again"
        )
    if led.engine is not None and other.engine is None:
        return (
            f"nobody trades: {led.told}, and {other.name} does not answer ({other.problem}); {other.name} may have "
            "orders in its journal that nobody else has, so start its pod, and take the release back again"
        )
    if led.engine is None and other.engine is not None:
        return (
            f"nobody trades: {other.told}, and {led.name} does not answer ({led.problem}); start its pod, which trades "
            "again if the epoch record is its own, and take the release back again"
        )
    if led.engine is None:
        return (
            f"nobody is known to trade: neither {led.name} ({led.problem}) nor {other.name} ({other.problem}) answers; "
            "start both pods, and take the release back again"
        )
    return (
        f"nobody trades: {led.told} and {other.told}; the epoch record and the logs of both say why none of them leads"
    )
