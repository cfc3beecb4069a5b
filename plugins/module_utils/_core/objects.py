# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of objects in a cluster, for code that decides and asks no cluster.

A filter runs in a new process for each task and host: who imports the client of the API server there pays for it each
time.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

JsonObject = dict[str, t.Any]

#: Written onto every object of a release that is taken over, so that what its old holder still has in hand is refused.
TOKEN_ANNOTATION: t.Final = "pincex.io/lock-token"
FIELD_MANAGER: t.Final = "pincex-zero-downtime"


@dataclasses.dataclass(frozen=True)
class Ref:
    """Which object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, obj: Mapping[str, t.Any]) -> Ref:
        meta = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace"))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
