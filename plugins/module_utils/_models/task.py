# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of model_shadow: what it works with, and what it has to tell so far."""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import ALIASES, Aliases, Registry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.sources import Source
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {
    "traffic": {"before": None, "after": None},
    "aliases": {"before": None, "after": None},
    "note": None,
    "answers": {},
    "verdict": "none",
    "reason": "",
    "checks": [],
    "worst": "",
    "coverage": None,
    "next": None,
    "judged": None,
    "taken_back": None,
    "reigns": [],
    "overridden": [],
    "report": None,
    "kept": [],
    "warnings": [],
}


@dataclasses.dataclass
class Task:
    """`end` is a time of the monotonic clock. `opened` is the cluster of the region, or that of the fleet for whoever
    moves aliases; None when no cluster is asked. `judge` is the option of that name."""

    options: Options
    judge: Mapping[str, t.Any]
    clock: Clock
    progress: Progress
    end: float
    check_mode: bool
    sources: Sequence[Source] = ()
    registry: Registry | None = None
    probe: Probe | None = None
    opened: Session | None = None
    told: JsonObject = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.told = {"changed": False, "diff": {"before": None, "after": None}, **copy.deepcopy(EMPTY_RESULT)}

    @property
    def session(self) -> Session:
        if self.opened is None:
            raise OptionError("context", f"needed for state {self.options.state}")
        return self.opened

    @property
    def model_registry(self) -> Registry:
        if self.registry is None:
            raise OptionError("registry", f"needed for state {self.options.state}")
        return self.registry

    @property
    def place(self) -> str:
        """Where the task works, for people."""
        return self.session.region if self.options.in_region else "the fleet"

    @property
    def title(self) -> str:
        return f"{self.options.model} in {self.place}"

    def tell_aliases(self, before: Aliases, after: Aliases, names: Mapping[str, str]) -> None:
        """By what people call the versions; null for an alias that points nowhere."""
        both = {
            side: {alias: names.get(aliases[alias], aliases[alias]) if alias in aliases else None for alias in ALIASES}
            for side, aliases in (("before", before), ("after", after))
        }
        self.told["aliases"] = both
        self.told["diff"] = {side: {"aliases": aliases} for side, aliases in both.items()}

    def warn(self, *sentences: str) -> None:
        """Each once: a step may be tried several times."""
        self.told["warnings"] += [one for one in sentences if one not in self.told["warnings"]]

    def end_with(self, verdict: str, reason: str) -> None:
        self.told |= {"verdict": verdict, "reason": reason}

    def refused(self, why: str) -> ReleaseError:
        """The error of a change that is not made. Nothing was written."""
        return ReleaseError(f"{self.title}: {why}; nothing was written", kind="refused", system="models")
