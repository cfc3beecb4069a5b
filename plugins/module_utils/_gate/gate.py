# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of the gate: read, decide, and at a fail act. It waits for nothing else than its next look."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError, Undone
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import decide, decide_metric, decide_workload
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.prometheus import MetricProvider

JsonObject = dict[str, t.Any]

#: Samples of a check that are kept for the evidence.
_KEPT: t.Final = 10
#: A line without news comes this often.
_LINE_S: t.Final = 5.0
#: The lock and the decision are read this often, workloads that are ready as well.
_SELDOM_S: t.Final = 1.0
_LONGEST_PAUSE_S: t.Final = 5.0


class Reads(t.Protocol):
    """The cluster, as the gate sees it."""

    def read(self) -> decide_workload.Cluster: ...


@dataclasses.dataclass(frozen=True)
class Question:
    """What is to be judged."""

    workloads: Sequence[decide_workload.Wanted]
    grace: decide_workload.Grace
    checks: Sequence[decide_metric.Check]
    rules: decide.Rules
    interval_s: float
    stale_s: float
    title: str = ""


class Gate:
    """One judgement. `guard` raises when the release is over for us; None where there is no release to ask."""

    def __init__(
        self,
        question: Question,
        *,
        cluster: Reads,
        provider: MetricProvider | None,
        guard: Callable[[], None] | None,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._question = question
        self._cluster = cluster
        self._provider = provider
        self._guard = guard
        self._clock = clock
        self._progress = progress
        gap_s = max(2 * question.interval_s, _SELDOM_S)
        self._streaks = [decide_metric.Streaks(check, gap_s) for check in question.checks]
        self._samples: list[collections.deque[decide_metric.Sample]] = [
            collections.deque(maxlen=_KEPT) for _check in question.checks
        ]
        self._memory = decide_workload.Memory()
        self._states: list[decide_workload.State] = []
        self._started = self._looked_at = clock.monotonic()
        self._started_at = clock.now()
        self._ready_since: float | None = None
        self._first_ready: float | None = None
        self._ready_s = self._unready_s = 0.0
        #: What did not answer -> since when, and what it said.
        self._unread: dict[str, tuple[float, str]] = {}
        self._next: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._said: tuple[t.Any, float] = (None, 0.0)

    def judge(self, once: bool = False) -> tuple[decide.Judgement, JsonObject]:
        """The judgement and its evidence. With `once` there is one look, and what only time would show is `hold`."""
        decider = decide.glance if once else decide.judge
        while True:
            began = self._clock.monotonic()
            try:
                situation = self._look()
            except ReleaseError as error:
                error.partial.update(self._interrupted(error))
                raise
            judgement = decider(self._question.rules, situation)
            if judgement.verdict is not None:
                return judgement, self._evidence(situation)
            self._say(situation)
            self._clock.sleep(max(0.0, began + self._question.interval_s - self._clock.monotonic()))

    def _look(self) -> decide.Situation:
        """Metrics first: they decide about traffic that is hurt now."""
        metrics = self._measure()
        if self._guard is not None:
            self._try("guard", self._guard)
        self._try("cluster", self._read_workloads)
        now = self._clock.monotonic()
        ready = all(state.status == "ready" for state in self._states)
        if self._question.workloads and not self._states:
            ready = False
        if ready:
            self._ready_s += now - self._looked_at
            self._ready_since = now if self._ready_since is None else self._ready_since
            self._first_ready = now if self._first_ready is None else self._first_ready
        else:
            self._ready_since = None
            self._unready_s += now - self._looked_at
        self._looked_at = now
        unread = min(self._unread.values(), default=None)
        return decide.Situation(
            self._states or [_unseen(workload) for workload in self._question.workloads],
            metrics,
            now,
            self._ready_since,
            self._first_ready,
            self._ready_s,
            self._unready_s,
            unread[0] if unread else None,
            unread[1] if unread else "",
        )

    def _measure(self) -> list[decide_metric.State]:
        if self._provider is None:
            return []
        at = self._provider.tick()
        states = []
        for streaks, kept in zip(self._streaks, self._samples, strict=True):
            check = streaks.check
            sample = decide_metric.make_sample(
                check,
                self._clock.monotonic(),
                value=self._provider.read(check.query, at),
                requests=self._provider.read(check.min_samples_query, at) if check.min_samples_query else None,
                age_s=self._provider.read(check.age_query, at) if check.age_query else None,
                stale_s=self._question.stale_s,
            )
            kept.append(sample)
            states.append(streaks.add(sample))
        return states

    def _read_workloads(self) -> None:
        if not self._question.workloads:
            return
        cluster = self._cluster.read()
        self._states, self._memory = decide_workload.judge_workloads(
            self._question.workloads, cluster, self._question.grace, self._memory, self._clock.monotonic()
        )

    def _try(self, what: str, call: Callable[[], None]) -> None:
        """Ask when it is due. An answer that may come later is waited for, ever more patiently; others end the gate."""
        now = self._clock.monotonic()
        if now < self._next.get(what, now):
            return
        try:
            call()
        except ApiError as error:
            if not error.retriable:
                raise
            self._unread.setdefault(what, (now, error.message))
            pause = min(2 * self._pause.get(what, self._question.interval_s / 2), _LONGEST_PAUSE_S)
            self._pause[what] = pause
            self._next[what] = self._clock.monotonic() + pause
            return
        self._unread.pop(what, None)
        self._pause.pop(what, None)
        settled = what == "guard" or self._ready_since is not None
        self._next[what] = now + (max(self._question.interval_s, _SELDOM_S) if settled else 0.0)

    def _say(self, situation: decide.Situation) -> None:
        news = (
            [(state.status, state.ready, state.detail) for state in situation.workloads],
            [state.status for state in situation.metrics],
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
        return {
            "started_at": round(self._started_at, 3),
            "ready_at": self._unix(situation.first_ready),
            "breached_at": self._unix(
                min(
                    (
                        state.outside_since
                        for state in situation.metrics
                        if state.status == "bad" and state.check.critical and state.outside_since is not None
                    ),
                    default=None,
                )
            ),
            "evidence": {
                "workloads": [state.to_json() for state in situation.workloads],
                "metrics": [
                    decide_metric.to_json(state, list(kept), self._started)
                    for state, kept in zip(situation.metrics, self._samples, strict=False)
                ],
            },
            "warnings": decide.warnings(situation),
        }


def _unseen(workload: decide_workload.Wanted) -> decide_workload.State:
    return decide_workload.State(workload, "waiting", f"{workload}: not read yet")
