# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the board: one line for each region, one cell for each step, in the width and height that there are. Pure.

A grid with the names of the steps where it fits, otherwise one sign for each step and the name of the one that is being
taken. No line is wider than asked for: a line that wraps would make it impossible to draw over.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import unicodedata
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.table import clock, title
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board import Board, Region, Tone, tone_of


@dataclasses.dataclass(frozen=True)
class Span:
    """A piece of a line in one colour."""

    text: str
    tone: Tone = "plain"


Line = tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class Signs:
    """What a terminal can show."""

    done: str
    busy: str
    bad: str
    todo: str
    cut: str
    ascii_only: bool = False


UNICODE = Signs("✓", "●", "✗", "·", "…")
ASCII = Signs("+", ">", "x", ".", "~", ascii_only=True)

_GAP = "  "
_URGENCY: Mapping[Tone, int] = {"bad": 0, "busy": 1, "dim": 2, "good": 3, "plain": 3}
_HEAD_LINES = 3
#: Room that is kept for a cell and for where a region stands, so that a grid stays a grid while the release goes on.
_CELL = 9
_STATUS = 23


def draw(board: Board, *, width: int, height: int | None = None, signs: Signs = UNICODE) -> list[Line]:
    """The lines, each at most `width` cells wide, at most `height` of them (at least one)."""
    view = _View(board, max(1, width), signs)
    lines = view.whole()
    if height is not None and len(lines) > height:
        lines = view.short(max(1, height))
    return lines


def plain(line: Line) -> str:
    return "".join(span.text for span in line)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(_cells_of(sign) for sign in text)


