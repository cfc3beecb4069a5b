# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `judge`: defaults are those of the rules, and each limit is checked."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import CoverageRule, LabelRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Ladder
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Window
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.rules import SPEC, Judging, judging_of


def given(**changes: t.Any) -> dict[str, t.Any]:
    """As Ansible hands it over."""
    spec = {"judge": {"type": "dict", "apply_defaults": True, "options": SPEC}}
    found = ArgumentSpecValidator(spec).validate({"judge": changes} if changes else {})
    assert found.error_messages == []
    return t.cast("dict[str, t.Any]", copy.deepcopy(found.validated_parameters["judge"]))


def made(**changes: t.Any) -> Judging:
    return judging_of(given(**changes), mirrored=0.1, serves=False)


def test_without_options_the_rules_are_those_of_the_documentation() -> None:
    found = made()
    assert found.rules == Rules(CoverageRule(0.1), None)
    assert found.window(5.0, 9.0) == Window(5.0, 9.0)
    assert found.ladder("canary", [5, 100]) == Ladder("canary", (5, 100))


def test_every_option_reaches_its_rule() -> None:
    found = made(
        pairs_min=1,
        duration_min_s=2,
        coverage_min=0.3,
        settle_s=4,
        reference_s=5,
        step_min_s=6,
        step_max_s=7,
        false_fail=0.08,
        false_pass=0.09,
        errors={"margin": 0.1, "rate_max": 0.11, "segment_loss_max": 0.12, "segment_loss_told": 0.13},
        latency={"ratio_max": 1.4, "floor_ms": 15},
        agreement={"least": 0.16, "score_off": 0.17},
        accuracy={"minimum": 0.9, "floor": 0.19, "least": 20},
        versus={"gain_min": -0.21, "least": 22, "segment_loss_max": 0.23, "segment_loss_told": 0.24},
        drift={"watch": 0.25, "act": 0.26, "distance": 0.27},
        labels={"maturity_s": 28, "tolerance": 0.29},
    )
    rules = found.rules
    assert (rules.pairs_min, rules.duration_min_s, rules.coverage) == (1, 2, CoverageRule(0.1, 0.3))
    assert (found.settle_s, found.reference_s, found.step_min_s, found.step_max_s) == (4, 5, 6, 7)
    assert (rules.false_fail, rules.false_pass) == (0.08, 0.09)
    segments = rules.errors.segments
    assert (rules.errors.margin, rules.errors.rate_max, segments.loss_max, segments.loss_told) == (
        0.1,
        0.11,
        0.12,
        0.13,
    )
    assert (rules.latency.ratio_max, rules.latency.floor_ms) == (1.4, 15)
    assert (rules.agreement.least, rules.agreement.score_off) == (0.16, 0.17)
    assert (rules.accuracy.minimum, rules.accuracy.floor, rules.accuracy.least) == (0.9, 0.19, 20)
    segments = rules.versus.segments
    assert (rules.versus.gain_min, rules.versus.least, segments.loss_max, segments.loss_told) == (-0.21, 22, 0.23, 0.24)
    assert (rules.drift.watch, rules.drift.act, rules.drift.distance) == (0.25, 0.26, 0.27)
    assert rules.labels == LabelRule(28, 0.29)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pairs_min": 0}, "judge.pairs_min: is 0; give 1 to 1e+06"),
        ({"coverage_min": 95}, "judge.coverage_min: is 95; give 0 to 1"),
        ({"false_fail": 0}, "judge.false_fail: is 0; give more than 0 and less than 0.5"),
        ({"settle_s": float("nan")}, "judge.settle_s: is nan; give 0 to 3600"),
        ({"accuracy": {"minimum": 85}}, "judge.accuracy.minimum: is 85; give more than 0 and less than 1"),
        ({"accuracy": {"minimum": 0.6}}, "judge.accuracy.floor: is 0.7; minimum is 0.6, give that or less"),
        ({"latency": {"ratio_max": 0.5}}, "judge.latency.ratio_max: is 0.5; give 1 to 1000"),
        ({"agreement": {"least": -1}}, "judge.agreement.least: is -1; give 0 to 1"),
        ({"drift": {"watch": 0.3}}, "judge.drift.watch: is 0.3; act is 0.2, give that or less"),
        ({"step_max_s": 60}, "judge.step_min_s: is 600; step_max_s is 60, give that or less"),
        ({"labels": {"maturity_s": -1}}, "judge.labels.maturity_s: is -1; give 0 to 3.1536e+07"),
        ({"labels": {"maturity_s": 1, "tolerance": 2}}, "judge.labels.tolerance: is 2; give 0 to 1"),
    ],
)
def test_what_is_beyond_a_limit_is_told_with_it(changes: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(**changes)
    assert caught.value.message == said


def test_a_ladder_that_nobody_can_climb_is_an_error_of_steps() -> None:
    with pytest.raises(OptionError, match="steps: canary ends with 100, and the last weight is 50"):
        made().ladder("canary", [5, 50])
