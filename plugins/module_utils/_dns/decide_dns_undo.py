# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a set's weights: three-way, region by region. Pure.

The changes are taken back newest first. Where a region has another weight than the one that we wrote, somebody else has
decided about it since, and it stays as it is; an evacuated region stays evacuated.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import carrying
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import Plan

Weights = Mapping[str, int]

#: How the journal names a set.
API_VERSION: t.Final = "pincex.io/v1"
KIND: t.Final = "WeightedSet"
#: The operation of its changes: no object of the cluster.
OPERATION: t.Final = "dns"
#: The field of a region's weight.
FIELD: t.Final = "weights."
#: Marks, in the journal, what a way back wrote: what came before it is not taken back again.
TAKEN_BACK: t.Final = "taken.back"


@dataclasses.dataclass(frozen=True)
class Step:
    """One journaled change: region -> weight before and after, None before for a record that it made. `known` says
    that the provider's answer was written down, `back` that this was a way back."""

    weights: Mapping[str, tuple[int | None, int]]
    known: bool
    back: bool = False


def steps_of(entries: Sequence[Entry], name: str, kind: str) -> list[Step]:
    """What a release wrote, or meant to write, of that set, oldest first."""
    found = []
    for entry in entries:
        for change in entry.changes:
            mine = change.ref.kind == KIND and change.ref.name == name
            if not mine or (change.before or {}).get("type") != kind:
                continue
            weights = {
                path.removeprefix(FIELD): (both["before"], int(both["after"]))
                for path, both in change.fields.items()
                if path.startswith(FIELD)
            }
            if entry.failed is None:
                # What is known to have failed was not written.
                found.append(Step(weights, entry.done, TAKEN_BACK in change.fields))
    return found


def taken_out_by_others(steps: Sequence[Step], live: Weights, regions: Sequence[str]) -> list[str]:
    """Which of these regions somebody else has evacuated: they have weight 0, and that is not the last weight that the
    release gave them. What an entry without an outcome meant to write need not have been written."""
    return [
        region
        for region in regions
        if live.get(region) == 0
        and not next(
            (
                step.weights[region][1] == 0
                for step in reversed(steps)
                if region in step.weights and (step.known or step.weights[region][0] != 0)
            ),
            False,
        )
    ]


def way_back(
    name: str, steps: Sequence[Step], live: Weights, healthy: Mapping[str, bool | None], behind: Collection[str] = ()
) -> Plan:
    """The weights after the undo, and a sentence for each region that stays. The sum is never 0, unless it is now."""
    after = dict(live)
    kept: dict[str, str] = {}
    settled: set[str] = set()
    for step in reversed(steps):
        for region, (before, written) in step.weights.items():
            if region not in after or region in settled or (not step.known and after[region] == before):
                continue
            if step.back:
                # What came before it was taken back already.
                settled.add(region)
            elif after[region] != written:
                settled.add(region)
                kept[region] = _foreign(name, region, after[region], written, before)
            elif before is None:
                kept[region] = f"{name}: the record of {region} was made by the release; it stays, with {written}"
            else:
                after[region] = before
    for region in [one for one in after if after[one] > live[one]]:
        why = "is unhealthy" if healthy.get(region) is False else "is not on the environment's revision"
        if healthy.get(region) is False or region in behind:
            kept[region] = (
                f"{name}: {region} {why} and stays at {live[region]} (not {after[region]}); ramp it in when it is fit"
            )
            after[region] = live[region]
    if sum(after.values()) == 0 or (not carrying(after, healthy) and carrying(live, healthy)):
        for region, weight in live.items():
            if after[region] == 0 < weight:
                kept[region] = f"{name}: {region} stays at {weight} (not 0): no healthy region would have a weight"
                after[region] = weight
    return Plan(after, None, tuple(kept[region] for region in sorted(kept)))


def _foreign(name: str, region: str, now: int, written: int, before: int | None) -> str:
    what = (
        "was evacuated by somebody else and stays at 0" if now == 0 else f"has {now}, set by somebody else, and stays"
    )
    return f"{name}: {region} {what} (the release wrote {written}; {before} before)"
