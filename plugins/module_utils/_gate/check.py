# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of check is to the gate: something that looks once a round and says how it stands."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

JsonObject = dict[str, t.Any]

#: What one attempt to measure gave. `valid` and `thin` are sight; the others are blindness, told apart.
SampleKind = t.Literal["valid", "thin", "no_data", "nan", "many", "stale", "error"]
KINDS: t.Final[tuple[SampleKind, ...]] = ("valid", "thin", "no_data", "nan", "many", "stale", "error")
SIGHT: t.Final = ("valid", "thin")
#: Sums of floats: ten times a tenth is not quite one.
SLACK_S: t.Final = 1e-6

#: `over`: outside the limit now, but not yet proved; it never passes. `thin`: there is sight and not enough of it.
#: `blind`: no sight, and patience is the gate's (`blind_s`). `lost`: no sight, and the check's own policy has none.
Status = t.Literal["good", "over", "bad", "thin", "blind", "lost"]


@dataclasses.dataclass(frozen=True)
class Round:
    """One look of the gate: `now` on the monotonic clock, `at` in unix seconds of the metric provider's clock."""

    now: float
    at: float


@dataclasses.dataclass(frozen=True)
class CheckState:
    """How one check stands after its looks so far. Durations in seconds of the monotonic clock."""

    name: str
    status: Status
    #: Condition, value, limit, window and sample count in one clause; for `blind`, `lost` and `thin` what is missing.
    sentence: str
    critical: bool = True
    #: How close the value is to its limit: 0 is far away, 1 is at it, more is outside.
    nearness: float = 0.0
    #: How long it has been good without a gap.
    good_s: float = 0.0
    #: When there was sight last, and when the present streak outside its limit began; None for never.
    seen_at: float | None = None
    outside_since: float | None = None
    #: The service that it speaks of, for the trip; empty for all of them.
    service: str = ""
    #: Attempts to measure by kind; see KINDS.
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    #: The same for machines, with the last samples.
    evidence: JsonObject = dataclasses.field(default_factory=dict)


class Checker(t.Protocol):
    """One check with its memory. It asks its provider at every look; a fault of the provider is a kind of sample."""

    def look(self, this: Round) -> CheckState:
        """Measure once and say how it stands. Raises OptionError for a question that can never be answered."""