def _cells_of(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in ("W", "F") else 1


class _View:
    def __init__(self, board: Board, width: int, signs: Signs) -> None:
        self._board = board
        self._width = width
        self._signs = signs
        self._regions = board.regions

    def whole(self) -> list[Line]:
        table = self._grid()
        return [self._title(), *(table if table is not None else self._strips(self._regions)), *self._reasons()]

    def short(self, height: int) -> list[Line]:
        """Where not all regions fit: those that something happens to, and how many others there are."""
        if height == 1:
            return [self._title()]
        if len(self._regions) < height:
            return [self._title(), *self._strips(self._regions), *self._reasons()][:height]
        room = height - 2
        urgent = sorted(self._regions, key=lambda region: _URGENCY[tone_of(region.phase)])[:room]
        shown = [region for region in self._regions if region in urgent]
        others = collections.Counter(self._board.word(region) for region in self._regions if region not in urgent)
        rest = ", ".join(f"{count} {word}" for word, count in sorted(others.items()))
        return [self._title(), *self._strips(shown), self._fit([Span(f"and {rest}", "dim")])]

    def _title(self) -> Line:
        report = self._board.report()
        text = title(report) if report["id"] or report["versions"] else report["kind"]
        if self._board.decision:
            text += f", decision: {self._board.decision}"
        return self._fit([Span(text)])

    def _reasons(self) -> list[Line]:
        return [
            self._fit([Span(f"{region.name}: {region.reason}", tone_of(region.phase))])
            for region in self._regions
            if region.reason and tone_of(region.phase) != "good"
        ]

    def _grid(self) -> list[Line] | None:
        """None where a grid does not fit."""
        names = _step_names(self._regions)
        heads = [name.replace(" %", "%").split() for name in names]
        if not names or max(len(head) for head in heads) > _HEAD_LINES:
            return None
        rows = [
            [Span(""), *(Span(word, "dim") for word in words), Span("")]
            for words in itertools.zip_longest(*heads, fillvalue="")
        ]
        rows[0][0] = Span("region", "dim")
        for region in self._regions:
            steps = [self._cell(region, name) for name in names]
            rows.append([Span(region.name), *steps, self._status(region)])
        least = [0, *(_CELL for _name in names), _STATUS]
        widths = [max(room, *(cells(row[column].text) for row in rows)) for column, room in enumerate(least)]
        if sum(widths) + len(_GAP) * (len(widths) - 1) > self._width:
            return None
        return [self._fit(_columns(row, widths)) for row in rows]

    def _cell(self, region: Region, name: str) -> Span:
        row = region.row(name)
        if row is not None:
            told = _took(row.seconds) if row.verdict == "pass" else row.verdict
            return Span(f"{self._sign(region, name)} {told}".rstrip(), tone_of(row.verdict))
        if region.now == name:
            return Span(f"{self._signs.busy} {region.activity}".rstrip(), "busy")
        return Span(self._signs.todo if name in region.steps else "", "dim")

    def _sign(self, region: Region, name: str) -> str:
        row = region.row(name)
        if row is not None:
            return self._signs.done if row.verdict == "pass" else self._signs.bad
        return self._signs.busy if region.now == name else self._signs.todo

    def _strips(self, regions: Sequence[Region]) -> list[Line]:
        """One sign for each step, then where the region stands."""
        signs = max((len(region.steps) for region in regions), default=0)
        with_signs = signs and signs <= self._width // 3
        rows: list[list[Span]] = []
        for region in regions:
            marks = "".join(self._sign(region, name) for name in region.steps) if with_signs else ""
            strip = Span(marks, tone_of(region.phase))
            rows.append([Span(region.name), strip, self._status(region), self._detail(region)])
        widths = [max((cells(row[column].text) for row in rows), default=0) for column in range(4)]
        widths[0] = min(widths[0], max(8, self._width // 3))
        for row in rows:
            row[0] = Span(self._cut(row[0].text, widths[0]))
        kept = [column for column in range(4) if widths[column]]
        widths = [widths[column] for column in kept]
        return [self._fit(_columns([row[column] for column in kept], widths)) for row in rows]

    def _status(self, region: Region) -> Span:
        word = self._board.word(region)
        if word in ("running", "taking back") and region.since is not None:
            return Span(f"{word} since {clock(region.since)}Z", "busy")
        if word == "released" and region.activity == "standby" and not self._board.ended:
            return Span("released, standby", "good")
        if word == "released" and region.seconds is not None:
            return Span(f"{word} in {_took(region.seconds)}", "good")
        return Span(word, tone_of(region.phase))

    def _detail(self, region: Region) -> Span:
        if region.now is None or self._board.ended:
            return Span("")
        activity = f": {region.activity}" if region.activity else ""
        return Span(f"{len(region.rows) + 1}/{len(region.steps)} {region.now}{activity}", "busy")

    def _fit(self, spans: Sequence[Span]) -> Line:
        """Cut at the width, without blanks at the end."""
        last = max((place for place, span in enumerate(spans) if span.text.strip()), default=-1)
        room = self._width
        fitted: list[Span] = []
        for span in spans[: last + 1]:
            text = self._shown(span.text)
            needed = cells(text)
            if needed > room:
                fitted.append(dataclasses.replace(span, text=self._cut(text, room)))
                break
            fitted.append(dataclasses.replace(span, text=text))
            room -= needed
        return tuple(fitted)

    def _cut(self, text: str, room: int) -> str:
        if cells(text) <= room:
            return text
        kept, taken = "", 0
        for sign in text:
            taken += _cells_of(sign)
            if taken > room - 1:
                break
            kept += sign
        return kept + self._signs.cut if room > 0 else ""

    def _shown(self, text: str) -> str:
        return text.encode("ascii", "replace").decode("ascii") if self._signs.ascii_only else text


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"


def _step_names(regions: Sequence[Region]) -> list[str]:
    """Every step of any region, in the order of the longest way."""
    ordered = sorted(regions, key=lambda region: -len(region.steps))
    return list(dict.fromkeys(name for region in ordered for name in region.steps))


def _columns(row: Sequence[Span], widths: Sequence[int]) -> list[Span]:
    spans: list[Span] = []
    for span, width in zip(row, widths, strict=True):
        spans += [span, Span(" " * (width - cells(span.text)) + _GAP)]
    return spans[:-1]
