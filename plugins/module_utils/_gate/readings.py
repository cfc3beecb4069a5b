# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a metric provider is asked, and what it answers."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock


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


class MetricReader(t.Protocol):
    """What checks are judged by: a provider, or a replay of what one has recorded."""

    def tick(self) -> float:
        """The provider's time now, in unix seconds: all queries of one round are asked for the same instant."""

    def read(self, query: str, at: float) -> Reading:
        """One number, or why there is none. Raises OptionError for a query that can never work."""

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        """The raw samples of the last `window_s` before `at`. Raises OptionError for what is no selector."""


class MetricProvider(MetricReader, t.Protocol):
    """One kind of provider."""

    #: The option of the modules that names it, a dict, and what is in that dict.
    OPTION: t.ClassVar[str]
    SPEC: t.ClassVar[Spec]

    @classmethod
    def connect(cls, options: Mapping[str, t.Any], clock: Clock) -> MetricProvider:
        """The provider of these options. Nothing is asked yet. Raises OptionError naming the option."""

    @classmethod
    def stale_s(cls, options: Mapping[str, t.Any]) -> float:
        """An older newest sample is none."""

    def range(self, query: str, start: float, end: float, step_s: float) -> Sequence[tuple[float, Reading]]:
        """The query's value at every step, oldest first; a step without a value may be missing. What cannot be read is
        a point of kind `error`."""
