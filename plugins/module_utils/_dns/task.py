# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of dns_weight: what it works with, and what it has to tell so far."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime
import threading
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import shares
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import JsonObject, Provider, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import MetricProvider

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {
    "set": None,
    "weights": {"before": None, "after": None},
    "shares": {"before": None, "after": None},
    "batch": None,
    "change_id": None,
    "guards": [],
    "overridden": [],
    "healthy": {},
    "verified": None,
    "safe_after": None,
    "ramp": None,
    "drained": {},
    "kept": [],
    "warnings": [],
    "verdict": "none",
    "reason": "",
}

#: A line comes at least so often while something is waited for.
LINE_S: t.Final = 5.0


@dataclasses.dataclass
class Task:
    """`end` is a time of the monotonic clock. `where` names the set for its lock. `authority` is None when
    nobody said where answers are asked; `metrics` when no query was given."""

    options: Options
    provider: Provider
    clock: Clock
    progress: Progress
    end: float
    check_mode: bool
    where: str
    authority: Resolver | None = None
    resolvers: list[Resolver] = dataclasses.field(default_factory=list)
    metrics: MetricProvider | None = None
    opened: Session | None = None
    told: JsonObject = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.told = {"changed": False, "diff": {"before": None, "after": None}, **copy.deepcopy(EMPTY_RESULT)}

    @property
    def session(self) -> Session:
        """The fleet's cluster: for whoever writes, or is part of a release."""
        if self.opened is None:
            raise OptionError("release", f"needed for state {self.options.state}")
        return self.opened

    @property
    def in_release(self) -> bool:
        return self.opened is not None and self.opened.journal.release is not None

    @property
    def title(self) -> str:
        return f"{self.options.name} {self.options.kind}"

    def read(self) -> WeightedSet | None:
        return self.provider.read(self.options.name, self.options.kind, self.end)

    def must_read(self) -> WeightedSet:
        found = self.read()
        if found is None:
            raise OptionError(
                "name",
                f"there is no weighted set {self.title}; make it with state absolute, weights and members",
            )
        return found

    def health(self, found: WeightedSet) -> dict[str, bool | None]:
        """What is known of each region. Nobody's way out waits for checks that cannot be read: that is a warning."""
        try:
            return self.provider.healthy(found, self.end)
        except ReleaseError as error:
            if self.options.state not in ("evacuated", "restored", "drained", "status"):
                raise
            sentence = f"{self.title}: nobody knows which regions are healthy: {error.message}"
            if sentence not in self.told["warnings"]:
                self.warn(sentence)
            return dict.fromkeys(found.weights)

    def tell(self, before: WeightedSet, after: Mapping[str, int], healthy: Mapping[str, bool | None]) -> None:
        """The set, and what becomes of it."""
        old = before.weights if before.raw is not None else None
        self.told |= {
            "set": {
                "name": before.name,
                "type": before.type,
                "ttl": before.ttl,
                "members": {
                    member.region: {
                        "weight": member.weight,
                        "targets": list(member.targets),
                        "alias": member.alias,
                        "health": member.health,
                    }
                    for member in before.members
                },
            },
            "weights": {"before": old, "after": dict(after)},
            "shares": {"before": shares(old) if old is not None else None, "after": shares(after)},
            "healthy": {member.region: healthy.get(member.region) for member in before.members},
        }

    def warn(self, sentence: str) -> None:
        self.told["warnings"].append(sentence)

    def end_with(self, verdict: str, reason: str) -> None:
        self.told |= {"verdict": verdict, "reason": reason}

    def safe_after(self, ttl_s: float, since: float) -> None:
        """When resolvers have forgotten the answers from before `since`, unix seconds."""
        at = datetime.datetime.fromtimestamp(since + ttl_s + self.options.slack_s, tz=datetime.UTC)
        self.told["safe_after"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Say every few seconds that this is being waited for: a provider waits in silence."""
        over = threading.Event()
        began = self.clock.monotonic()

        def speak() -> None:
            while not over.wait(LINE_S):
                self.progress(f"{self.title}: {what}, {self.clock.monotonic() - began:.0f} s so far")

        speaker = threading.Thread(target=speak, daemon=True)
        speaker.start()
        try:
            yield
        finally:
            over.set()
            speaker.join()


def text_of(weights: Mapping[str, int]) -> str:
    """Weights for people."""
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
