# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated labels, and what the rule for accuracy makes of them beside plain ones; and whole comparisons by segment.

A version is right with a fixed probability, or collapses after so many labels. Every rule looks after each 50 labels,
up to 5,000. Our rule is computed for many versions at once; a unit test compares it with the module's own code.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import (
    SHARES,
    STEP,
    WINDOW,
    AccuracyRule,
    floor_count,
    floor_risk,
    starts,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import BETS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import CoverageRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import Balance
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_versus import (
    P_MAX,
    judge_balances,
    mcnemar,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Window, first_begin
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict

from bench.gate.part import Measured, Options, Row
from bench.results import OURS, Goal, row

Ints = npt.NDArray[np.integer[t.Any]]
Floats = npt.NDArray[np.float64]
#: From how many labels on a rule takes each version back; NEVER for never. Given: how many of the first 0, 1, 2, ...
#: labels were right, labels x versions.
RuleOf = Callable[[Ints], Ints]

SEED: t.Final = 20_261_122
RUNS: t.Final = 1000
LABELS: t.Final = 5000
LOOK: t.Final = 50
NEVER: t.Final = LABELS + 1
_WHOLE: t.Final = Rules(CoverageRule(1.0), None)
#: What begins with its step has so much of the risk; the rest is for windows that begin later.
_SHARE: t.Final = first_begin(Window(0.0, 1.0)).share
RULES: t.Final = dataclasses.replace(
    _WHOLE, false_fail=_SHARE * _WHOLE.false_fail, false_pass=_SHARE * _WHOLE.false_pass
)
RULE: t.Final = AccuracyRule()
GOOD: t.Final = 0.87
COLLAPSED: t.Final = 0.5
#: Above the least float, so that 0 and what is exactly at its goal meet it.
_AT: t.Final = 1e-9


def labels_of(accuracy: Floats, runs: int, seed: int) -> Ints:
    """Right ones of the first 0, 1, 2, ... labels of so many versions. The same seed always has the same."""
    drawn = np.random.default_rng([SEED, seed]).random((len(accuracy), runs)) < accuracy[:, None]
    right: Ints = np.concatenate([np.zeros((1, runs), dtype=np.int32), np.cumsum(drawn, axis=0, dtype=np.int32)])
    return right


def _log_mixture(hits: Ints, misses: Ints, limit: float, shares: Sequence[float]) -> Floats:
    """`decide_evidence.log_evidence` against a share of hits of at most the limit, for many at once."""
    bets = np.array(shares)
    terms = misses[..., None] * np.log1p(-bets) + hits[..., None] * np.log1p(bets * (1 - limit) / limit)
    found: Floats = np.logaddexp.reduce(terms, axis=-1) - math.log(len(bets))
    return found


def _log_below(good: Ints, wrong: Ints) -> Floats:
    return _log_mixture(wrong, good, 1 - RULE.minimum, SHARES)


def ours(right: Ints, risk: float) -> Ints:
    """`decide_accuracy.judge_accuracy`: the bets with their new starts, and the floor."""
    first = np.full(right.shape[1], NEVER)
    proof = -math.log(risk - floor_risk(risk))
    for labels in range(LOOK, len(right), LOOK):
        logs = []
        for start, share in starts(labels):
            good = right[labels] - right[start]
            logs.append(math.log(share) + _log_below(good, labels - start - good))
        fails = np.logaddexp.reduce(np.stack(logs), axis=0) > proof
        end = labels - labels % STEP
        if end >= WINDOW:
            fails |= right[end] - right[end - WINDOW] <= floor_count((end - WINDOW) // STEP, RULE, risk)
        first[fails & (first == NEVER)] = labels
    return first


def one_bet(right: Ints, risk: float) -> Ints:
    """The same bet from the first label on, without new starts and without a floor."""
    first = np.full(right.shape[1], NEVER)
    for labels in range(LOOK, len(right), LOOK):
        fails = _log_below(right[labels], labels - right[labels]) > -math.log(risk)
        first[fails & (first == NEVER)] = labels
    return first


def passes(right: Ints) -> Ints:
    """From how many labels on `decide_accuracy` passes each version."""
    first = np.full(right.shape[1], NEVER)
    for labels in range(math.ceil(RULE.least / LOOK) * LOOK, len(right), LOOK):
        log = _log_mixture(right[labels], labels - right[labels], RULE.minimum, BETS)
        first[(log > -math.log(RULES.false_pass)) & (first == NEVER)] = labels
    return first


def naive(right: Ints) -> Ints:
    """Below the minimum at any look."""
    return _share_below(right, lambda _labels: RULE.minimum)


def z_test(right: Ints, z: float = 1.645) -> Ints:
    """Below the minimum by a one-sided test at 5 %, at any look."""
    spread = math.sqrt(RULE.minimum * (1 - RULE.minimum))
    return _share_below(right, lambda labels: RULE.minimum - z * spread / math.sqrt(labels))


def _share_below(right: Ints, limit: Callable[[int], float]) -> Ints:
    first = np.full(right.shape[1], NEVER)
    for labels in range(LOOK, len(right), LOOK):
        first[(right[labels] / labels < limit(labels)) & (first == NEVER)] = labels
    return first


def plain_floor(right: Ints, floor: float) -> Ints:
    """Fewer right of the last 100 labels, at any look."""
    first = np.full(right.shape[1], NEVER)
    for labels in range(max(LOOK, WINDOW), len(right), LOOK):
        fails = right[labels] - right[labels - WINDOW] < floor * WINDOW - _AT
        first[fails & (first == NEVER)] = labels
    return first


def _either(one: RuleOf, other: RuleOf) -> RuleOf:
    return lambda right: np.minimum(one(right), other(right))


_RISK: t.Final = RULES.risks("accuracy").failing
SUBJECTS: t.Final[Mapping[str, RuleOf]] = {
    OURS: functools.partial(ours, risk=_RISK),
    "one bet, no floor": functools.partial(one_bet, risk=_RISK),
    "one bet, floor 0.75": _either(functools.partial(one_bet, risk=_RISK), functools.partial(plain_floor, floor=0.75)),
    "z-test 5 % at each look": z_test,
    "below 85 % at any look": naive,
}
#: True accuracies with what our rule has to reach: the most percent that is taken back, the most that is kept, and
#: the most labels (median) until then.
_STEADY: t.Final[Mapping[float, tuple[float | None, float | None, float | None]]] = {
    0.87: (1.0, None, None),
    0.85: (None, None, None),
    0.83: (None, None, None),
    0.80: (None, 0.0, 700.0),
}
_AFTER: t.Final = (0, 1000, 3000)
#: Between two looks: the first look 20 labels later has next to nothing to see.
_OFF_STEP: t.Final = 3030
_WITHIN: t.Final = 100


def _goal(limit: float | None) -> Goal:
    return Goal(None if limit is None else limit + _AT)


def steady_rows(runs: int) -> Iterator[Row]:
    """One accuracy from the first label on."""
    for number, (accuracy, goals) in enumerate(_STEADY.items()):
        right = labels_of(np.full(LABELS, accuracy), runs, number)
        for subject, rule in SUBJECTS.items():
            first = rule(right)
            gone = np.sort(first[first < NEVER])
            case = f"true {100 * accuracy:g} %"
            back, kept, labels = (_goal(goal if subject == OURS else None) for goal in goals)
            share = 100 * len(gone) / runs
            # The median of all versions, those that stay included.
            median = float(np.median(first)) if len(gone) > runs / 2 else None
            made = [
                row(case, "rolled back", [share], back, "%", subject=subject),
                row(case, "kept", [100 - share], kept, "%", subject=subject),
                row(case, "labels, median", [median], labels, "count", subject=subject),
            ]
            yield from ({**one, "rounds": runs} for one in made)


#: True accuracies, with the most percent that may pass.
_PASSING: t.Final[Mapping[float, float | None]] = {0.85: 100 * _WHOLE.false_pass, 0.87: None, 0.90: None, 0.95: None}


def passing_rows(runs: int) -> Iterator[Row]:
    """How many labels a version needs to be proven good enough."""
    for number, (accuracy, goal) in enumerate(_PASSING.items()):
        first = passes(labels_of(np.full(LABELS, accuracy), runs, 50 + number))
        passed = first[first < NEVER]
        case = f"true {100 * accuracy:g} %"
        median = float(np.median(first)) if len(passed) > runs / 2 else None
        made = [
            row(case, "passed", [100 * len(passed) / runs], _goal(goal), "%"),
            row(case, "labels to pass, median", [median], _goal(None), "count"),
        ]
        yield from ({**one, "rounds": runs} for one in made)


def collapse_rows(runs: int) -> Iterator[Row]:
    """Good for so many labels, and then right by a coin. A rollback before that is a false one and not counted here."""
    for number, after in enumerate((*_AFTER, _OFF_STEP)):
        accuracy = np.where(np.arange(LABELS) < after, GOOD, COLLAPSED)
        right = labels_of(accuracy, runs, 100 + number)
        for subject, rule in SUBJECTS.items():
            first = rule(right)
            late = first[first > after] - after
            missed = 100 * float(np.mean(late > _WITHIN)) if len(late) else 0.0
            # Between two looks nobody can see it within 100 labels by 100 labels: told, and no goal.
            bound = subject == OURS and after in _AFTER
            case = f"collapse to {100 * COLLAPSED:g} % after {after:,} labels"
            made = [
                row(case, f"not within {_WITHIN}", [missed], _goal(0.0 if bound else None), "%", subject=subject),
                row(
                    case,
                    "labels, median",
                    [float(np.median(late)) if len(late) else None],
                    _goal(None),
                    "count",
                    subject=subject,
                ),
            ]
            yield from ({**one, "rounds": runs, "before": int((first <= after).sum())} for one in made)


@dataclasses.dataclass(frozen=True)
class Challenger:
    """How often it is right in each segment, where the champion is right with GOOD in all; both independently of each
    other, which makes the comparison as noisy as it can be without being contrary. `wanted`: what the verdict has to
    be."""

    name: str
    accuracy: tuple[float, ...]
    wanted: Callable[[Verdict], bool]
    #: At most so many percent of the verdicts are others.
    others: float = 5.0


SEGMENTS: t.Final = 20
COMPARED: t.Final = 20_000
#: Of equal size, so each is 5 % of the labels; the last to come has the least of the risk.
NAMES: t.Final = tuple(f"segment-{number:02d}" for number in range(1, SEGMENTS + 1))
_BAD: t.Final = NAMES[-1]


def _named(verdict: Verdict) -> bool:
    return verdict.word == "fail" and verdict.segment == _BAD


def _promoted(verdict: Verdict) -> bool:
    return verdict.word == "pass"


def _not_promoted(verdict: Verdict) -> bool:
    return verdict.word != "pass"


EQUAL: t.Final = Challenger("equal", (GOOD,) * SEGMENTS, _not_promoted)
CHALLENGERS: t.Final = (
    Challenger("3 points better, 20 points worse in one segment of 5 %", (0.90,) * (SEGMENTS - 1) + (0.67,), _named),
    Challenger("equal, 20 points worse in one segment of 5 %", (GOOD,) * (SEGMENTS - 1) + (0.67,), _named),
    Challenger("3 points better everywhere", (0.90,) * SEGMENTS, _promoted),
    Challenger(
        "6 points better in half of the segments, equal in the others",
        (0.93,) * (SEGMENTS // 2) + (GOOD,) * (SEGMENTS // 2),
        _promoted,
    ),
    EQUAL,
)
_WANTED: t.Final = {_named: "refused and named", _promoted: "promoted", _not_promoted: "kept from promotion"}


def increments(challenger: Challenger, rng: np.random.Generator, labels: int) -> Ints:
    """What so many labels say: segments x (worse, same, better)."""
    sizes = rng.multinomial(labels, [1 / SEGMENTS] * SEGMENTS)
    accuracy = np.array(challenger.accuracy)
    worse, better = GOOD * (1 - accuracy), (1 - GOOD) * accuracy
    counts: Ints = rng.multinomial(sizes, np.stack([worse, 1 - worse - better, better], axis=-1))
    return counts


def verdict_of(counts: Ints) -> Verdict:
    """By the module's own code."""
    parts = {name: Balance(*(int(one) for one in each)) for name, each in zip(NAMES, counts, strict=True)}
    return judge_balances(parts, RULES.versus, RULES.risks("versus"))


def segment_rows(runs: int) -> Iterator[Row]:
    """The verdict on all labels."""
    for number, challenger in enumerate(CHALLENGERS):
        rng = np.random.default_rng([SEED, 200 + number])
        verdicts = [verdict_of(increments(challenger, rng, COMPARED)) for _run in range(runs)]
        other = 100 * sum(not challenger.wanted(verdict) for verdict in verdicts) / runs
        metric = f"not {_WANTED[challenger.wanted]}"
        made = row(challenger.name, metric, [other], _goal(challenger.others), "%")
        words = {word: sum(verdict.word == word for verdict in verdicts) for word in ("pass", "fail", "undecided")}
        yield {**made, "rounds": runs, **words}


_EACH: t.Final = 1000


def repeated_rows(runs: int) -> Iterator[Row]:
    """An equal challenger that is looked at after each so many labels, beside the p-value alone."""
    rng = np.random.default_rng([SEED, 300])
    promoted = by_p = 0
    for _run in range(runs):
        steps = np.stack([increments(EQUAL, rng, _EACH) for _look in range(COMPARED // _EACH)])
        seen = [(counts, counts.sum(axis=0)) for counts in np.cumsum(steps, axis=0)]
        better = [
            counts for counts, (worse, _same, more) in seen if more > worse and mcnemar(int(worse), int(more)) <= P_MAX
        ]
        by_p += bool(better)
        # Ours asks for the p-value as well, so no other look can promote.
        promoted += any(_promoted(verdict_of(counts)) for counts in better)
    case = f"equal, looked at after each {_EACH:,} labels"
    for subject, count, goal in ((OURS, promoted, 5.0), ("McNemar's p at 5 %", by_p, None)):
        made = row(case, "promoted", [100 * count / runs], _goal(goal), "%", subject=subject)
        yield {**made, "rounds": runs}


def measure(options: Options) -> Measured:
    """The whole part; `rounds` is the number of simulated versions of each kind."""
    runs = options.rounds or RUNS
    rows: list[Row] = []
    for part in (steady_rows(runs), passing_rows(runs), collapse_rows(runs), segment_rows(runs), repeated_rows(runs)):
        for made in part:
            rows.append(made)
            if made["subject"] == OURS:
                print(f"{made['case']}, {made['metric']}: {made['value']} {made['unit']}", flush=True)
    return Measured(rows, {"numpy": np.__version__, "seed": str(SEED)})
