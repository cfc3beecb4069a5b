# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG elements that stand in a page of HTML: a chart with two axes, and rows with a name each. Pure.

No library: what is needed here are intervals, limits and a scale of percentiles, which those that draw plain charts
have not (pygal, leather), and the one that has them is larger than this collection by far (matplotlib, with NumPy).
Everything goes through ElementTree, so no text of anybody can become markup.

Classes of the page's style sheet say how things look: of a line or a dot `champion`, `challenger`, `before`, `recent`,
`limit`.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing as t
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

Point = tuple[float, float]
#: A value on an axis, and what is written there.
Tick = tuple[float, str]

#: Units of a drawing; the page shows it as wide as there is room.
WIDTH: t.Final = 460
_HEIGHT: t.Final = 250
_TOP, _RIGHT, _BOTTOM, _LEFT = 12, 24, 40, 46
_ROW: t.Final = 22
_NAMES: t.Final = 132
#: Characters of a name that fit in front of a row.
_NAME: t.Final = 20


def clean(text: str) -> str:
    """Without signs that nobody sees, or that turn the direction of others."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def tag(name: str, /, *inside: str | ET.Element, **attributes: str | float) -> ET.Element:
    """An element. A `_` at the end of an attribute's name is left away, others become `-`."""
    made = ET.Element(name, {_attribute(key): _text(value) for key, value in attributes.items()})
    last: ET.Element | None = None
    for one in inside:
        if isinstance(one, ET.Element):
            made.append(one)
            last = one
        elif last is None:
            made.text = (made.text or "") + clean(one)
        else:
            last.tail = (last.tail or "") + clean(one)
    return made


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    return clean(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


@dataclasses.dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which are apart. `scale` makes of a value its place, growing: a logarithm for instance."""

    title: str
    low: float
    high: float
    ticks: Sequence[Tick]
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """How far it is along the axis: 0 at its beginning, 1 at its end. What is beyond is drawn there."""
        first, last = self.scale(self.low), self.scale(self.high)
        inside = min(max(value, self.low), self.high)
        return (self.scale(inside) - first) / (last - first)


def round_ticks(low: float, high: float, form: Callable[[float], str], most: int = 6) -> list[Tick]:
    """Round values between these two, which are apart: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(number * step, form(number * step)) for number in range(first, last + 1)]


