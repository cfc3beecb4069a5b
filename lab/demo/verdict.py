# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo proved: its last line and its exit code, from the releases tried and the order flow. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Release:
    """One `deploy` of the demo as its report tells it.

    `verdicts` is region -> released / taken_back / untouched / stuck / refused;
    `traffic` is region -> service -> highest weight in percent that the new version was given;
    times are unix seconds, None where it did not happen; `reason` is the gate's sentence for a refusal.
    """

    version: str
    exit_code: int
    verdicts: t.Mapping[str, str]
    traffic: t.Mapping[str, t.Mapping[str, int]]
    decided_at: float | None = None
    weights_at: float | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Flow:
    """Sums of the order flow. `first_bad` / `last_bad` are the bad version's first and last answer 500 (unix s)."""

    acknowledged: int
    refused: int
    lost: int
    duplicated: int
    failed_by_healthy_versions: int
    first_bad: float | None
    last_bad: float | None


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What a version is expected to do: be released everywhere, or be refused in one region.

    `most_traffic` limits the weight of each service's refused version in percent; a service that is not named has no
    limit of its own (reference-data v3 is healthy and may be through its canary when core-api v3 is caught).
    """

    version: str
    released: bool
    most_traffic: t.Mapping[str, int] = dataclasses.field(default_factory=dict)


#: v3 is judged at the canary's first step; v5 never starts and v7 does not exist, so neither may see an order.
EXPECTED: t.Final = (
    Expectation("v2", released=True),
    Expectation("v3", released=False, most_traffic={"core-api": 10}),
    Expectation("v5", released=False, most_traffic={"core-api": 0, "reference-data": 0}),
    Expectation("v7", released=False, most_traffic={"core-api": 0, "reference-data": 0}),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    line: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def judge(releases: t.Sequence[Release], flow: Flow, bad_version: str = "v3") -> Outcome:
    """Compare what happened with EXPECTED and write the demo's last line."""
    by_version = {release.version: release for release in releases}
    problems: list[str] = []
    released: list[str] = []
    refused: list[str] = []
    for expected in EXPECTED:
        release = by_version.get(expected.version)
        if release is None:
            problems.append(f"{expected.version} was not tried")
            continue
        found = _problems_of(expected, release)
        problems += found
        if not found:
            (released if expected.released else refused).append(expected.version)
    problems += _problems_of_flow(flow)

    bad = by_version.get(bad_version)
    figures = {
        "breach_to_decision_s": _seconds(flow.first_bad, bad.decided_at if bad else None),
        "decision_to_weights_s": _seconds(bad.decided_at if bad else None, bad.weights_at if bad else None),
        "weights_to_last_bad_s": _seconds(bad.weights_at if bad else None, flow.last_bad, floor=0.0),
    }
    problems += [f"{name} could not be measured" for name, value in figures.items() if value is None]
    line = " ".join(
        [
            "demo ok:" if not problems else "demo FAILED:",
            f"released={','.join(released) or '-'}",
            f"refused={','.join(refused) or '-'}",
            f"acked={flow.acknowledged}",
            f"lost={flow.lost}",
            f"duplicated={flow.duplicated}",
            f"failed_by_healthy_versions={flow.failed_by_healthy_versions}",
            *(f"{name}={'?' if value is None else format(value, '.2f')}" for name, value in figures.items()),
        ]
    )
    return Outcome(line=line, problems=tuple(problems))


def _problems_of(expected: Expectation, release: Release) -> list[str]:
    verdicts = dict(release.verdicts)
    if expected.released:
        if release.exit_code != 0 or not verdicts or set(verdicts.values()) != {"released"}:
            return [f"{release.version} should have been released, got exit {release.exit_code} and {verdicts}"]
        return []
    problems = []
    if release.exit_code == 0:
        problems.append(f"{release.version} should have been refused, but its playbook ended with 0")
    if "released" in verdicts.values() or "stuck" in verdicts.values() or not verdicts:
        problems.append(f"{release.version} should have been taken back everywhere, got {verdicts}")
    touched = sorted(region for region, verdict in verdicts.items() if verdict != "untouched")
    if len(touched) > 1:
        problems.append(f"{release.version} should have touched one region only, touched {', '.join(touched)}")
    for region, weights in release.traffic.items():
        for service, limit in expected.most_traffic.items():
            weight = weights.get(service, 0)
            if weight > limit:
                problems.append(
                    f"{service} {release.version} had {weight} % of the traffic in {region}, expected {limit} % at most"
                )
    return problems


def _problems_of_flow(flow: Flow) -> list[str]:
    problems = []
    if flow.acknowledged == 0:
        problems.append("the order flow has no acknowledged order, so nothing was proved")
    for name in ("lost", "duplicated", "failed_by_healthy_versions", "refused"):
        value = getattr(flow, name)
        if value:
            problems.append(f"{name}={value}, expected 0")
    return problems


def _seconds(start: float | None, end: float | None, floor: float | None = None) -> float | None:
    if start is None or end is None:
        return None
    return end - start if floor is None else max(floor, end - start)
