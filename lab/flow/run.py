# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the flow: send by the time table, drain, read the journals from where they stood, compare."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import signal
import sys
import time
import typing as t

from lab.exchange.http_client import Answer, HttpClient, HttpFailure

from . import mix
from .engines import EngineError, find_engine
from .names import Names, Route
from .plan import Plan
from .reconcile import Acknowledgement, Reconciler, Reconciliation
from .tally import NO_REGION, NO_VERSION, Result, Tally, classify, not_now

_LINE_EVERY_S: t.Final = 5.0
_METHODS: t.Final = {"order": "POST", "cancel": "DELETE", "query": "GET"}
#: How soon a flow with few orders notices that it is to stop.
_NOTICE_S: t.Final = 0.2
_PAGE: t.Final = 5000
#: An engine may just be restarting when the flow ends.
_JOURNAL_S: t.Final = 30.0
_LEADER_S: t.Final = 2.0


@dataclasses.dataclass
class _Region:
    """What the flow knows about one region while it runs."""

    client: HttpClient
    sent: int = 0
    #: Acknowledged orders far from the market, oldest first: they can be cancelled for certain.
    resting: collections.deque[str] = dataclasses.field(default_factory=collections.deque)
    last: str = ""


class Flow:
    """Open loop: a request is sent when it is due, however long the others take."""

    def __init__(self, plan: Plan, run_id: str) -> None:
        self.plan = plan
        self.run_id = run_id
        self.tally = Tally()
        self.acknowledged: list[Acknowledgement] = []
        #: Region -> the last event of its journal before the first order. What is older cannot be of this run.
        self.journal_ends: dict[str, int] = {}
        self.skipped = 0
        #: Cancels of orders that a gateway held: no engine ever saw them, so no journal has them.
        self.cancelled_unaccepted = 0
        self.most_in_flight = 0
        self.latest_send_s = 0.0
        self._regions = {name: _Region(HttpClient(url, plan.host)) for name, url in plan.gateways.items()}
        self.names = Names(plan.resolving, plan.gateways, plan.host) if plan.resolving is not None else None
        #: Orders whose name had no address.
        self.unresolved = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._stopping = False
        # Unix time that only goes forward: a clock that is set in the middle must not bend a latency.
        self._epoch = time.time() - asyncio.get_running_loop().time()

    @property
    def sent(self) -> int:
        return sum(region.sent for region in self._regions.values()) + self.unresolved

    def sent_to(self, region: str) -> int:
        return self._regions[region].sent

    def now(self) -> float:
        return self._epoch + asyncio.get_running_loop().time()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping = True
        self._room.set()

    async def send(self) -> None:
        """Follow the time table until its end or `stop`."""
        names = list(self._regions)
        started_at = self.now()
        for number in itertools.count():
            slot = mix.slot(number, names, self.plan.rate)
            due_at = started_at + slot.offset_s
            if self.plan.seconds is not None and slot.offset_s >= self.plan.seconds:
                return
            while not self._stopping and (wait_s := due_at - self.now()) > 0:
                await asyncio.sleep(min(wait_s, _NOTICE_S))
            while not self._stopping and len(self._tasks) >= self.plan.in_flight:
                # Bounded, and honest: what waits here is late, and its latency counts from when it was due.
                self._room.clear()
                await self._room.wait()
            if self._stopping:
                return
            self.latest_send_s = max(self.latest_send_s, self.now() - due_at)
            self._begin(slot, due_at)

    def _begin(self, slot: mix.Slot, due_at: float) -> None:
        region = self._regions[slot.region]
        if slot.kind == "order":
            identity = mix.client_order_id(slot.region, self.run_id, slot.number)
        elif slot.kind == "cancel":
            identity = region.resting.popleft() if region.resting else ""
        else:
            identity = region.last
        if not identity:
            # Nothing was acknowledged yet that could be cancelled or asked for.
            self.skipped += 1
            return
        if slot.kind != "order" or self.names is None:
            region.sent += 1
        task = asyncio.get_running_loop().create_task(self._request(slot, identity, due_at))
        self._tasks.add(task)
        self.most_in_flight = max(self.most_in_flight, len(self._tasks))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and task.exception() is not None:
            raise t.cast(BaseException, task.exception())

    async def _request(self, slot: mix.Slot, identity: str, due_at: float) -> None:
        # Cancels and queries go to the region that has the order, by that region's own name.
        region, client, route = slot.region, self._regions[slot.region].client, None
        method, path, body = _METHODS[slot.kind], f"/orders/{identity}", b""
        if slot.kind == "order":
            path, body = "/orders", mix.order_body(identity, slot.resting)
        version, code = NO_VERSION, "cut off"
        outcome: t.Literal["acknowledged", "refused", "failed"] = "failed"
        try:
            if slot.kind == "order" and self.names is not None:
                region = NO_REGION
                route = await self._route(self.names, slot)
                region, client = route
            answer = await client.request(method, path, body, timeout_s=self.plan.timeout_s)
            version, code = answer.headers.get("x-version", NO_VERSION), _code(answer)
            outcome = classify(answer.status, version, code)
            if outcome == "acknowledged":
                self._acknowledge(slot.kind, region, identity, answer.json(), resting=slot.resting)
        except HttpFailure as failure:
            code = failure.kind
            if route is not None and self.names is not None:
                self.names.failed(slot.number, route)
        except (ValueError, KeyError, TypeError, AttributeError):
            outcome, code = "failed", "unreadable"
        finally:
            # In the finally: a request that is cut off at the end of the drain is a failure as well.
            self.tally.add(Result(region, slot.kind, version, code, outcome, due_at, self.now()))
            if route is not None and self.names is not None:
                self.names.ended(slot.number, route)

    async def _route(self, names: Names, slot: mix.Slot) -> Route:
        """Where an order goes; it is counted as sent there. Raises HttpFailure."""
        try:
            route = await names.route(slot.number)
        except HttpFailure:
            self.unresolved += 1
            raise
        self._regions[route.region].sent += 1
        return route

    def _acknowledge(
        self, kind: str, in_region: str, identity: str, said: t.Mapping[str, t.Any], *, resting: bool
    ) -> None:
        region = self._regions[in_region]
        if kind == "cancel" and said.get("accepted") is False:
            self.cancelled_unaccepted += 1
            return
        sequence = said["sequence"]
        if kind == "query":
            return
        self.acknowledged.append(Acknowledgement(in_region, kind, identity, sequence))
        if kind == "order":
            region.last = identity
            if resting:
                region.resting.append(identity)

    async def drain(self) -> None:
        """Wait for what is under way; after the time-out of one request it is cut off, which counts as failed."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.plan.timeout_s + 1)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for region in self._regions.values():
            region.client.close()
        if self.names is not None:
            self.names.close()

    def line(self, seconds: float) -> str:
        """How it goes, in one line."""
        counts = self.tally.counts()
        failed = "  ".join(f"{name} {sum(codes.values())}" for name, codes in self.tally.failed_by_version().items())
        recent = self.tally.latency_since(int(self.now() - _LINE_EVERY_S))
        minutes, rest = divmod(int(seconds), 60)
        parts = [
            f"flow {minutes:02d}:{rest:02d}",
            f"sent {self.sent}",
            f"acknowledged {counts['acknowledged']}",
            f"refused {counts['refused']}",
            f"failed {counts['failed']}" + (f" ({failed})" if failed else ""),
            f"in flight {len(self._tasks)}",
            f"p50 {recent['p50']:g} ms",
            f"p99 {recent['p99']:g} ms",
        ]
        return "  ".join(parts)


def _code(answer: Answer) -> str:
    """The status, or why the exchange does not trade now."""
    if answer.status in (409, 503):
        with contextlib.suppress(ValueError, AttributeError):
            code = answer.json().get("code", "")
            if isinstance(code, str) and not_now(code):
                return code
    return str(answer.status)


async def _engine(plan: Plan, region: str) -> str:
    """The URL of the engine that has the region's orders. Raises EngineError."""
    url = plan.engines.get(region, "")
    if not url:
        assert plan.kubeconfig is not None
        url = await asyncio.to_thread(find_engine, plan.kubeconfig, region)
    return url


