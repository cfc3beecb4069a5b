# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a report, each with its heading, its key and what to look for. Pure."""

from __future__ import annotations

import collections
import math
import typing as t
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import WINDOW
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_figures import (
    Slice,
    accuracy_curve,
    accuracy_slices,
    agreement_slices,
    histograms,
    quantile_curve,
    tail_scale,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_latency import Between, between
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Ripe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Answer, Pair
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.svg import (
    Axis,
    Chart,
    Row,
    log_ticks,
    round_ticks,
    rows,
    tag,
)

#: What the page tells of the latency, and which of these are judged and have bounds.
_TOLD: t.Final = (0.5, 0.9, 0.95, 0.99)
_JUDGED: t.Final = (0.95, 0.99)
_QUANTILES: t.Final = ((0.0, "min"), (0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9"))
_TAIL: t.Final = ((0.9999, "p99.99"), (0.99999, "p99.999"))
#: Nothing is faster than this on the axis of a logarithm.
_LEAST_MS: t.Final = 0.001
#: So many kinds of errors are told.
_ERRORS: t.Final = 6

Keys = Sequence[tuple[str, str]]


def percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _figure(heading: str, told: str, keys: Keys, *inside: ET.Element) -> ET.Element:
    key = tag("div", *(tag("span", tag("i"), text, class_=look) for look, text in keys), class_="key")
    return tag("figure", tag("figcaption", tag("h2", heading), tag("p", told), key), *inside)


def _empty(text: str) -> ET.Element:
    return tag("p", text, class_="empty")


def _room(values: Sequence[float], part: float = 0.05) -> tuple[float, float]:
    """Limits with some room around values, apart where all are the same."""
    low, high = min(values), max(values)
    room = (high - low) * part or max(abs(high), 1.0) * part
    return low - room, high + room


# -- latency


def latency(pairs: Sequence[Pair], rules: Rules) -> ET.Element:
    """Percentiles of both versions, the limit of the two that are judged, and the bounds of these."""
    champion, challenger = (
        sorted(one.latency_ms for one in side if not one.failed)
        for side in ([pair.champion for pair in pairs], [pair.challenger for pair in pairs])
    )
    keys = (("champion", "champion"), ("challenger", "challenger"), ("limit", "limit for the challenger"))
    told = "How long answers take, the slow ones spread out. Bars are where the true p95 and p99 are."
    if not champion or not challenger:
        return _figure("Latency", told, keys, _empty("No request that both answered yet."))
    risk = rules.false_pass / 2
    bounds = {one: (between(champion, one, risk), between(challenger, one, risk)) for one in _TOLD}
    limits = {one: rules.latency.limit(bounds[one][0].seen) for one in _JUDGED}
    curves = quantile_curve(champion), quantile_curve(challenger)
    most = max(curves[0][-1][0], curves[1][-1][0])
    ticks = [one for one in (*_QUANTILES, *_TAIL) if one[0] <= most]
    values = [max(_LEAST_MS, value) for curve in curves for _at, value in curve]
    low, high = min(*values, *limits.values()) / 1.15, max(*values, *limits.values()) * 1.15
    x = Axis("percentile of the answers", 0.0, most, ticks, tail_scale)
    chart = Chart("Latency by percentile", x, Axis("ms", low, high, log_ticks(low, high, _number), math.log10))
    for quantile, (theirs, ours) in bounds.items():
        if quantile in _JUDGED:
            for look, one in (("champion", theirs), ("challenger", ours)):
                tip = f"p{100 * quantile:g} of the {look}: {_number(one.seen)} ms, {_bounds(one)}"
                chart.between(quantile, max(low, one.low), min(one.high, high), look, tip)
    for look, curve in zip(("champion", "challenger"), curves, strict=True):
        chart.line([(at, max(_LEAST_MS, value)) for at, value in curve], look)
    for quantile, limit in limits.items():
        chart.limit_at(quantile, limit, f"limit of the p{100 * quantile:g}: {limit:.4g} ms")
    return _figure("Latency", told, keys, chart.element, _latency_numbers(bounds, limits))


def _latency_numbers(bounds: dict[float, tuple[Between, Between]], limits: dict[float, float]) -> ET.Element:
    heads = ("ms", "champion", "challenger", "limit")
    made = tag("table", tag("tr", *(tag("th", head) for head in heads)), class_="numbers")
    for quantile, (theirs, ours) in bounds.items():
        judged = quantile in limits
        shown = [
            tag("td", f"{_number(one.seen)} ", tag("small", _bounds(one) if judged else "")) for one in (theirs, ours)
        ]
        limit = _number(limits[quantile]) if judged else ""
        made.append(tag("tr", tag("td", f"p{100 * quantile:g}"), *shown, tag("td", limit)))
    return made


def _bounds(one: Between) -> str:
    return f"{_number(one.low)} to {_number(one.high) if math.isfinite(one.high) else 'any'}"


# -- accuracy


def accuracy(known: Ripe | None, rules: Rules) -> ET.Element:
    """Over the labels as they became ripe, with the limits."""
    keys = (
        ("champion", "champion"),
        ("challenger", "challenger, all labels so far"),
        ("recent", f"its last {WINDOW}"),
        ("limit", "minimum and floor"),
    )
    told = "Share of right answers. The band reaches down to what is proven, however often one looks."
    if known is None:
        return _figure("Accuracy", told, keys, _empty("This model has no labels."))
    ours = [one.challenger for one in known.outcomes if one.challenger is not None]
    theirs = [one.champion for one in known.outcomes if one.champion is not None]
    if not ours:
        waiting = f"No label is ripe yet: {known.waiting} are waiting for their time, {known.missing} are missing."
        return _figure("Accuracy", told, keys, _empty(waiting))
    curve, other = accuracy_curve(ours, rules.false_pass), accuracy_curve(theirs, rules.false_pass)
    # The first few labels jump from 0 to 1 and would make everything else flat.
    settled = [one for one in curve if one.labels >= min(WINDOW, len(ours))]
    rule = rules.accuracy
    seen = [rule.floor, *(one.all for one in settled), *(one.newest for one in settled if one.newest is not None)]
    low = max(0.0, math.floor(10 * min(seen) - 0.5) / 10)
    x = Axis("ripe labels", 0, len(ours), round_ticks(0, len(ours), lambda value: f"{value:,.0f}", 5))
    chart = Chart("Accuracy over labels", x, Axis("right", low, 1.0, round_ticks(low, 1.0, percent)))
    chart.band([(one.labels, one.at_least, one.all) for one in curve], "challenger")
    chart.line([(one.labels, one.newest) for one in curve if one.newest is not None], "recent")
    chart.line([(one.labels, one.all) for one in other if one.labels <= len(ours)], "champion")
    chart.line([(one.labels, one.all) for one in curve], "challenger")
    chart.level(rule.minimum, f"minimum {percent(rule.minimum)}")
    chart.level(rule.floor, f"floor {percent(rule.floor)} of the last {WINDOW}")
    return _figure("Accuracy", told, keys, chart.element)


def accuracy_by_segment(known: Ripe | None) -> ET.Element:
    keys = (("champion", "champion"), ("challenger", "challenger, with bounds"))
    told = "Segments in which the challenger loses most against the champion, or gains least."
    found = accuracy_slices(known.outcomes) if known is not None else []
    return _slices("Accuracy by segment", told, keys, found, what="right")


# -- agreement


def agreement(pairs: Sequence[Pair], rules: Rules) -> ET.Element:
    least = rules.agreement.least
    keys = (("challenger", "both say the same, with bounds"), *((("limit", "limit"),) if least is not None else ()))
    told = "Segments in which both versions agree least. To disagree is no error: a better model has to."
    found = agreement_slices(pairs, rules.agreement.score_off)
    return _slices("Agreement by segment", told, keys, found, what="agree", limit=least)


def _slices(
    heading: str, told: str, keys: Keys, found: Sequence[Slice], *, what: str, limit: float | None = None
) -> ET.Element:
    if not found:
        return _figure(heading, told, keys, _empty("No segment has 30 such requests yet."))
    made = [
        Row(
            one.segment,
            f"{percent(one.share)} {what} of {one.requests:,}, {percent(one.low)} to {percent(one.high)}"
            + (f"; champion {percent(one.champion)}" if one.champion is not None else ""),
            [*([(one.champion, "champion")] if one.champion is not None else []), (one.share, "challenger")],
            one.low,
            one.high,
        )
        for one in found
    ]
    values = [value for row in made for value in (row.low, row.high, *(dot for dot, _look in row.dots))]
    low, high = _room([*values, *([limit] if limit is not None else [])])
    low, high = max(0.0, low), min(1.0, high)
    axis = Axis(what, low, high, round_ticks(low, high, percent, 5))
    return _figure(heading, told, keys, rows(heading, axis, made, limit))


# -- scores


def scores(pairs: Sequence[Pair], reference: Sequence[float]) -> ET.Element:
    """How the scores are spread: of both now, and of the champion before."""
    keys = (("before", "champion before"), ("champion", "champion now"), ("challenger", "challenger now"))
    told = "Shares of the answers by score. The champion is held against itself: what asks it may have changed."
    now = [_scores([pair.champion for pair in pairs]), _scores([pair.challenger for pair in pairs])]
    edges, shares = histograms([reference, *now])
    if not edges:
        return _figure("Scores", told, keys, _empty("These models give no scores."))
    top = max(height for one in shares for height in one) * 1.08
    x = Axis("score", edges[0], edges[-1], round_ticks(edges[0], edges[-1], _number))
    chart = Chart("Distribution of the scores", x, Axis("share", 0.0, top, round_ticks(0.0, top, percent, 5)))
    samples = zip(("before", "champion", "challenger"), shares, (reference, *now), strict=True)
    for look, heights, values in samples:
        if values:
            chart.steps(edges, heights, look)
    return _figure("Scores", told, keys, chart.element)


def _scores(answers: Sequence[Answer]) -> list[float]:
    return [one.score for one in answers if one.score is not None]


# -- errors


def errors(pairs: Sequence[Pair]) -> ET.Element:
    """What went wrong most often, on the requests that both were asked."""
    sides = [
        collections.Counter(one.error or "no output" for one in side if one.failed)
        for side in ([pair.champion for pair in pairs], [pair.challenger for pair in pairs])
    ]
    told = f"Of {len(pairs):,} requests that both were asked, by what the version says of it."
    worst = [name for name, _number in (sides[0] + sides[1]).most_common(_ERRORS)]
    if not worst:
        return _figure("Errors", told, (), _empty("None."))
    made = tag("table", tag("tr", *(tag("th", head) for head in ("", "champion", "challenger"))), class_="numbers")
    made.append(tag("tr", tag("td", "all"), *(tag("td", f"{side.total():,}") for side in sides)))
    for name in worst:
        made.append(tag("tr", tag("td", name), *(tag("td", f"{side[name]:,}") for side in sides)))
    return _figure("Errors", told, (), made)
