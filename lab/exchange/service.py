# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every service of the exchange shares: answers with their version, health, metrics, and a gentle end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sys
import time
import traceback
import typing as t

import prometheus_client
from aiohttp import web

from .orders import Refusal
from .settings import Settings

_BUCKETS: t.Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: After the linger time, requests under way get this long to end.
_FINISH_S: t.Final = 15.0
#: Paths of the platform: not counted as requests of clients.
_UNCOUNTED: t.Final = ("/health/", "/metrics")


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it has its version, slot and connection headers."""

    status: int
    body: bytes
    content_type: str = "application/json"


def json_reply(status: int, value: t.Any) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode())


def refuse(status: int, reason: str) -> Reply:
    return json_reply(status, {"reason": reason})


class Unavailable(Exception):
    """Another service that is needed for the answer is away: 503."""


#: A handler gets the request and the last part of its path where the route has one.
Handler = t.Callable[[web.BaseRequest, str], t.Awaitable[Reply]]


class Service:
    """One HTTP server. aiohttp's low-level server carries it: an application with router and middlewares costs more per
    request than everything that this class does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ready = False
        self.registry = prometheus_client.CollectorRegistry()
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {}
        self._draining = False
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), handle_signals=False, shutdown_timeout=_FINISH_S
        )
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
        self._headers = {"x-version": settings.version, "x-slot": settings.slot}

    def route(self, method: str, template: str, handler: Handler) -> None:
        """Serve `/name` or `/name/{part}`."""
        self._routes[(method, template)] = (template, handler)
        for code in ("200", "500"):
            # A counter that is there from the start: the first failure is an increase and not a new series.
            self._requests.labels(code, template)
        self._seconds.labels(template)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(_UNCOUNTED):
            return self._response(self._internal(path))
        started = time.perf_counter()
        name, slash, part = path[1:].partition("/")
        route, handler = self._routes.get(
            (request.method, f"/{name}/{{part}}" if slash else f"/{name}"), ("other", None)
        )
        try:
            reply = await handler(request, part) if handler is not None else refuse(404, "no such resource")
        except Refusal as refusal:
            reply = refuse(refusal.status, refusal.reason)
        except web.HTTPException as error:
            reply = refuse(error.status, error.reason)
        except Unavailable as error:
            reply = refuse(503, str(error))
        except Exception:
            # Whatever it is, the client gets an answer with a version.
            traceback.print_exc()
            reply = refuse(500, "internal error")
        self._count(reply.status, route, time.perf_counter() - started)
        return self._response(reply)

    def _count(self, status: int, route: str, seconds: float) -> None:
        counter = self._counters.get((status, route))
        if counter is None:
            counter = self._counters[(status, route)] = self._requests.labels(str(status), route)
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self._seconds.labels(route)
        counter.inc()
        timer.observe(seconds)

    def _response(self, reply: Reply) -> web.Response:
        response = web.Response(
            status=reply.status, body=reply.body, headers={**self._headers, "Content-Type": reply.content_type}
        )
        if self._draining:
            response.force_close()
        return response

    def _internal(self, path: str) -> Reply:
        if path == "/metrics":
            return Reply(
                200, prometheus_client.generate_latest(self.registry), "text/plain; version=0.0.4; charset=utf-8"
            )
        if path in ("/health/live", "/health/startup"):
            return json_reply(200, {"status": "ok"})
        if path == "/health/ready":
            if self._draining:
                return json_reply(503, {"status": "ending"})
            return json_reply(200, {"status": "ok"}) if self.ready else json_reply(503, {"status": "not ready"})
        return refuse(404, "no such resource")

    async def start(self, host: str = "0.0.0.0") -> int:
        """Listen; returns the port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, self.settings.port, backlog=1024).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Unready, serve for the linger time while telling every client to leave, finish what is under way, end."""
        self._draining = True
        await asyncio.sleep(self.settings.linger_s)
        await self._runner.cleanup()


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
