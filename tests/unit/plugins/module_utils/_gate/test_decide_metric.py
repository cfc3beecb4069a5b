# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One metric check against an absolute limit, by its samples alone."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState, SampleKind
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_baseline import Baseline
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check, Judge, make_sample
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import MISSING, Sample
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_streak import Form
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading
from gate_samples import check, valid, value
from hypothesis import given, settings
from hypothesis import strategies as st

GAP_S = 1.0


def states_of(rule: Check, samples: Sequence[Sample]) -> list[CheckState]:
    judge = Judge(rule, GAP_S)
    return [judge.add(sample) for sample in samples]


def judged(rule: Check, *samples: Sample) -> CheckState:
    return states_of(rule, samples)[-1]


def test_one_bad_sample_is_enough_without_a_streak() -> None:
    assert judged(check(), valid(0, 0.06)).status == "bad"


def test_at_the_limit_is_inside() -> None:
    assert judged(check(), valid(0, 0.05)).status == "good"


def test_a_minimum_is_a_limit_from_below() -> None:
    low = check(maximum=None, minimum=0.9)
    assert judged(low, valid(0, 0.8)).status == "bad"
    assert judged(low, valid(0, 0.9)).status == "good"
    assert judged(low, valid(0, 0.8)).nearness > 1
    assert judged(low, valid(0, 0.8)).sentence == "error rate 0.8 < 0.9 (window 5s, 100 requests, 1 samples)"


def test_a_streak_is_measured_in_time() -> None:
    rule = check(form=Form(for_s=1.0))
    states = states_of(rule, [valid(number / 4, 0.2) for number in range(5)])
    assert [state.status for state in states] == ["over"] * 4 + ["bad"]
    assert (states[-1].evidence["outside_s"], states[-1].outside_since) == (1.0, 0.0)


def test_a_good_sample_ends_the_streak() -> None:
    rule = check(form=Form(for_s=1.0))
    samples = [valid(0, 0.2), valid(0.8, 0.2), valid(0.9, 0.0), valid(1.0, 0.2), valid(1.8, 0.2)]
    assert judged(rule, *samples).status == "over"


def test_a_gap_neither_proves_nor_clears() -> None:
    rule = check(form=Form(for_s=1.0))
    before, gap = [valid(0, 0.2), valid(0.6, 0.2)], [Sample(0.8, "no_data")]
    state = judged(rule, *before, *gap, valid(1.6, 0.2))
    assert (state.status, state.evidence["outside_s"]) == ("over", 0.6)
    assert judged(rule, *before, *gap, valid(1.6, 0.2), valid(2.0, 0.2)).status == "bad"


def test_time_in_which_nobody_looked_is_a_gap_too() -> None:
    state = judged(check(form=Form(for_s=1.0)), valid(0, 0.2), valid(5, 0.2))
    assert state.evidence["outside_s"] == 0.0
    assert judged(check(), valid(0, 0.0), valid(5, 0.0)).good_s == 0.0


@pytest.mark.parametrize("form", [Form(consecutive=3), Form(n_of_m=(3, 5))])
def test_forms_that_count_samples(form: Form) -> None:
    rule = check(form=form)
    assert judged(rule, valid(0, 0.2), valid(1, 0.2)).status == "over"
    assert judged(rule, valid(0, 0.2), Sample(1, "nan"), valid(2, 0.2), valid(9, 0.2)).status == "bad"
    scattered = [valid(0, 0.2), valid(1, 0.0), valid(2, 0.2), valid(3, 0.0), valid(4, 0.2)]
    assert judged(rule, *scattered).status == ("bad" if form.n_of_m else "over")


def test_too_few_failures_are_suspicious_and_no_breach() -> None:
    rule = check(min_failures=5)
    state = judged(rule, valid(0, 0.4, 10.0))
    assert (state.status, state.good_s) == ("over", 0.0)
    assert state.sentence == ("error rate 0.4 > 0.05 (window 5s, 10 requests, 4 failures, 5 count, 1 samples)")
    assert judged(rule, valid(0, 0.5, 10.0)).status == "bad"


def test_good_time_counts_good_samples_only() -> None:
    samples = [valid(0, 0.0), valid(0.5, 0.0), Sample(1.0, "nan"), valid(1.5, 0.0), valid(2.0, 0.0)]
    assert judged(check(), *samples).good_s == 1.0
    assert judged(check(form=Form(9)), *samples, valid(2.5, 0.2), valid(3.0, 0.0)).good_s == 0.0


