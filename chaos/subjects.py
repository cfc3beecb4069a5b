# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep releases: one service of the lab, to and fro between two versions, with its playbooks' variables."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

import yaml

from chaos.points import Point
from chaos.proxy import NAMES
from lab.demo.playbook import CHECKOUT
from lab.exchange_install import ENGINE as ENGINE_NAME

#: What the lab's catalogue consists of, and the version in which a wiped lab gets it.
SERVICES: t.Final = ("reference-data", "core-api")
FIRST_VERSION: t.Final = "v1"

#: How long an engine that was cut waits for the next epoch. Gateways hold orders for 12 s (HOLD_S), so that a cut that
#: nobody confirms costs no order.
CUT_DEADLINE_S: t.Final = 10.0
_CATALOGUE: t.Final = CHECKOUT / "inventories" / "lab-engine.yml"
#: A point is about what is written, and a gate writes nothing. So pods that are ready are enough, and a release takes
#: less time.
_GATE: t.Final = {
    "interval_s": 0.25,
    "deadline_s": 90,
    "blind_s": 8,
    "step_s": 1,
    "bake_s": 1,
    "judge_s": 1,
    "workload_grace": {"crash_restarts": 1},
    "on_thin_evidence": "pass_on_workloads",
}


#: As few steps as the guard max_step of dns_weight lets two regions go back in.
_RAMP: t.Final = [25, 50, 100]
_RAMP_HOLD_S: t.Final = 1


def _gated_by_pods() -> dict[str, t.Any]:
    return {"gate_profiles": {"default": _GATE}}


def _leaving() -> dict[str, t.Any]:
    """Every region leaves the traffic while its slots change."""
    return {
        "region_strategy": "evacuate",
        "dns_ramp_steps": _RAMP,
        "dns_ramp_hold_s": _RAMP_HOLD_S,
        **_gated_by_pods(),
    }


def _no_point(_point: Point) -> bool:
    return False


def _with_engine() -> dict[str, t.Any]:
    """The catalogue with the matching engine in it. Read when it is used, and not by every command of a sweep."""
    found: dict[str, t.Any] = yaml.safe_load(_CATALOGUE.read_text(encoding="utf-8"))
    found["services"][ENGINE_NAME]["handover"]["cut_deadline_s"] = CUT_DEADLINE_S
    return {**found, **_gated_by_pods()}


@dataclasses.dataclass(frozen=True)
class Subject:
    """`is_engine`: its traffic is the epoch record, and it has slots that a sweep must not remove. `by_weights`: every
    region leaves the traffic for its releases. A sample takes half of its points from those that `is_rare` picks."""

    service: str
    versions: tuple[str, str]
    variables: c.Callable[[], dict[str, t.Any]] = _gated_by_pods
    is_engine: bool = False
    by_weights: bool = False
    is_rare: c.Callable[[Point], bool] = _no_point

    def other(self, version: str) -> str:
        return self.versions[1] if version == self.versions[0] else self.versions[0]


PLAIN: t.Final = Subject("reference-data", ("v1", "v2"))
#: The same service, with the weights of its regions.
LEAVING: t.Final = Subject(
    PLAIN.service, PLAIN.versions, _leaving, by_weights=True, is_rare=lambda point: point.site == NAMES
)
#: Not v1 and v2: at the end of a standby v2 begins to write format 2, which v1 cannot read, so there would be one way
#: and no way back. v3 is as good an engine as v2: its fault is one of core-api, which stays where it is. Both read both
#: formats, and the first release leaves format 1 behind for good. From then on nothing is left to `finish`, so this one
#: request is no point.
ENGINE: t.Final = Subject(
    ENGINE_NAME, ("v2", "v3"), _with_engine, is_engine=True, is_rare=lambda point: point.asks_a_pod
)
