# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt to measure, and what it means when it gave nothing. Pure: no I/O, no clock."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import KINDS, SIGHT, SampleKind, Status

Policy = t.Literal["hold", "fail", "ignore"]
POLICIES: t.Final[tuple[Policy, ...]] = ("hold", "fail", "ignore")
#: The kinds that have a policy.
MISSING: t.Final = tuple(kind for kind in KINDS if kind not in SIGHT)

_STATUS: t.Final[Mapping[Policy, Status]] = {"hold": "blind", "fail": "lost", "ignore": "thin"}


def status_of_missing(kind: SampleKind, policies: Mapping[str, Policy]) -> Status:
    """How a check stands whose last attempt gave no valid sample. Without a policy of its own a kind is `hold`.

    Never `good`, whatever the policy says. Too few requests are no blindness, so they have no policy.
    """
    return "thin" if kind in SIGHT else _STATUS[policies.get(kind, "hold")]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One attempt to measure, at an instant of the monotonic clock."""

    at: float
    kind: SampleKind
    value: float | None = None
    requests: float | None = None
    detail: str = ""
    #: What the stable slot had at the same moment, and how the attempt to read that went; None where nobody asked.
    baseline: float | None = None
    baseline_kind: SampleKind | None = None
