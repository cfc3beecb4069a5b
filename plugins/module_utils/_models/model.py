# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two versions of a model on the same requests, and what a check says of them."""

from __future__ import annotations

import dataclasses
import typing as t

JsonObject = dict[str, t.Any]
#: A class, or a number such as a price.
Output: t.TypeAlias = "str | float"
#: The version that serves, and the one that is to replace it.
Role = t.Literal["champion", "challenger"]
#: `undecided`: there is too little evidence for either. It never promotes and never rolls back.
Word = t.Literal["pass", "fail", "undecided"]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What one version made of one request. `score`: how sure it is of its output, or the number that stands behind it;
    None where the model has none. `error`: why there is no output, empty where there is one."""

    output: Output | None
    score: float | None
    latency_ms: float
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.output is None


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """One answer as it was recorded. `at`: when the request came, in unix seconds."""

    request_id: str
    role: Role
    at: float
    segment: str
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """What was right for a request, and when that became known (unix seconds)."""

    request_id: str
    value: Output
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """One request that both versions answered. `at` and `segment` are the champion's; `label` is None until known."""

    request_id: str
    at: float
    segment: str
    champion: Answer
    challenger: Answer
    label: Output | None = None
    label_at: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Single:
    """One request that only one version answered, as under a canary's weight or after a promotion."""

    request_id: str
    at: float
    segment: str
    answer: Answer
    label: Output | None = None
    label_at: float | None = None


@dataclasses.dataclass(frozen=True)
class Risks:
    """How often a check may be wrong, however often it is looked at. `passing`: that a version beyond the limit of the
    check passes it; `failing`: that one within the limit is failed."""

    passing: float
    failing: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What one check says. `reason`: condition, value, limit and count in one clause. `segment`: the one that it rests
    on; empty for all."""

    name: str
    word: Word
    reason: str
    evidence: JsonObject = dataclasses.field(default_factory=dict)
    segment: str = ""
