# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers and labels brought together by request, and whether enough of what should be there is. Pure.

An accepted mirror is no proof of one: there are gateways that take the filter and send nothing. So what arrived is
counted against what the share of the mirror promises.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Iterable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import (
    Answer,
    Label,
    Observation,
    Output,
    Pair,
    Single,
    Verdict,
)

#: So many standard deviations of a promised share are chance.
_CHANCE: t.Final = 3.0


@dataclasses.dataclass(frozen=True)
class Matched:
    """Requests by who answered them, each in the order of the requests. `repeated`: answers of a request and version,
    and labels of a request, that came again and were left out; `stray`: labels of requests that nobody answered."""

    pairs: Sequence[Pair] = ()
    champion_only: Sequence[Single] = ()
    challenger_only: Sequence[Single] = ()
    repeated: int = 0
    stray: int = 0


@dataclasses.dataclass(frozen=True)
class CoverageRule:
    """`mirrored`: the share of the champion's requests that is sent to the challenger too, 0 to 1. `least`: the share
    of these that both have to have answered. `serves`: the challenger has requests of its own beside the mirrored."""

    mirrored: float
    least: float = 0.95
    serves: bool = False


def match(observations: Iterable[Observation], labels: Iterable[Label], until: float) -> Matched:
    """Pairs and singles of the requests that came at `until` or before (unix seconds), so that the slower version had
    its time to answer. Of what came twice the first counts: streams deliver at least once."""
    repeated = 0
    champions: dict[str, Observation] = {}
    challengers: dict[str, Observation] = {}
    for one in observations:
        side = champions if one.role == "champion" else challengers
        if one.request_id in side:
            repeated += 1
        else:
            side[one.request_id] = one
    known: dict[str, Label] = {}
    stray = 0
    for label in labels:
        if label.request_id in known:
            repeated += 1
        else:
            known[label.request_id] = label
            stray += label.request_id not in champions and label.request_id not in challengers
    pairs: list[Pair] = []
    alone: list[Single] = []
    for name, one in champions.items():
        if one.at > until:
            continue
        value, label_at = _labelled(known.get(name))
        other = challengers.get(name)
        if other is None:
            alone.append(Single(name, one.at, one.segment, one.answer, value, label_at))
        else:
            pairs.append(Pair(name, one.at, one.segment, one.answer, other.answer, value, label_at))
    others = [
        Single(name, one.at, one.segment, one.answer, *_labelled(known.get(name)))
        for name, one in challengers.items()
        if one.at <= until and name not in champions
    ]
    return Matched(sorted(pairs, key=_order), sorted(alone, key=_order), sorted(others, key=_order), repeated, stray)


def _labelled(label: Label | None) -> tuple[Output | None, float | None]:
    return (label.value, label.at) if label is not None else (None, None)


def _order(one: Pair | Single) -> tuple[float, str]:
    return one.at, one.request_id


def judge_coverage(matched: Matched, rule: CoverageRule) -> Verdict:
    """Whether the pairs stand for what was to be compared: `pass` or `undecided`, never `fail`, because nothing that is
    missing speaks against a version.

    Sampled is what the challenger answered beside requests of its own, or what the mirror promises less three standard
    deviations, whichever is more: the requests of a mirror are drawn by chance.
    """
    paired = len(matched.pairs)
    champion, challenger = paired + len(matched.champion_only), paired + len(matched.challenger_only)
    chance = _CHANCE * math.sqrt(champion * rule.mirrored * (1 - rule.mirrored))
    seen = paired if rule.serves else challenger
    sampled = max(seen, math.floor(champion * rule.mirrored - chance))
    evidence = {
        "paired": paired,
        "sampled": sampled,
        "champion": champion,
        "challenger": challenger,
        "mirrored": rule.mirrored,
        "arrived": round(seen / champion, 6) if champion else None,
        "repeated": matched.repeated,
        "stray_labels": matched.stray,
    }
    if sampled <= 0:
        return Verdict("coverage", "undecided", f"no request of {champion} was sampled yet", evidence)
    if not seen:
        reason = (
            f"no copy of {champion} requests arrived, and {100 * rule.mirrored:g} % should have: the gateway does not "
            "mirror, though it may have accepted the filter, or the pods of the challenger do not answer: look at them"
        )
        return Verdict("coverage", "undecided", reason, evidence)
    share = paired / sampled
    if share < rule.least:
        reason = (
            f"{100 * share:.1f} % of {sampled} sampled requests have both answers, and {100 * rule.least:g} % have to"
        )
        return Verdict("coverage", "undecided", reason, evidence)
    return Verdict("coverage", "pass", f"{paired} of {sampled} sampled requests have both answers", evidence)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One labelled request that is ripe: who was right. None for a version that was not asked."""

    segment: str
    champion: bool | None
    challenger: bool | None


@dataclasses.dataclass(frozen=True)
class LabelRule:
    """`maturity_s`: how long after its request a label is awaited; before that none counts, because the ones that come
    early are not like the others (a fraud is reported sooner than its absence is known). `tolerance`: how far a number
    may be off, as a share of the label; 0 for classes and for exact numbers."""

    maturity_s: float
    tolerance: float = 0.0


@dataclasses.dataclass(frozen=True)
class Ripe:
    """The outcomes in the order in which they became ripe, so that what is known never changes its place; `waiting`:
    labels that came before their time; `missing`: requests past their time without a label."""

    outcomes: Sequence[Outcome]
    waiting: int
    missing: int


def is_right(answer: Answer, label: Output, tolerance: float) -> bool:
    """A number within the tolerance, or the same class. No answer is not right."""
    output = answer.output
    if answer.error or output is None:
        return False
    if isinstance(output, str) or isinstance(label, str):
        return output == label
    return abs(output - label) <= tolerance * abs(label)


def ripe(matched: Matched, rule: LabelRule, now: float) -> Ripe:
    """Outcomes of pairs and of what only the challenger answered, at the time `now` (unix seconds)."""
    found: list[tuple[float, str, Outcome]] = []
    waiting = missing = 0
    asked: list[Pair | Single] = [*matched.pairs, *matched.challenger_only]
    for one in asked:
        due = one.at + rule.maturity_s
        if one.label is None or one.label_at is None:
            missing += due <= now
            continue
        usable = max(due, one.label_at)
        if usable > now:
            waiting += 1
            continue
        if isinstance(one, Pair):
            champion: bool | None = is_right(one.champion, one.label, rule.tolerance)
            challenger = is_right(one.challenger, one.label, rule.tolerance)
        else:
            champion, challenger = None, is_right(one.answer, one.label, rule.tolerance)
        found.append((usable, one.request_id, Outcome(one.segment, champion, challenger)))
    found.sort(key=lambda item: item[:2])
    return Ripe([outcome for _usable, _name, outcome in found], waiting, missing)
