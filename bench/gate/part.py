# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the benchmark is: a module with `measure(options) -> Measured`."""

from __future__ import annotations

import dataclasses
import typing as t

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says. `rounds` None means as many as the part itself thinks right."""

    lab: str
    rounds: int | None = None


@dataclasses.dataclass(frozen=True)
class Measured:
    """Rows made by `bench.results`, and the versions of what was measured."""

    rows: list[Row]
    versions: dict[str, str]
