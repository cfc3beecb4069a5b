# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `take_back` of a judgement: where the way back goes, and under which locks. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import (
    CLUSTER,
    UNREACHABLE,
    Spec,
    merge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import FLEET
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import asked
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject

Params = Mapping[str, t.Any]
#: What became of a region. `refused`: somebody else is at work, there or in the fleet.
Word = t.Literal["rolled_back", "refused", "failed", "unreachable"]

_CLUSTER: t.Final[Spec] = merge(CLUSTER, UNREACHABLE)
SPEC: t.Final[Spec] = {
    "fleet": {"type": "dict", "required": True, "options": _CLUSTER},
    "regions": {"type": "list", "elements": "dict", "required": True, "options": _CLUSTER},
    "lease_s": {"type": "float", "default": 15.0},
    "renew_s": {"type": "float", "default": 5.0},
    "controller": {"type": "dict"},
}
#: Characters of the reason in a journal, as in the history of a registry.
_LONGEST_REASON: t.Final = 1000


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One cluster with a journal. `name`: the region's, or `fleet`; `unreachable_s`: how long it is tried while nothing
    answers at all, in seconds."""

    name: str
    kubeconfig: str
    context: str
    namespace: str
    unreachable_s: float

    @classmethod
    def of(cls, given: Params, name: str = "") -> Cluster:
        plain = {key: given[key] for key in ("kubeconfig", "context", "namespace", "unreachable_s")}
        return cls(given.get("region") or name or given["context"], **plain)

    def to_option(self) -> JsonObject:
        """As the option `fleet` of release_journal."""
        return {"kubeconfig": self.kubeconfig, "context": self.context, "namespace": self.namespace}


@dataclasses.dataclass(frozen=True)
class TakeBack:
    """`regions`: at least one, each of another name. `lease_s`, `renew_s`, `controller`: as in release_journal."""

    fleet: Cluster
    regions: tuple[Cluster, ...]
    lease_s: float
    renew_s: float
    controller: Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Change:
    """What the journals say of a way back: `by` whom, `reason`, and the `version` of the `model` that goes."""

    model: str
    version: str
    by: str
    reason: str

    @classmethod
    def because(cls, model: str, version: str, by: str, reasons: tuple[str, str]) -> Change:
        """`reasons`: of the task, and of the verdict."""
        text = ": ".join(reasons)
        short = text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."
        return cls(model, version, by, short)

    @property
    def step(self) -> str:
        """The name of the journal's entry."""
        return f"rollback {self.model} {self.version}"

    @property
    def finish(self) -> JsonObject:
        """What a recovery has to know: the way back goes on, whatever has become of it."""
        return {
            "state": "rolled_back",
            "model": self.model,
            "version": self.version,
            "slot": None,
            "reason": self.reason,
        }


def take_back_of(params: Params, state: str, in_region: bool) -> TakeBack | None:
    """The option, checked; None where it was not given. Raises OptionError."""
    given = params.get("take_back")
    if given is None:
        return None
    if state != "judged" or not in_region:
        raise OptionError("take_back", "is for state judged with a route, which says who goes")
    for option in ("actor", "reason"):
        if not params.get(option):
            raise OptionError(option, "needed with take_back, for the journals")
    regions = tuple(Cluster.of(one) for one in given["regions"])
    names = [region.name for region in regions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not regions or twice:
        problem = f"{', '.join(twice)} is there twice" if twice else "is empty; name all that the model has"
        raise OptionError("take_back.regions", problem)
    plain = {name: given[name] for name in ("lease_s", "renew_s")}
    found = TakeBack(Cluster.of(given["fleet"], FLEET), regions, **plain, controller=given["controller"])
    try:
        fleet_opening(found, Change(params["model"], "", params["actor"], params["reason"]))
    except OptionError as error:
        raise OptionError(f"take_back.{error.option}", error.message.split(": ", 1)[1]) from error
    return found


def fleet_opening(given: TakeBack, change: Change) -> JsonObject:
    """The parameters of release_journal that opens the journal of the fleet."""
    # Who is missing when it is recovered.
    steps = [region.name for region in given.regions]
    return asked(scope="fleet", steps=steps, **given.fleet.to_option(), **_opening(given, change))


def region_opening(given: TakeBack, change: Change, region: Cluster, held: Params | None) -> JsonObject:
    """The parameters of release_journal that opens the journal of a region. `held`: the release of the fleet, whose
    name it takes, None when that did not answer."""
    fleet = held["fleet"] if held else given.fleet.to_option()
    named = {"release_id": held["id"]} if held else {}
    return asked(scope="region", fleet=fleet, **named, **region.to_option(), **_opening(given, change))


def _opening(given: TakeBack, change: Change) -> JsonObject:
    return {
        "state": "opened",
        "kind": "model",
        "by": change.by,
        "reason": change.reason,
        "finish": change.finish,
        "controller": given.controller,
        "lease_s": given.lease_s,
        "renew_s": given.renew_s,
    }


def without_it(error: ReleaseError) -> bool:
    """Whether the way back goes without a fleet whose journal could not be opened: where it does not answer, and not
    past somebody who is at work, nor where nobody knows."""
    return error.kind in ("unreachable", "timeout")


def word_of(error: ReleaseError) -> Word:
    """What an error makes of a region. What is written is written, also where a gateway is slow to accept it."""
    if error.kind == "locked":
        return "refused"
    if error.kind == "not_accepted":
        return "rolled_back"
    return "unreachable" if without_it(error) else "failed"
