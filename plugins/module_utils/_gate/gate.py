# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of the gate: look and decide. It waits for nothing else than its next look, or for news of the cluster."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError, Undone
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import (
    decide,
    decide_clues,
    decide_events,
    decide_workload,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import (
    SLACK_S,
    Checker,
    CheckState,
    Round,
)

JsonObject = dict[str, t.Any]

#: A line without news comes this often.
_LINE_S: t.Final = 5.0
#: The lock and the decision are read this often.
_SELDOM_S: t.Final = 1.0
_LONGEST_PAUSE_S: t.Final = 5.0
#: Two looks are at least this far apart, however fast the news of a cluster come.
_BREATH_S: t.Final = 0.05


class Reads(t.Protocol):
    """The cluster, as the gate sees it."""

    def read(self) -> decide_workload.Cluster:
        """What is known now. Raises ApiError when sight is lost."""

    def confirm(self) -> decide_workload.Cluster:
        """The same, asked anew: a connection that has died in silence still shows yesterday."""

    def ask(self, asked: Mapping[decide_events.Reason, Collection[str]]) -> None:
        """Events to read along with the next looks: reasons, each with the uids of the objects."""

    @property
    def notes(self) -> Sequence[str]:
        """What is not read now, and why; the verdict is the same without."""

    def wait(self, seconds: float) -> None:
        """Until there is news, or the time is over."""


class Ticks(t.Protocol):
    """The time of the metric provider."""

    def tick(self) -> float:
        """Its time now, in unix seconds; a round's queries are all asked for that instant."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is to be judged, besides the checks."""

    workloads: Sequence[decide_workload.Wanted]
    grace: decide_workload.Grace
    rules: decide.Rules
    interval_s: float
    title: str = ""


class Gate:
    """One judgement. `guard` raises when the release is over for us; None where there is no release to ask."""

    def __init__(
        self,
        question: Question,
        checkers: Sequence[Checker],
        *,
        cluster: Reads | None,
        provider: Ticks | None,
        guard: Callable[[], None] | None,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._question = question
        self._checkers = checkers
        self._cluster = cluster
        self._provider = provider
        self._guard = guard
        self._clock = clock
        self._progress = progress
        self._memory = decide_workload.Memory()
        self._workloads: list[decide_workload.State] = []
        self._seen = decide_workload.Cluster({})
        self._checks: list[CheckState] = []
        self._checks_due = self._started = self._looked_at = clock.monotonic()
        self._started_at = clock.now()
        self._ready_since: float | None = None
        self._first_ready: float | None = None
        self._ready_s = self._unready_s = 0.0
        #: What did not answer -> since when, and what it said.
        self._unread: dict[str, tuple[float, str]] = {}
        self._guard_due = self._started
        self._guard_pause = 0.0
        self._said: tuple[t.Any, float] = (None, 0.0)

    def judge(self, once: bool = False) -> tuple[decide.Judgement, JsonObject]:
        """The judgement and its evidence. With `once` there is one look, and what only time would show is `hold`."""
        decider = decide.glance if once else decide.judge
        while True:
            try:
                situation = self._look()
                judgement = decider(self._question.rules, situation)
                if judgement.verdict == "pass" and not once and self._cluster is not None:
                    situation = self._confirm(self._cluster)
                    judgement = decider(self._question.rules, situation)
                if judgement.verdict is not None:
                    return judgement, self._evidence(situation)
                self._say(situation)
                self._wait()
            except ReleaseError as error:
                error.partial.update(self._interrupted(error))
                raise

    def suspects(self, judgement: decide.Judgement) -> list[decide_clues.Suspect]:
        """The pods that may tell more about a verdict of this gate; none where all is well."""
        suspects = decide_clues.suspects_of(self._workloads)
        if judgement.cause != "metric":
            return suspects
        pods = decide_workload.judged_pods(self._question.workloads, self._seen)
        return decide_clues.with_serving(suspects, self._checks, pods)

    def _look(self) -> decide.Situation:
        """Checks first: they decide about traffic that is hurt now."""
        now = self._clock.monotonic()
        if now >= self._checks_due - SLACK_S:
            at = self._provider.tick() if self._provider is not None else self._clock.now()
            self._checks = [checker.look(Round(self._clock.monotonic(), at)) for checker in self._checkers]
            self._checks_due = now + self._question.interval_s
        if self._guard is not None:
            self._ask_guard(self._guard)
        if self._cluster is not None:
            self._read("cluster", self._cluster.read)
            if "confirmation" in self._unread:
                # Until lists are answered again nothing can pass, however well the watch may be.
                self._read("confirmation", self._cluster.confirm)
        return self._situation()

    def _confirm(self, cluster: Reads) -> decide.Situation:
        self._read("confirmation", cluster.confirm)
        return self._situation()

    def _situation(self) -> decide.Situation:
        now = self._clock.monotonic()
        seen = bool(self._workloads) or not self._question.workloads
        if seen and all(state.status == "ready" for state in self._workloads):
            self._ready_s += now - self._looked_at
            self._ready_since = now if self._ready_since is None else self._ready_since
            self._first_ready = now if self._first_ready is None else self._first_ready
        else:
            self._ready_since = None
            self._unready_s += now - self._looked_at
        self._looked_at = now
        unread = min(self._unread.values(), default=None)
        return decide.Situation(
            self._workloads or [_unseen(workload) for workload in self._question.workloads],
            self._checks,
            now,
            self._ready_since,
            self._first_ready,
            self._ready_s,
            self._unready_s,
            unread[0] if unread else None,
            unread[1] if unread else "",
        )

    def _read(self, what: str, read: Callable[[], decide_workload.Cluster]) -> None:
        try:
            cluster = read()
        except ApiError as error:
            self._lost(what, error)
            return
        self._unread.pop(what, None)
        now = self._clock.monotonic()
        self._workloads, self._memory = decide_workload.judge_workloads(
            self._question.workloads, cluster, self._question.grace, self._memory, now
        )
        self._seen = cluster
        if self._cluster is not None:
            self._cluster.ask(decide_events.due(self._memory.open, now))

    def _ask_guard(self, guard: Callable[[], None]) -> None:
        """Ask when it is due. An answer that may come later is waited for, ever more patiently."""
        now = self._clock.monotonic()
        if now < self._guard_due:
            return
        try:
            guard()
        except ApiError as error:
            self._lost("guard", error)
            self._guard_pause = min(max(2 * self._guard_pause, self._question.interval_s), _LONGEST_PAUSE_S)
            self._guard_due = self._clock.monotonic() + self._guard_pause
            return
        self._unread.pop("guard", None)
        self._guard_pause = 0.0
        self._guard_due = now + max(self._question.interval_s, _SELDOM_S)

    def _lost(self, what: str, error: ApiError) -> None:
        """An answer that may come later is lost sight; others end the gate."""
        if not error.retriable:
            raise error
        since = self._unread.get(what, (self._clock.monotonic(), ""))[0]
        self._unread[what] = (since, error.message)

    def _wait(self) -> None:
        began = self._clock.monotonic()
        seconds = max(_BREATH_S, self._checks_due - began)
        if self._cluster is None:
            self._clock.sleep(seconds)
            return
        # No news is news as well: the grace of a trouble may be over.
        self._cluster.wait(min(seconds, _SELDOM_S))
        self._clock.sleep(max(0.0, began + _BREATH_S - self._clock.monotonic()))

    def _say(self, situation: decide.Situation) -> None:
        news = (
            [(state.status, state.ready, state.detail) for state in situation.workloads],
            [state.status for state in situation.checks],
            situation.unread,
        )
        before, at = self._said
        if news == before and situation.now - at < _LINE_S:
            return
        self._said = (news, situation.now)
        title = f"{self._question.title}: " if self._question.title else ""
        self._progress(title + decide.live_line(self._question.rules, situation))

    def _unix(self, monotonic: float | None) -> float | None:
        return None if monotonic is None else round(self._started_at + monotonic - self._started, 3)

    def _interrupted(self, error: ReleaseError) -> JsonObject:
        undone = isinstance(error, Undone)
        return {
            "verdict": "fail" if undone else "hold",
            "cause": "undone" if undone else "interrupted",
            "reason": error.message,
            "started_at": round(self._started_at, 3),
            "decided_at": round(self._clock.now(), 3),
        }

    def _evidence(self, situation: decide.Situation) -> JsonObject:
        breaches = [
            state.outside_since
            for state in situation.checks
            if state.status == "bad" and state.critical and state.outside_since is not None
        ]
        return {
            "started_at": round(self._started_at, 3),
            "ready_at": self._unix(situation.first_ready),
            "breached_at": self._unix(min(breaches, default=None)),
            "evidence": {
                "workloads": [state.to_json() for state in situation.workloads],
                "checks": [check_to_json(state) for state in situation.checks],
                "pods": [],
            },
            "warnings": [*decide.warnings(situation), *(self._cluster.notes if self._cluster is not None else ())],
        }


def check_to_json(state: CheckState) -> JsonObject:
    """One check of the evidence: what all of them have, and what its kind adds."""
    return {
        "name": state.name,
        "service": state.service,
        "weight": "critical" if state.critical else "warning",
        "status": state.status,
        "sentence": state.sentence,
        "good_s": round(state.good_s, 3),
        "samples": dict(state.counts),
        **state.evidence,
    }


def _unseen(workload: decide_workload.Wanted) -> decide_workload.State:
    return decide_workload.State(workload, "waiting", f"{workload}: not read yet")
