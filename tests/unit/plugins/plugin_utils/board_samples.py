# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts as the roles of a release set them, and a terminal that understands what the board writes."""

from __future__ import annotations

import re
import typing as t

Facts = dict[str, t.Any]

BEGAN = 1_795_253_216.0  # 2026-11-21 09:26:56 UTC
STEPS = ("prepare core-api", "core-api 10 %", "core-api 100 %", "bake")


def opened() -> Facts:
    return {
        "release_region_verdict": "untouched",
        "release_region_reason": "",
        "release_region_rows": [],
        "release_region_kept": [],
        "release_region_plan": {},
        "release_region_go": False,
    }


def planned(*steps: str) -> Facts:
    prepare, *others = steps or STEPS
    *shifts, bake = others
    return {
        "release_region_plan": {
            "prepare": [{"name": prepare, "objects": []}],
            "steps": [{"name": name} for name in shifts],
            "bake": [{"name": bake}],
            "versions": {"core-api": "v2"},
        }
    }


def fleet(decision: str = "") -> Facts:
    if decision:
        return {"release_fleet_decision": decision}
    return {"release_fleet_release": {"id": "20261121t092656z", "kind": "deploy"}, "release_fleet_number": 7}


def began() -> Facts:
    return {"release_region_began": BEGAN, "release_region_go": True, "release_region_released": []}


def passed(count: int, *more: Facts) -> Facts:
    """The rows of the first `count` steps, 2 s each, and what came after them."""
    rows: list[Facts] = [
        {"name": name, "started": BEGAN + 2 * place, "ended": BEGAN + 2 * place + 2, "verdict": "pass", "reason": "ok"}
        for place, name in enumerate(STEPS[:count])
    ]
    return {"release_region_rows": [*rows, *more]}


def failed(count: int, reason: str) -> Facts:
    row = {"name": STEPS[count], "started": BEGAN + 4, "ended": BEGAN + 5, "verdict": "fail", "reason": reason}
    return {**passed(count, row), "release_region_reason": reason}


class Terminal:
    """Lines that wrap at the width; it knows new line, return, cursor up, and clear to the end."""

    def __init__(self, columns: int = 60) -> None:
        self.columns = columns
        self._lines: list[str] = [""]
        self._row = self._column = 0

    def write(self, text: str) -> int:
        for found in re.finditer(r"\x1b\[([\d;]*)([A-Za-z])|.", text, re.DOTALL):
            if found[2] == "A":
                self._row = max(0, self._row - int(found[1]))
            elif found[2] == "J":
                self._lines[self._row :] = [self._lines[self._row][: self._column]]
            elif found[0] == "\r":
                self._column = 0
            elif found[0] == "\n":
                self._next_line()
            elif found[2] != "m":
                self._put(found[0])
        return len(text)

    def flush(self) -> None:
        pass

    def shown(self) -> list[str]:
        return [line.rstrip() for line in self._lines[: None if self._lines[-1] else -1]]

    def resize(self, columns: int) -> None:
        """Wrap what stands there anew, as most terminals do."""
        lines = [line[at : at + columns] for line in self._lines for at in range(0, max(1, len(line)), columns)]
        self._row += len(lines) - len(self._lines)
        self._lines, self.columns = lines, columns

    def _put(self, sign: str) -> None:
        if self._column == self.columns:
            self._next_line()
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + sign + line[self._column + 1 :]
        self._column += 1

    def _next_line(self) -> None:
        # The terminal driver makes a return of every new line.
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._lines):
            self._lines.append("")
