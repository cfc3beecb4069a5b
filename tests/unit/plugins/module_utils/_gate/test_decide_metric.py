# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import itertools
import json
import math

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import (
    Reading,
    Sample,
    SampleKind,
    judge,
    make_sample,
    to_json,
)
from gate_samples import check, valid, value
from hypothesis import given, settings
from hypothesis import strategies as st

GAP_S = 1.0


def test_one_bad_sample_is_enough_without_a_streak() -> None:
    assert judge(check(), [valid(0, 0.06)], GAP_S).status == "bad"


def test_at_the_limit_is_inside() -> None:
    assert judge(check(), [valid(0, 0.05)], GAP_S).status == "good"


def test_a_minimum_is_a_limit_from_below() -> None:
    low = check(maximum=None, minimum=0.9)
    assert judge(low, [valid(0, 0.8)], GAP_S).status == "bad"
    assert judge(low, [valid(0, 0.9)], GAP_S).status == "good"
    assert judge(low, [valid(0, 0.8)], GAP_S).nearness > 1


def test_a_streak_is_measured_in_time() -> None:
    rule = check(for_s=1.0)
    samples = [valid(number / 4, 0.2) for number in range(5)]
    assert judge(rule, samples[:4], GAP_S).status == "over"
    state = judge(rule, samples, GAP_S)
    assert (state.status, state.outside_s, state.outside_since) == ("bad", 1.0, 0.0)


def test_a_good_sample_ends_the_streak() -> None:
    rule = check(for_s=1.0)
    samples = [valid(0, 0.2), valid(0.8, 0.2), valid(0.9, 0.0), valid(1.0, 0.2), valid(1.8, 0.2)]
    assert judge(rule, samples, GAP_S).status == "over"


def test_a_gap_neither_proves_nor_clears() -> None:
    rule = check(for_s=1.0)
    before, gap = [valid(0, 0.2), valid(0.6, 0.2)], [Sample(0.8, "no_data")]
    state = judge(rule, [*before, *gap, valid(1.6, 0.2)], GAP_S)
    assert (state.status, state.outside_s) == ("over", 0.6)
    assert judge(rule, [*before, *gap, valid(1.6, 0.2), valid(2.0, 0.2)], GAP_S).status == "bad"


def test_time_in_which_nobody_looked_is_a_gap_too() -> None:
    assert judge(check(for_s=1.0), [valid(0, 0.2), valid(5, 0.2)], GAP_S).outside_s == 0.0


def test_too_few_failures_are_suspicious_and_no_breach() -> None:
    rule = check(min_failures=5)
    state = judge(rule, [valid(0, 0.4, 10.0)], GAP_S)
    assert (state.status, state.failures, state.good_s) == ("over", 4.0, 0.0)
    assert judge(rule, [valid(0, 0.5, 10.0)], GAP_S).status == "bad"


def test_good_time_counts_good_samples_only() -> None:
    samples = [valid(0, 0.0), valid(0.5, 0.0), Sample(1.0, "nan"), valid(1.5, 0.0), valid(2.0, 0.0)]
    assert judge(check(), samples, GAP_S).good_s == 1.0
    assert judge(check(for_s=9), [*samples, valid(2.5, 0.2), valid(3.0, 0.0)], GAP_S).good_s == 0.0


def test_bad_stays_bad() -> None:
    assert judge(check(), [valid(0, 0.2), valid(1, 0.0), Sample(2, "no_data")], GAP_S).status == "bad"
    proved = [valid(0, 0.2), valid(1, 0.2)]
    assert judge(check(for_s=1.0), [*proved, valid(2, 0.0), valid(3, 0.2)], GAP_S).status == "bad"


@pytest.mark.parametrize("kind", ["no_data", "nan", "many", "stale", "error"])
def test_what_cannot_be_seen_is_blind_and_counted_by_its_kind(kind: SampleKind) -> None:
    state = judge(check(), [valid(0, 0.0), Sample(0.5, kind, detail="why")], GAP_S)
    assert (state.status, state.counts[kind], state.counts["valid"]) == ("blind", 1, 1)
    assert (state.seen_at, state.detail) == (0, "why")


