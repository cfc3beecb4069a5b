# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate with one check of each kind, and what it asks behind proxies that spoil the answers."""

from __future__ import annotations

import pathlib
import typing as t

from fault_proxy import FaultProxy
from gate_under_fault import Json, Outcome, Region
from small_api import Counter, SmallEndpoint

Kind = t.Literal["counter", "against", "baseline", "health"]

#: Is outside its limit until the rollout comes to its end, and never long enough to be proof.
OVER: t.Final = "restarts"
LATENCY, STABLE_LATENCY = "p95_green", "p95_blue"
REQUESTS, FAILURES = 'requests_total{slot="green"}', 'failures_total{slot="green"}'
STABLE: t.Final = {"requests": 'requests_total{slot="blue"}', "failures": 'failures_total{slot="blue"}'}
PER_S: t.Final = 400.0


class CheckedRegion(Region):
    """A version that serves requests beside the stable one, and has a health endpoint."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.endpoint = SmallEndpoint()
        self.to_endpoint = FaultProxy(self.endpoint.port)
        self.prometheus.values |= {LATENCY: 0.1, STABLE_LATENCY: 0.1, OVER: 1.0}
        self.counters = {REQUESTS: Counter(PER_S), FAILURES: Counter(0.0)}
        stable = {STABLE["requests"]: Counter(PER_S), STABLE["failures"]: Counter(0.0)}
        self.prometheus.counters |= self.counters | stable

    def become(self, outcome: Outcome) -> None:
        self.prometheus.values[OVER] = 0.0
        if outcome == "errors":
            self.prometheus.values[LATENCY] = 0.5
            self.counters[FAILURES].grow(PER_S / 2)
            self.endpoint.status = 503

    def restart(self) -> None:
        """The version's process begins anew."""
        for counter in self.counters.values():
            counter.restart()

    def ask(self, kind: Kind, timeout_s: float, **given: t.Any) -> Json:
        """The gate with one check of that kind, and the time for one answer to it. Nothing passes before `become`."""
        over: Json = {"name": "over", "query": OVER, "max": 0.5, "for_s": 10_000}
        counter: Json = {"name": "failures", "requests": REQUESTS, "failures": FAILURES}
        baseline = {"query": STABLE_LATENCY, "ratio": 1.5, "floor": 0.01}
        checks: dict[Kind, Json] = {
            "counter": {"counters": [counter]},
            "against": {"counters": [{**counter, "against": STABLE}]},
            "baseline": {"metrics": [over, {"name": "p95", "query": LATENCY, "baseline": baseline}]},
            "health": {"health": [{"name": "ready", "url": f"{self.to_endpoint.url}/health", "timeout_s": timeout_s}]},
        }
        asked: Json = {"workloads": [], "metrics": [over], "interval_s": 0.2, **checks[kind], **given}
        return self.judge(timeout_s=timeout_s, **asked)

    def close(self) -> None:
        super().close()
        for site in (self.to_endpoint, self.endpoint):
            site.stop()