def log_ticks(low: float, high: float, form: Callable[[float], str]) -> list[Tick]:
    """1, 2 and 5 times the powers of ten between these two, which are above 0; of many decades the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    values = [factor * 10.0**power for power, factor in itertools.product(powers, factors)]
    return [(value, form(value)) for value in values if low <= value <= high]


class Chart:
    """Two axes and what is drawn between them. `label` is for those who cannot see it."""

    def __init__(self, label: str, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self.element = tag("svg", viewBox=f"0 0 {WIDTH} {_HEIGHT}", role="img", aria_label=label)
        for value, text in y.ticks:
            at = self._down(value)
            self._add("line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=at, y2=at)
            self._say(text, _LEFT - 6, at + 4, "end")
        for value, text in x.ticks:
            at = self._right(value)
            self._add("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=_HEIGHT - _BOTTOM)
            self._say(text, at, _HEIGHT - _BOTTOM + 15, "middle")
        self._say(x.title, WIDTH - _RIGHT, _HEIGHT - 6, "end")
        self._say(y.title, 2, _HEIGHT - 6, "start")

    def line(self, points: Sequence[Point], look: str) -> None:
        if points:
            self._add("path", class_=f"line {look}", d=self._path(points))

    def steps(self, edges: Sequence[float], heights: Sequence[float], look: str) -> None:
        """The outline of bars, each between two edges."""
        outline: list[Point] = [(edges[0], self._y.low)]
        for (low, high), height in zip(itertools.pairwise(edges), heights, strict=True):
            outline += [(low, height), (high, height)]
        outline.append((edges[-1], self._y.low))
        self._add("path", class_=f"line {look}", d=self._path(outline))

    def band(self, points: Sequence[tuple[float, float, float]], look: str) -> None:
        """Between the second and the third of each."""
        if points:
            edge = [(x, low) for x, low, _high in points] + [(x, high) for x, _low, high in reversed(points)]
            self._add("path", class_=f"band {look}", d=f"{self._path(edge)}Z")

    def level(self, y: float, text: str) -> None:
        """A limit from side to side, with its name below."""
        at = self._down(y)
        self._add("line", class_="line limit", x1=_LEFT, x2=WIDTH - _RIGHT, y1=at, y2=at)
        self._say(text, WIDTH - _RIGHT - 4, at + 13, "end", "of-limit")

    def between(self, x: float, low: float, high: float, look: str, tip: str) -> None:
        """An interval that stands on the axis."""
        at = self._right(x)
        path = f"M{_text(at)} {_text(self._down(low))}V{_text(self._down(high))}"
        self.element.append(tag("path", tag("title", tip), class_=f"interval {look}", d=path))

    def limit_at(self, x: float, y: float, tip: str) -> None:
        """A limit at one place only."""
        at, down = self._right(x), self._down(y)
        mark = tag("title", tip)
        self.element.append(tag("line", mark, class_="limit-at", x1=at - 14, x2=at + 14, y1=down, y2=down))

    def _path(self, points: Sequence[Point]) -> str:
        return "M" + "L".join(f"{_text(self._right(x))} {_text(self._down(y))}" for x, y in points)

    def _right(self, value: float) -> float:
        return _LEFT + self._x.share(value) * (WIDTH - _LEFT - _RIGHT)

    def _down(self, value: float) -> float:
        return _TOP + (1 - self._y.share(value)) * (_HEIGHT - _TOP - _BOTTOM)

    def _add(self, name: str, **attributes: str | float) -> None:
        self.element.append(tag(name, **attributes))

    def _say(self, text: str, x: float, y: float, anchor: str, look: str = "") -> None:
        self._add_text(text, x=x, y=y, text_anchor=anchor, class_=look)

    def _add_text(self, text: str, **attributes: str | float) -> None:
        self.element.append(tag("text", text, **attributes))


@dataclasses.dataclass(frozen=True)
class Row:
    """`dots`: value and look of each; `low`, `high`: an interval around them. `note` stands behind the name."""

    name: str
    note: str
    dots: Sequence[tuple[float, str]]
    low: float
    high: float


def rows(label: str, axis: Axis, given: Sequence[Row], limit: float | None = None) -> ET.Element:
    """One under the other. A name that is too long is cut, and whole where one points at it."""
    bottom = _TOP + _ROW * len(given)
    made = tag("svg", viewBox=f"0 0 {WIDTH} {bottom + 32}", role="img", aria_label=label)

    def right(value: float) -> float:
        return _NAMES + axis.share(value) * (WIDTH - _NAMES - _RIGHT)

    for value, text in axis.ticks:
        at = right(value)
        made.append(tag("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=bottom))
        made.append(tag("text", text, x=at, y=bottom + 14, text_anchor="middle"))
    made.append(tag("text", axis.title, x=WIDTH - _RIGHT, y=bottom + 29, text_anchor="end"))
    if limit is not None:
        made.append(tag("line", class_="line limit", x1=right(limit), x2=right(limit), y1=_TOP, y2=bottom))
    for number, row in enumerate(given):
        middle = _TOP + _ROW * (number + 0.5)
        name = row.name if len(row.name) <= _NAME else f"{row.name[: _NAME - 1]}…"
        tip = tag("title", f"{row.name}: {row.note}")
        made.append(tag("text", name, tip, x=2, y=middle + 4))
        path = f"M{_text(right(row.low))} {_text(middle)}H{_text(right(row.high))}"
        made.append(tag("path", tag("title", f"{row.name}: {row.note}"), class_="interval challenger", d=path))
        for value, look in row.dots:
            made.append(tag("circle", class_=f"dot {look}", cx=right(value), cy=middle, r=4.5))
    return made
