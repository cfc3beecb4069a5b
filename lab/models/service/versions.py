# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that every model has, and what each of them does otherwise than the champion. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

#: The one segment that v2.4.0 does not understand.
WEAK_SEGMENT: t.Final = "SOL-USD/sell"
#: How far the scores of a drifting version are off in the end, and after how many answers.
DRIFT: t.Final = 1.5
DRIFT_ANSWERS: t.Final = 2000


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a model. `knows_first`, `knows_product`: whether it uses the feature that matters most, and the
    product of two features. `drifts`: its scores move with each answer that it gives."""

    name: str
    summary: str
    knows_first: bool = True
    knows_product: bool = False
    blind_to: str = ""
    drifts: bool = False
    delay_s: float = 0.0
    silent: bool = False
    failing: bool = False

    def drift_after(self, answered: int) -> float:
        return DRIFT * min(answered, DRIFT_ANSWERS) / DRIFT_ANSWERS if self.drifts else 0.0

    def fails(self, request_id: str) -> bool:
        """Whether this version fails this request. A hash of the id decides, so that the same one fails again."""
        if not self.failing:
            return False
        digest = hashlib.sha256(f"{self.name} {request_id}".encode()).digest()
        return int.from_bytes(digest[:4], "big") % 5 == 0


CHAMPION: t.Final = "v2.0.0"
VERSIONS: t.Final[dict[str, Version]] = {
    version.name: version
    for version in (
        Version(CHAMPION, "serves at the beginning"),
        Version("v2.1.0", "better in every segment", knows_product=True),
        Version("v2.2.0", "worse in every segment", knows_first=False),
        Version("v2.3.0", "right like the champion, and 300 ms slower", delay_s=0.3),
        Version("v2.4.0", f"better, but wrong in {WEAK_SEGMENT}", knows_product=True, blind_to=WEAK_SEGMENT),
        Version("v2.5.0", "like the champion at first, then its scores drift", drifts=True),
        Version("v2.6.0", "ready, and never answers", silent=True),
        Version("v2.7.0", "fails 20 % of the requests", failing=True),
    )
}
