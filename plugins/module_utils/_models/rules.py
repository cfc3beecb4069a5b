# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `judge`: what a version has to show, checked before anything is asked."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import AccuracyRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import AgreementRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_drift import DriftRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_errors import ErrorRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_latency import LatencyRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import CoverageRule, LabelRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import SegmentRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    Ladder,
    Strategy,
    ladder_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_versus import VersusRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Window


@dataclasses.dataclass(frozen=True)
class _Number:
    """A number among the options: its default, and what it has to be between."""

    default: float | None
    low: float
    high: float
    whole: bool = False
    #: Whether the limits themselves are refused.
    open: bool = False

    @property
    def spec(self) -> dict[str, t.Any]:
        made: dict[str, t.Any] = {"type": "int" if self.whole else "float"}
        return made if self.default is None else {**made, "default": self.default}

    def problem(self, value: float) -> str:
        """Why it cannot be taken; empty when it can. NaN is between nothing."""
        inside = self.low < value < self.high if self.open else self.low <= value <= self.high
        limits = f"more than {self.low:g} and less than" if self.open else f"{self.low:g} to"
        return "" if inside else f"is {value:g}; give {limits} {self.high:g}"


_LONG_S: t.Final = 31_536_000.0
_ERRORS, _VERSUS, _ACCURACY = ErrorRule(), VersusRule(), AccuracyRule()
_LATENCY, _DRIFT = LatencyRule(), DriftRule()
_RULES: t.Final = Rules(CoverageRule(1.0), None)
_LADDER: t.Final = Ladder("shadow", (0,))
_WINDOW: t.Final = Window(0.0, 0.0)


def _share(default: float | None) -> _Number:
    return _Number(default, 0.0, 1.0)


def _count(default: int) -> _Number:
    return _Number(default, 1, 1_000_000, whole=True)


def _segments(rule: SegmentRule) -> dict[str, _Number]:
    return {
        "segment_loss_max": _Number(rule.loss_max, 0.0, 1.0, open=True),
        "segment_loss_told": _share(rule.loss_told),
    }


_PLAIN: t.Final[Mapping[str, _Number]] = {
    "pairs_min": _count(_RULES.pairs_min),
    "duration_min_s": _Number(_RULES.duration_min_s, 0.0, _LONG_S),
    "coverage_min": _share(_RULES.coverage.least),
    "settle_s": _Number(_WINDOW.settle_s, 0.0, 3600.0),
    "reference_s": _Number(_WINDOW.reference_s, 0.0, _LONG_S),
    "step_min_s": _Number(_LADDER.step_min_s, 0.0, _LONG_S),
    "step_max_s": _Number(_LADDER.step_max_s, 0.0, _LONG_S, open=True),
    "false_fail": _Number(_RULES.false_fail, 0.0, 0.5, open=True),
    "false_pass": _Number(_RULES.false_pass, 0.0, 0.5, open=True),
}
_GROUPS: t.Final[Mapping[str, Mapping[str, _Number]]] = {
    "errors": {"margin": _share(_ERRORS.margin), "rate_max": _share(_ERRORS.rate_max), **_segments(_ERRORS.segments)},
    "latency": {"ratio_max": _Number(_LATENCY.ratio_max, 1.0, 1000.0), "floor_ms": _Number(_LATENCY.floor_ms, 0, 1e6)},
    "agreement": {"least": _share(None), "score_off": _Number(None, 0.0, 1e15)},
    "accuracy": {
        "minimum": _Number(_ACCURACY.minimum, 0.0, 1.0, open=True),
        "floor": _share(_ACCURACY.floor),
        "least": _count(_ACCURACY.least),
    },
    "versus": {
        "gain_min": _Number(_VERSUS.gain_min, -1.0, 1.0, open=True),
        "least": _count(_VERSUS.least),
        **_segments(_VERSUS.segments),
    },
    "drift": {
        "watch": _Number(_DRIFT.watch, 0.0, 10.0),
        "act": _Number(_DRIFT.act, 0.0, 10.0),
        "distance": _share(_DRIFT.distance),
    },
}
_LABELS: t.Final[Mapping[str, _Number]] = {"maturity_s": _Number(None, 0.0, _LONG_S), "tolerance": _share(0.0)}


def _spec(numbers: Mapping[str, _Number]) -> Spec:
    # ansible-test takes `false_pass` for a password.
    return {
        name: {**number.spec, "no_log": False} if "pass" in name else number.spec for name, number in numbers.items()
    }


