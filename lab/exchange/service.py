# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every service of the exchange shares: answers with their version, health, metrics, and a gentle end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import traceback
import typing as t

import prometheus_client

from .http_server import HttpServer, Reply, Request
from .orders import Refusal
from .settings import Settings

_BUCKETS: t.Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: After the linger time, requests under way get this long to end.
_FINISH_S: t.Final = 15.0
#: Paths of the platform: not counted as requests of clients.
_UNCOUNTED: t.Final = ("/health/", "/metrics")
#: Not counted either: closing sessions takes seconds by design, and a follower waits for the next event. A gate would
#: take that for latency.
_BEHIND: t.Final = ("/control/", "/journal", "/leader")


class Unavailable(Exception):
    """Another service that is needed for the answer is away: 503."""


def json_reply(status: int, value: t.Any) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode())


def refuse(status: int, reason: str, code: str = "") -> Reply:
    """`code` is for programs: why the same request may be good later."""
    return json_reply(status, {"reason": reason, **({"code": code} if code else {})})


#: A handler gets the request and the last part of its path where the route has one.
Handler = t.Callable[[Request, str], t.Awaitable[Reply]]


class Service:
    """One HTTP server with the health and metrics that the platform asks for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ready = False
        self.registry = prometheus_client.CollectorRegistry()
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {}
        self._server = HttpServer(self._handle, {"x-version": settings.version, "x-slot": settings.slot})
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._requests = prometheus_client.Counter(
            "http_requests", "Answers by status and route.", ["code", "route"], registry=self.registry
        )
        self._seconds = prometheus_client.Histogram(
            "http_request_duration_seconds",
            "Time from the request to its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        # Looking a child up by its labels takes longer than counting.
        self._counters: dict[tuple[int, str], prometheus_client.Counter] = {}
        self._timers: dict[str, prometheus_client.Histogram] = {}

    def route(self, method: str, template: str, handler: Handler) -> None:
        """Serve `/name` or `/name/{id}`."""
        self._routes[(method, template)] = (template, handler)
        for code in ("200", "500"):
            # A counter that is there from the start: the first failure is an increase and not a new series.
            self._requests.labels(code, template)
        self._seconds.labels(template)

    @property
    def ending(self) -> bool:
        """Whether every client is told to leave."""
        return self._server.draining

    def take_bodies_of(self, largest: int) -> None:
        """Take requests with more bytes than an order has."""
        self._server.largest_body = largest

    async def _handle(self, request: Request) -> Reply:
        path = request.path
        if path.startswith(_UNCOUNTED):
            return self._internal(path)
        started = time.perf_counter()
        name, slash, part = path[1:].partition("/")
        found = self._routes.get((request.method, f"/{name}/{{id}}" if slash else f"/{name}"))
        route = found[0] if found is not None else "other"
        try:
            reply = await found[1](request, part) if found is not None else refuse(404, "no such resource")
        except Refusal as refusal:
            reply = refuse(refusal.status, refusal.reason, refusal.code)
        except Unavailable as error:
            reply = refuse(503, str(error))
        except Exception:
            # Whatever it is, the client gets an answer with a version.
            traceback.print_exc()
            reply = refuse(500, "internal error")
        if not path.startswith(_BEHIND):
            self._count(reply.status, route, time.perf_counter() - started)
        return reply

    def _count(self, status: int, route: str, seconds: float) -> None:
        counter = self._counters.get((status, route))
        if counter is None:
            counter = self._counters[(status, route)] = self._requests.labels(str(status), route)
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self._seconds.labels(route)
        counter.inc()
        timer.observe(seconds)

    def _internal(self, path: str) -> Reply:
        if path == "/metrics":
            text = prometheus_client.generate_latest(self.registry)
            return Reply(200, text, "text/plain; version=0.0.4; charset=utf-8")
        if path in ("/health/live", "/health/startup"):
            return json_reply(200, {"status": "ok"})
        if path == "/health/ready":
            if self._server.draining:
                return json_reply(503, {"status": "ending"})
            return json_reply(200, {"status": "ok"}) if self.ready else json_reply(503, {"status": "not ready"})
        return refuse(404, "no such resource")

    async def start(self, host: str = "0.0.0.0") -> int:
        """Listen; returns the port."""
        return await self._server.start(host, self.settings.port)

    async def stop(self) -> None:
        """Unready, serve for the linger time while telling every client to leave, finish what is under way, end."""
        self._server.draining = True
        await asyncio.sleep(self.settings.linger_s)
        await self._server.stop(_FINISH_S)


async def run_until_signal(service: Service, *failures: asyncio.Future[t.Any]) -> int:
    """Serve until SIGTERM or SIGINT (0) or until one of the failures happens (1)."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def fail(done: asyncio.Future[t.Any]) -> None:
        if not done.cancelled():
            print(f"fatal: {done.result()}", file=sys.stderr, flush=True)
            end(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, 0)
    for failure in failures:
        failure.add_done_callback(fail)
    port = await service.start()
    settings = service.settings
    print(f"{settings.service} {settings.version} {settings.slot} listens on {port}", file=sys.stderr, flush=True)
    code = await ended
    if code == 0:
        await service.stop()
    return code
