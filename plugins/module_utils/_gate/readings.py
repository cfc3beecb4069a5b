# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a metric provider answers."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Reading:
    """One number, or why there is none. The number may be NaN or infinite."""

    kind: t.Literal["value", "no_data", "many", "error"]
    value: float = math.nan
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class RawSeries:
    """Raw samples of every series of a selector, or why there are none.

    `samples` is by the series' labels as text (`name="value"` joined by commas, sorted, without `__name__`): pairs of
    unix seconds of the scrape and value, oldest first.
    """

    kind: t.Literal["series", "no_data", "error"]
    samples: Mapping[str, Sequence[tuple[float, float]]] = dataclasses.field(default_factory=dict)
    detail: str = ""