def test_it_is_not_good_before_there_are_enough_samples() -> None:
    rule = check(min_samples=3)
    samples = [valid(0, 0.0), Sample(0.5, "stale"), valid(1, 0.0), valid(1.5, 0.0)]
    states = states_of(rule, samples)
    assert [state.status for state in states] == ["thin", "blind", "thin", "good"]
    assert states[2].sentence == "error rate has 2 of at least 3 samples"
    assert judged(rule, valid(0, 0.2)).status == "bad", "what is bad needs no more of them"


def test_bad_stays_bad_and_says_what_proved_it() -> None:
    state = judged(check(), valid(0, 0.2), valid(1, 0.0), Sample(2, "no_data"))
    assert (state.status, state.counts["valid"], state.seen_at) == ("bad", 2, 1)
    assert state.sentence == "error rate 0.2 > 0.05 (window 5s, 100 requests, 1 samples)"
    assert (state.outside_since, len(state.evidence["last"])) == (0, 3)
    proved = [valid(0, 0.2), valid(1, 0.2)]
    again = judged(check(form=Form(1.0)), *proved, valid(2, 0.0), valid(3, 0.2))
    assert (again.status, again.outside_since) == ("bad", 0)


def test_it_goes_on_telling_while_it_is_bad() -> None:
    state = judged(check(form=Form(1.0)), *[valid(at / 2, 0.2) for at in range(7)])
    assert state.sentence == "error rate 0.2 > 0.05 (window 5s, for 3.0 s of 1 s, 100 requests, 7 samples)"


@pytest.mark.parametrize("kind", MISSING)
def test_what_cannot_be_seen_is_counted_by_its_kind_and_has_its_policy(kind: SampleKind) -> None:
    samples = [valid(0, 0.0), Sample(0.5, kind, detail="why")]
    state = judged(check(), *samples)
    assert (state.status, state.counts[kind], state.counts["valid"]) == ("blind", 1, 1)
    assert (state.seen_at, state.sentence) == (0, "error rate not visible (why)")
    lost = judged(check(on_missing={kind: "fail"}), *samples)
    assert (lost.status, lost.sentence) == ("lost", "error rate not visible (why)")
    ignored = judged(check(on_missing={kind: "ignore"}), *samples)
    assert (ignored.status, ignored.sentence) == ("thin", "error rate not visible (why)")


def test_what_is_ignored_uses_up_no_patience() -> None:
    rule = check(on_missing={"nan": "ignore"})
    state = judged(rule, valid(0, 0.0), *[Sample(float(at), "nan") for at in range(1, 60)], Sample(60.0, "error"))
    assert (state.status, state.seen_at) == ("blind", 59.0)


def test_few_requests_are_no_blindness() -> None:
    few = Sample(0.5, "thin", requests=3.0, detail="3 of at least 10 requests")
    state = judged(check(on_missing=dict.fromkeys(MISSING, "fail")), few)
    assert (state.status, state.seen_at) == ("thin", 0.5)
    assert state.sentence == "error rate has 3 of at least 10 requests"


@pytest.mark.parametrize(
    ("rule", "samples", "sentence"),
    [
        (check(), [valid(0, 0.01, None)], "error rate 0.01 ≤ 0.05 (window 5s, 1 samples)"),
        (check(query="x"), [valid(0, 0.01)], "error rate 0.01 ≤ 0.05 (100 requests, 1 samples)"),
        (
            check(form=Form(6)),
            [valid(0, 0.2), valid(1, 0.2)],
            "error rate 0.2 > 0.05 (window 5s, for 1.0 s of 6 s, 100 requests, 2 samples)",
        ),
        (
            check(form=Form(consecutive=3)),
            [valid(0, 0.2)],
            "error rate 0.2 > 0.05 (window 5s, 1 in a row of 3, 100 requests, 1 samples)",
        ),
        (
            check(form=Form(n_of_m=(2, 4))),
            [valid(0, 0.2), valid(1, 0.0)],
            "error rate 0 ≤ 0.05 (window 5s, 1 of the last 4 outside, 2 count, 100 requests, 2 samples)",
        ),
        (
            check(name="core-api error rate", min_failures=5),
            [Sample(number, "thin") for number in range(3)]
            + [valid(3.0 + number, 0.0) for number in range(11)]
            + [valid(14.0, 6 / 33, 33.0)],
            "core-api error rate 0.182 > 0.05 (window 5s, 33 requests, 6 failures, 5 count, 12 samples)",
        ),
    ],
)
def test_sentences(rule: Check, samples: list[Sample], sentence: str) -> None:
    assert judged(rule, *samples).sentence == sentence


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("rate(x[5s])", "5s"),
        ("rate(x[2m:10s])", "2m"),
        ("sum(x - (x offset 5s or x * 0))", "5s"),
        ("x", ""),
    ],
)
def test_window_of_a_query(query: str, window: str) -> None:
    assert check(query=query).window == window