#: The suboptions of `judge`. Shares are 0 to 1. Without `labels` there will never be any.
SPEC: t.Final[Spec] = {
    **_spec(_PLAIN),
    **{
        group: {"type": "dict", "apply_defaults": True, "options": _spec(numbers)} for group, numbers in _GROUPS.items()
    },
    "labels": {
        "type": "dict",
        "options": {**_spec(_LABELS), "maturity_s": {"type": "float", "required": True}},
    },
}


@dataclasses.dataclass(frozen=True)
class Judging:
    """The rules, and the times of the steps: see Window and Ladder."""

    rules: Rules
    settle_s: float
    reference_s: float
    step_min_s: float
    step_max_s: float

    def window(self, since: float, until: float) -> Window:
        """Of a step that began at `since`, looked at `until` (unix seconds)."""
        return Window(since, until, self.settle_s, self.reference_s)

    def within(self, share: float) -> Rules:
        """The rules with this part of their risks, 0 to 1."""
        rules = self.rules
        return dataclasses.replace(rules, false_fail=share * rules.false_fail, false_pass=share * rules.false_pass)

    def ladder(self, strategy: Strategy, weights: Sequence[int]) -> Ladder:
        """Raises OptionError of `steps`."""
        made = Ladder(strategy, tuple(weights), self.step_min_s, self.step_max_s)
        if problem := ladder_problem(made):
            raise OptionError("steps", problem)
        return made


def judging_of(judge: Mapping[str, t.Any], *, mirrored: float, serves: bool, share: float | None = 0.0) -> Judging:
    """`judge` as the argument spec leaves it. `mirrored`: the share of the champion's requests that is copied, 0 to 1;
    `serves`: the challenger has requests of its own, `share` of the traffic, None in an A/B test. Raises OptionError
    naming the suboption."""
    for where, numbers, given in _groups(judge):
        for name, number in numbers.items():
            value = given[name]
            if value is not None and (problem := number.problem(value)):
                raise OptionError(f"{where}.{name}", problem)
    accuracy, versus, errors = judge["accuracy"], judge["versus"], judge["errors"]
    latency, agreement, drift = judge["latency"], judge["agreement"], judge["drift"]
    _at_most("accuracy.floor", accuracy["floor"], "minimum", accuracy["minimum"])
    _at_most("drift.watch", drift["watch"], "act", drift["act"])
    _at_most("step_min_s", judge["step_min_s"], "step_max_s", judge["step_max_s"])
    labels = judge.get("labels")
    rules = Rules(
        CoverageRule(mirrored, judge["coverage_min"], serves),
        LabelRule(labels["maturity_s"], labels["tolerance"]) if labels else None,
        judge["pairs_min"],
        judge["duration_min_s"],
        ErrorRule(errors["margin"], errors["rate_max"], _segment_rule(errors, _ERRORS.segments)),
        LatencyRule(latency["ratio_max"], latency["floor_ms"]),
        AgreementRule(agreement["least"], agreement["score_off"]),
        AccuracyRule(accuracy["minimum"], accuracy["floor"], accuracy["least"]),
        VersusRule(versus["gain_min"], versus["least"], _segment_rule(versus, _VERSUS.segments)),
        dataclasses.replace(_DRIFT, watch=drift["watch"], act=drift["act"], distance=drift["distance"]),
        judge["false_fail"],
        judge["false_pass"],
        share,
    )
    return Judging(rules, *(judge[name] for name in ("settle_s", "reference_s", "step_min_s", "step_max_s")))


def _groups(judge: Mapping[str, t.Any]) -> list[tuple[str, Mapping[str, _Number], Mapping[str, t.Any]]]:
    found = [("judge", _PLAIN, judge)]
    found += [(f"judge.{group}", numbers, judge[group]) for group, numbers in _GROUPS.items()]
    return [*found, ("judge.labels", _LABELS, judge["labels"])] if judge.get("labels") else found


def _at_most(option: str, value: float, limit: str, most: float) -> None:
    if value > most:
        raise OptionError(f"judge.{option}", f"is {value:g}; {limit} is {most:g}, give that or less")


def _segment_rule(given: Mapping[str, t.Any], default: SegmentRule) -> SegmentRule:
    return dataclasses.replace(default, loss_max=given["segment_loss_max"], loss_told=given["segment_loss_told"])