async def _journal_end(plan: Plan, region: str) -> int:
    """The number of the last event that the region's journal has. 0, which is always right, when nobody says so."""
    try:
        client = HttpClient(await _engine(plan, region))
        answer = await client.request("GET", "/leader", timeout_s=_LEADER_S)
        client.close()
        return int(answer.json()["sequence"]) if answer.status == 200 else 0
    except (EngineError, HttpFailure, ValueError, KeyError, TypeError):
        return 0


async def _read_journal(plan: Plan, region: str, after: int, reconciler: Reconciler) -> tuple[str, int]:
    """Give the region's journal after that number to the reconciler; returns the engine's URL and its last number."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _JOURNAL_S
    while True:
        try:
            url = await _engine(plan, region)
            client = HttpClient(url)
            while True:
                answer = await client.request("GET", f"/journal?after={after}&limit={_PAGE}", timeout_s=10)
                if answer.status != 200:
                    raise EngineError(f"region {region}: the engine's journal answered {answer.status}")
                lines = answer.body.splitlines()
                for line in lines:
                    event = json.loads(line)
                    if event["seq"] != after + 1:
                        raise EngineError(f"region {region}: after event {after} the journal has {event['seq']}")
                    after = event["seq"]
                    reconciler.add(region, event)
                if not lines:
                    client.close()
                    return url, after
        except (EngineError, HttpFailure) as error:
            if loop.time() >= deadline:
                raise EngineError(str(error)) from error
            await asyncio.sleep(0.5)


async def reconcile(flow: Flow) -> tuple[Reconciliation, dict[str, tuple[str, int]]]:
    """Compare all acknowledgements with all journals; raises EngineError when one cannot be read."""
    reconciler = Reconciler(flow.run_id, flow.acknowledged)
    engines = {}
    for region in flow.plan.gateways:
        engines[region] = await _read_journal(flow.plan, region, flow.journal_ends.get(region, 0), reconciler)
    return reconciler.result(), engines


async def run_flow(plan: Plan, run_id: str) -> tuple[Flow, float, float]:
    """Send until a signal or the end of the time, then drain; returns the flow and when it began and ended."""
    flow = Flow(plan, run_id)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, flow.stop)
    # A journal grows with every run on the same lab: read from its first event, it costs a second per 30,000 orders.
    flow.journal_ends = {region: await _journal_end(plan, region) for region in plan.gateways}
    started_at = flow.now()

    async def report() -> None:
        while True:
            await asyncio.sleep(_LINE_EVERY_S)
            print(flow.line(flow.now() - started_at), file=sys.stderr, flush=True)

    reporting = asyncio.ensure_future(report())
    try:
        await flow.send()
        ended_at = flow.now()
        await flow.drain()
    finally:
        reporting.cancel()
    return flow, started_at, ended_at