# Out of a provider's answers.

NONE = Reading("no_data", detail="the query found no series")
AWAY = Reading("error", detail="away")


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"value": value(0.1)}, "valid"),
        ({"value": value(0.1), "requests": value(20)}, "valid"),
        ({"value": value(0.1), "requests": value(9)}, "thin"),
        ({"value": value(math.nan), "requests": value(0)}, "thin"),
        ({"value": value(math.nan), "requests": value(20)}, "nan"),
        ({"value": value(math.inf)}, "nan"),
        ({"value": NONE}, "no_data"),
        ({"value": NONE, "requests": value(0)}, "thin"),
        ({"value": value(0.1), "requests": NONE}, "no_data"),
        ({"value": value(0.1), "requests": value(math.nan)}, "no_data"),
        ({"value": Reading("many", detail="2 series")}, "many"),
        ({"value": AWAY, "requests": NONE}, "error"),
        ({"value": value(0.1), "age_s": value(2.9)}, "valid"),
        ({"value": value(0.1), "age_s": value(3.1)}, "stale"),
        ({"value": value(0.1), "age_s": NONE}, "no_data"),
        ({"value": value(0.1), "age_s": value(9.0), "requests": value(0)}, "stale"),
    ],
)
def test_kinds_of_samples(answers: dict[str, Reading], kind: str) -> None:
    assert make_sample(check(min_requests=10), 1.0, stale_s=3.0, **answers).kind == kind


@pytest.mark.parametrize(
    ("baseline", "kind"),
    [(NONE, "no_data"), (value(math.nan), "nan"), (Reading("many"), "many"), (AWAY, "error"), (value(0.1), "valid")],
)
def test_a_value_without_its_baseline_is_a_sample_only_where_there_is_a_limit(baseline: Reading, kind: str) -> None:
    compared = Baseline("stable", 1.5, 0.05)
    alone = make_sample(check(maximum=None, baseline=compared), 1.0, value=value(0.1), baseline=baseline)
    assert (alone.kind, alone.baseline_kind) == (kind, kind)
    limited = make_sample(check(baseline=compared), 1.0, value=value(0.1), baseline=baseline)
    assert (limited.kind, limited.baseline_kind) == ("valid", kind)
    unseen = make_sample(check(baseline=compared), 1.0, value=NONE, baseline=baseline)
    assert (unseen.kind, unseen.baseline_kind) == ("no_data", None)


def test_without_its_baseline_and_a_limit_it_is_not_visible() -> None:
    rule = check(maximum=None, baseline=Baseline("stable", 1.5, 0.05))
    state = judged(rule, make_sample(rule, 1.0, value=value(0.1), baseline=NONE))
    assert state.status == "blind"
    assert state.sentence == "error rate not visible (its baseline: the query found no series)"


def test_evidence_is_json() -> None:
    samples = [valid(10.0, 0.2), Sample(10.25, "stale", detail="old")]
    evidence = judged(check(), *samples).evidence
    assert json.loads(json.dumps(evidence)) == {
        "value": 0.2,
        "limit": {"max": 0.05},
        "window": "5s",
        "for_s": 0.0,
        "outside_s": 0.0,
        "requests": 100.0,
        "min_requests": 0.0,
        "min_failures": 0.0,
        "min_samples": 1,
        "baseline": None,
        "last": [
            {"after_s": 0.0, "kind": "valid", "value": 0.2, "requests": 100.0},
            {"after_s": 0.25, "kind": "stale", "value": None, "requests": None, "detail": "old"},
        ],
        "query": "errors[5s]",
    }


def test_the_last_ten_samples_are_kept_with_their_time_since_the_first() -> None:
    last = judged(check(), *[valid(100.0 + number, 0.0) for number in range(15)]).evidence["last"]
    assert [sample["after_s"] for sample in last] == [float(number) for number in range(5, 15)]


# Properties.

_KIND = st.sampled_from(["valid", "valid", "valid", "thin", "no_data", "nan", "many", "stale", "error"])
_UNSEEN = st.sampled_from(["thin", *MISSING])
_VALUES = st.sampled_from([0.0, 0.01, 0.05, 0.051, 0.2, 1.0])


