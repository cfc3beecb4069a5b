# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of answers and labels as models and their environment write them: one JSON object on each line.

    {"id": "r-17", "ts": 1766400000.25, "segment": "BTC-USD/buy", "version": "v2.1.0", "out": "up", "score": 0.81,
     "ms": 7.4, "err": ""}
    {"id": "r-17", "ts": 1766400060.0, "label": "up"}

What cannot be read is counted and told, and never guessed: a guess would be evidence for or against a version.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import (
    Answer,
    Label,
    Observation,
    Output,
    Role,
)

#: Characters of an id, a segment, a version or a class.
LONGEST_TEXT: t.Final = 200
#: Larger than every number that is meant; sums of such are still numbers.
_LARGEST: t.Final = 1e15
_SHOWN: t.Final = 80


class Unreadable(ValueError):
    """A record that says nothing, and why."""


class Reader:
    """Sorts the records of one source. `champion`, `challenger`: their versions.

    `observations`, `labels`: what was read. `others`: answers of other versions; `unreadable`: records that say
    nothing, and `problem` is what the first of them lacks.
    """

    def __init__(self, champion: str, challenger: str) -> None:
        self._roles: dict[str, Role] = {champion: "champion", challenger: "challenger"}
        # There are few segments and classes and many answers: one text for each is a quarter of the memory.
        self._known: dict[str, str] = {}
        self.observations: list[Observation] = []
        self.labels: list[Label] = []
        self.others = 0
        self.unreadable = 0
        self.problem = ""

    def anew(self) -> Reader:
        """One that has read nothing."""
        return Reader(*self._roles)

    def __len__(self) -> int:
        return len(self.observations) + len(self.labels)

    def take(self, line: bytes) -> None:
        """One record; an empty line is none."""
        if not line.strip():
            return
        try:
            self._take(_object(line))
        except Unreadable as error:
            self.unreadable += 1
            self.problem = self.problem or str(error)

    def _take(self, record: dict[str, t.Any]) -> None:
        if "label" in record:
            value = self._output(record, "label")
            if value is None:
                raise Unreadable("label is null; leave the record away until the label is known")
            self.labels.append(Label(_text(record, "id"), value, _number(record, "ts")))
            return
        role = self._roles.get(_text(record, "version"))
        if role is None:
            self.others += 1
            return
        error = record.get("err")
        if error is not None and not isinstance(error, str):
            raise _wrong("err", error, "a text, empty for none")
        score = record.get("score")
        # Who gave up waiting has no time to write, and nothing that failed counts for the latency.
        latency_ms = 0.0 if error and record.get("ms") is None else _number(record, "ms")
        if latency_ms < 0:
            raise _wrong("ms", latency_ms, "milliseconds from 0 on")
        output = self._output(record, "out")
        answer = Answer(
            # A failed answer may have its output left out; whoever has one has to write what it is.
            output,
            None if score is None else _number(record, "score"),
            latency_ms,
            self._once(error[:LONGEST_TEXT]) if error else "",
        )
        segment = self._once(_text(record, "segment", least=0))
        self.observations.append(Observation(_text(record, "id"), role, _number(record, "ts"), segment, answer))

    def _output(self, record: dict[str, t.Any], name: str) -> Output | None:
        value = record.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            return self._once(_text(record, name, least=0))
        return _number(record, name)

    def _once(self, text: str) -> str:
        return self._known.setdefault(text, text)


def _object(line: bytes) -> dict[str, t.Any]:
    try:
        # As text: for bytes the library guesses their encoding first, which takes longer than reading them.
        record = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise _wrong("the record", line.decode("utf-8", "replace"), "a JSON object") from error
    if not isinstance(record, dict):
        raise _wrong("the record", record, "a JSON object")
    return record


def _text(record: dict[str, t.Any], name: str, least: int = 1) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not least <= len(value) <= LONGEST_TEXT:
        raise _wrong(name, value, f"a text of {least} to {LONGEST_TEXT} characters")
    # JSON may have half of a pair of surrogates, which no file and no terminal takes.
    if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise _wrong(name, value.encode("ascii", "backslashreplace").decode(), "a text in Unicode")
    return value


def _number(record: dict[str, t.Any], name: str) -> float:
    value = record.get(name)
    # A bool is an int in Python, and NaN is never within any limits.
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_LARGEST <= value <= _LARGEST:
        raise _wrong(name, value, "a number")
    return value


def _wrong(name: str, value: t.Any, wanted: str) -> Unreadable:
    if value is None:
        return Unreadable(f"{name} is missing; it has to be {wanted}")
    shown = redact(ascii(value) if not isinstance(value, str) else value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return Unreadable(f"{name} is {shown!a}; it has to be {wanted}")