def test_few_requests_are_no_blindness() -> None:
    state = judge(check(), [Sample(0.5, "thin", requests=3.0)], GAP_S)
    assert (state.status, state.seen_at) == ("thin", 0.5)


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
        ({"value": Reading("error", detail="away"), "requests": NONE}, "error"),
        ({"value": value(0.1), "age_s": value(2.9)}, "valid"),
        ({"value": value(0.1), "age_s": value(3.1)}, "stale"),
        ({"value": value(0.1), "age_s": NONE}, "no_data"),
        ({"value": value(0.1), "age_s": value(9.0), "requests": value(0)}, "stale"),
    ],
)
def test_kinds_of_samples(answers: dict[str, Reading], kind: str) -> None:
    assert make_sample(check(min_requests=10), 1.0, stale_s=3.0, **answers).kind == kind


def test_evidence_is_json() -> None:
    samples = [valid(10.0, 0.2), Sample(10.25, "stale", detail="old")]
    evidence = to_json(judge(check(), samples, GAP_S), samples, 9.0)
    assert json.loads(json.dumps(evidence))["last"][1] == {
        "after_s": 1.25,
        "kind": "stale",
        "value": None,
        "requests": None,
        "detail": "old",
    }
    assert evidence["limit"] == {"max": 0.05}


# Properties.

_KIND = st.sampled_from(["valid", "valid", "valid", "thin", "no_data", "nan", "many", "stale", "error"])
_VALUES = st.sampled_from([0.0, 0.01, 0.05, 0.051, 0.2, 1.0])


@st.composite
def series(draw: st.DrawFn) -> list[Sample]:
    at, samples = 0.0, []
    for kind in draw(st.lists(_KIND, max_size=25)):
        at += draw(st.sampled_from([0.25, 0.5, 1.0, 3.0]))
        number = draw(_VALUES) if kind == "valid" else None
        samples.append(Sample(at, kind, number, draw(st.sampled_from([5.0, 50.0]))))
    return samples


RULES = st.builds(
    check, for_s=st.sampled_from([0.0, 1.0, 2.5]), min_failures=st.sampled_from([0.0, 3.0]), name=st.just("c")
)


@settings(max_examples=60, deadline=None)
@given(RULES, series(), st.data())
def test_a_worse_sample_never_turns_bad_into_anything_else(
    rule: object, samples: list[Sample], data: st.DataObject
) -> None:
    before = judge(rule, samples, GAP_S)  # type: ignore[arg-type]
    places = [place for place, sample in enumerate(samples) if sample.kind == "valid"]
    if before.status != "bad" or not places:
        return
    place = data.draw(st.sampled_from(places))
    worse = [dataclasses.replace(s, value=1.0) if i == place else s for i, s in enumerate(samples)]
    assert judge(rule, worse, GAP_S).status == "bad"  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(RULES, series(), st.data())
def test_an_invalid_sample_adds_no_time_to_either_streak(
    rule: object, samples: list[Sample], data: st.DataObject
) -> None:
    """Taking a sample away from sight proves nothing: neither more good time nor a longer streak outside."""
    place = data.draw(st.integers(0, max(0, len(samples) - 1)))
    blinded = [dataclasses.replace(s, kind="no_data", value=None) if i == place else s for i, s in enumerate(samples)]
    seen = {s.at: s.value for s in samples if s.kind == "valid"}
    state = judge(rule, blinded, GAP_S)  # type: ignore[arg-type]
    time = sum(
        later.at - sooner.at
        for sooner, later in itertools.pairwise(blinded)
        if sooner.kind == later.kind == "valid" and later.at - sooner.at <= GAP_S
    )
    assert state.good_s <= time + 1e-9
    assert state.outside_s <= time + 1e-9
    assert state.value is None or state.value in seen.values()


@settings(max_examples=60, deadline=None)
@given(RULES, st.lists(st.sampled_from(["thin", "no_data", "nan", "many", "stale", "error"]), max_size=20))
def test_without_a_valid_sample_nothing_is_good_or_bad(rule: object, kinds: list[SampleKind]) -> None:
    samples = [Sample(float(at), kind, requests=1.0) for at, kind in enumerate(kinds)]
    state = judge(rule, samples, GAP_S)  # type: ignore[arg-type]
    assert state.status in ("thin", "blind")
    assert (state.good_s, state.outside_s) == (0.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(RULES, series(), st.integers(1, 8))
def test_a_longer_bad_streak_never_turns_bad_into_good(rule: object, samples: list[Sample], more: int) -> None:
    start = samples[-1].at if samples else 0.0
    longer = samples + [valid(start + 0.25 * (number + 1), 1.0) for number in range(more)]
    before, after = judge(rule, samples, GAP_S), judge(rule, longer, GAP_S)  # type: ignore[arg-type]
    assert after.status in ("over", "bad")
    assert before.status != "bad" or after.status == "bad"