@st.composite
def series(draw: st.DrawFn) -> list[Sample]:
    at, samples = 0.0, []
    for kind in draw(st.lists(_KIND, min_size=1, max_size=25)):
        at += draw(st.sampled_from([0.25, 0.5, 1.0, 3.0]))
        number = draw(_VALUES) if kind == "valid" else None
        samples.append(Sample(at, kind, number, draw(st.sampled_from([5.0, 50.0]))))
    return samples


FORMS = st.sampled_from([Form(), Form(1.0), Form(2.5), Form(consecutive=3), Form(n_of_m=(2, 4)), Form(n_of_m=(3, 9))])
RULES = st.builds(
    check,
    form=FORMS,
    min_failures=st.sampled_from([0.0, 3.0]),
    min_samples=st.sampled_from([1, 4]),
    on_missing=st.dictionaries(st.sampled_from(MISSING), st.sampled_from(["hold", "fail", "ignore"])),
    name=st.just("c"),
)


@settings(max_examples=80, deadline=None)
@given(RULES, series(), st.data())
def test_a_worse_sample_never_turns_bad_into_anything_else(
    rule: Check, samples: list[Sample], data: st.DataObject
) -> None:
    places = [place for place, sample in enumerate(samples) if sample.kind == "valid"]
    if judged(rule, *samples).status != "bad":
        return
    place = data.draw(st.sampled_from(places))
    worse = [dataclasses.replace(s, value=1.0) if i == place else s for i, s in enumerate(samples)]
    assert judged(rule, *worse).status == "bad"


@settings(max_examples=80, deadline=None)
@given(RULES, series(), _UNSEEN, st.data())
def test_an_invalid_sample_more_makes_nothing_good(
    rule: Check, samples: list[Sample], kind: SampleKind, data: st.DataObject
) -> None:
    before = judged(rule, *samples)
    after = judged(rule, *samples, Sample(samples[-1].at + 0.25, kind, requests=1.0))
    assert after.status in (("bad",) if before.status == "bad" else ("thin", "blind", "lost"))
    assert after.good_s == before.good_s
    # Between two others: less is proved, and nothing else.
    place = data.draw(st.integers(0, len(samples) - 1))
    between = Sample(samples[place].at - 0.125, kind, requests=1.0)
    torn = judged(rule, *samples[:place], between, *samples[place:])
    assert before.status in (torn.status, "bad")
    assert torn.good_s <= before.good_s or before.status == "bad"
    if rule.form.for_s == 0:
        assert torn.status == before.status


@settings(max_examples=80, deadline=None)
@given(RULES, series(), st.data())
def test_a_sample_taken_from_sight_adds_no_time_to_either_streak(
    rule: Check, samples: list[Sample], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(samples) - 1))
    blinded = [dataclasses.replace(s, kind="no_data", value=None) if i == place else s for i, s in enumerate(samples)]
    seen = {s.value for s in samples if s.kind == "valid"}
    state = judged(rule, *blinded)
    time = sum(
        later.at - sooner.at
        for sooner, later in itertools.pairwise(blinded)
        if sooner.kind == later.kind == "valid" and later.at - sooner.at <= GAP_S
    )
    assert state.good_s <= time + 1e-9
    assert state.evidence["outside_s"] <= time + 1e-9
    assert state.evidence["value"] is None or state.evidence["value"] in seen


@settings(max_examples=60, deadline=None)
@given(RULES, st.lists(_UNSEEN, min_size=1, max_size=20))
def test_without_a_valid_sample_nothing_is_good_or_bad(rule: Check, kinds: list[SampleKind]) -> None:
    state = judged(rule, *[Sample(float(at), kind, requests=1.0) for at, kind in enumerate(kinds)])
    assert state.status in ("thin", "blind", "lost")
    assert (state.good_s, state.evidence["outside_s"], state.outside_since) == (0.0, 0.0, None)


@settings(max_examples=80, deadline=None)
@given(RULES, series(), st.integers(1, 8))
def test_a_longer_bad_streak_never_turns_bad_into_anything_else(rule: Check, samples: list[Sample], more: int) -> None:
    longer = samples + [valid(samples[-1].at + 0.25 * (number + 1), 1.0) for number in range(more)]
    before, after = judged(rule, *samples), judged(rule, *longer)
    assert after.status in ("over", "bad")
    assert before.status != "bad" or after.status == "bad"
