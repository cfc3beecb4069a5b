# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small exchange behind real HTTP on loopback: engines, a gateway and the epoch record, with faults on request.

An engine follows another one by taking over its book whenever it is asked something. Nothing runs by itself: a deadline
that has passed is seen with the next request.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import http.server
import json
import threading
import time
import typing as t
import urllib.parse
from collections.abc import Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.run import ARGUMENT_SPEC, EMPTY_RESULT, run

Json = dict[str, t.Any]
Handler = Callable[[Json], tuple[int, t.Any]]


def digest(lines: t.Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def book(orders: int = 40) -> Json:
    """What an engine knows."""
    lines = [f"o{n:03d}|a{n % 5:03d}|BTC-USD|{'buy' if n % 2 else 'sell'}|{100 + n}|5|gtc||{n}" for n in range(orders)]
    return {
        "orders": {line.partition("|")[0]: line for line in lines},
        "books": {"BTC-USD": {"l2_crc32": 974947235, "l3_crc32": 12345, "sha256": digest(lines)}},
        "currencies": {
            "USD": {"available": 900, "reserved": 100, "fees": 1, "suspended": 10, "adjustments": -1011, "needed": 100},
            "BTC": {"available": 50, "reserved": 5, "fees": 0, "suspended": 2, "adjustments": -57, "needed": 5},
        },
        "accounts": {f"a{n:03d}": f"a{n:03d}|USD|180|20" for n in range(5)},
        "trades": {"count": 7, "bought": {"BTC": 12}, "sold": {"BTC": 12}, "one_legged": []},
        "pending": [],
        "hidden": {
            "last_prices_sha256": "ab" * 32,
            "stops": {"count": 2, "sha256": "cd" * 32},
            "timers": {"count": 1, "sha256": "ef" * 32, "paused": False},
            "counters": {"trade": 8},
        },
        "streams": {"BTC-USD": 77},
    }


def buckets(lines: dict[str, str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, line in lines.items():
        found.setdefault(hashlib.sha256(name.encode()).hexdigest()[:2], []).append(line)
    return {bucket: f"{len(inside)}:{digest(inside)}" for bucket, inside in found.items()}


class Record:
    """The one epoch record of the region."""

    def __init__(self, owner: str) -> None:
        self.epoch, self.owner, self.version = 7, owner, 1

    def swap(self, epoch: int, owner: str, new: tuple[int, str], version: int) -> bool:
        if (self.epoch, self.owner, self.version) != (epoch, owner, version):
            return False
        self.epoch, self.owner = new
        self.version += 1
        return True


class Server:
    """One endpoint. `faults` are per route: `drop` (does it and says nothing), `lose` (does not even do it), `503`,
    `429`, or a function that answers. Each is used up by one request, `always` is not."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, list[t.Any]] = {}
        self.always: dict[str, t.Any] = {}
        self.answers: dict[str, tuple[int, t.Any]] = {}
        self.lock = threading.RLock()
        server = self

        class Wire(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                body: Json = dict(urllib.parse.parse_qsl(parts.query))
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if content:
                    body |= json.loads(content)
                route = f"{self.command} {parts.path}"
                with server.lock:
                    server.headers.append(dict(self.headers))
                    server.requests.append((route, body))
                    answer = server.handle(route, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, found = answer
                text = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                # Who asked may have gone.
                with contextlib.suppress(OSError):
                    self.wfile.write(text)

            do_POST = do_DELETE = do_PUT = do_PATCH = do_GET

            def log_message(self, *_args: t.Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wire)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def handle(self, route: str, body: Json) -> tuple[int, t.Any] | None:
        queue = self.faults.get(route) or []
        fault = queue.pop(0) if queue else self.always.get(route)
        if fault == "lose":
            return None
        if fault in ("503", "429"):
            return int(fault), {"reason": "try again"}
        if callable(fault):
            return t.cast("tuple[int, t.Any]", fault(body))
        command = body.get("command_id")
        if command in self.answers:
            answer = self.answers[command]
        else:
            handler = self.routes().get(route)
            answer = handler(body) if handler else (404, {"reason": f"no {route}"})
            if command:
                self.answers[command] = answer
        return None if fault == "drop" else answer

    def routes(self) -> dict[str, Handler]:
        raise NotImplementedError

    def writes(self) -> list[str]:
        return [route for route, body in self.requests if not route.startswith("GET") and "acks" not in route]

    def asked(self, route: str) -> list[Json]:
        return [body for asked, body in self.requests if asked == route]


class Engine(Server):
    """One engine. `role` leader, closed or follower."""

    def __init__(
        self, name: str, record: Record, *, version: str = "v1", writes: int = 1, reads: tuple[int, ...] = (1,)
    ) -> None:
        self.name, self.version, self.record = name, version, record
        self.role = "leader" if record.owner == name else "follower"
        self.mode, self.epoch, self.sequence, self.lag = "online", record.epoch, 1000, 0
        self.book = book()
        self.writes_format, self.reads = writes, list(reads)
        self.source: Engine | None = None
        self.follow_error: str | None = None
        self.follow_problem: str | None = None
        self.announcement: Json | None = None
        self.snapshot: Json | None = None
        self.until = 0.0
        self.journal_ok, self.disk_free = True, 10 * 2**30
        self.durable_behind = 0
        self.unknown_acks: set[str] = set()
        #: What this engine does wrong when it applies somebody else's journal or loads a snapshot.
        self.spoil: Callable[[Json], None] | None = None
        self.settle_after = 0
        self.peers: dict[str, Engine] = {}
        super().__init__()

    def routes(self) -> dict[str, Handler]:
        return {
            "GET /control/status": self.status,
            "POST /control/announce": self.announce,
            "DELETE /control/announce": self.withdraw,
            "POST /control/mode": self.set_mode,
            "GET /control/settlements": self.settlements,
            "POST /control/snapshot": self.take_snapshot,
            "POST /control/verify": self.verify,
            "GET /control/proof": self.proof,
            "GET /control/items": self.items,
            "POST /control/cut": self.cut,
            "POST /control/open": self.open,
            "POST /control/follow": self.follow,
            "POST /control/finish": self.finish,
            "POST /control/acks": self.acks,
        }

    def tick(self) -> None:
        """What has happened by itself since the last request."""
        if self.role == "closed" and time.time() >= self.until:
            self.come_back()
        if self.role == "follower" and self.source is not None:
            self.source.tick()
            if self.source.record.owner == self.name:
                return
            self.sequence = self.source.sequence - self.lag
            self.mode, self.epoch = self.source.mode, self.source.epoch
            self.book = copy.deepcopy(self.source.book)
            if self.spoil is not None:
                self.spoil(self.book)

    def come_back(self) -> bool:
        record = self.record
        if not record.swap(self.epoch, self.name, (self.epoch, self.name), record.version):
            return False
        self.role = "leader"
        self.sequence += 1
        return True

    def status(self, _body: Json) -> tuple[int, Json]:
        self.tick()
        if self.settle_after:
            self.settle_after -= 1
        elif self.settle_after == 0 and self.book["pending"] and self.mode != "online":
            self.book["pending"] = [one for one in self.book["pending"] if one.startswith("stuck")]
        return 200, {
            "name": self.name,
            "version": self.version,
            "role": self.role,
            "mode": self.mode,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "durable_sequence": self.sequence - self.durable_behind,
            "projection": 1,
            "format": {"writes": self.writes_format, "reads": self.reads},
            "follow": {
                "url": self.source and self.source.url,
                "lag_events": None if self.follow_problem else self.lag,
                "error": self.follow_error,
                "problem": self.follow_problem,
            },
            "pending_settlements": len(self.book["pending"]),
            "settlements_oldest_s": 0.5,
            "disk_free_bytes": self.disk_free,
            "journal_ok": self.journal_ok,
            "snapshot": self.snapshot and {"sequence": self.snapshot["sequence"], "sha256": "5a" * 32},
            "announcement": self.announcement,
        }

    def announce(self, body: Json) -> tuple[int, Json]:
        self.announcement = {key: body[key] for key in ("reason", "effective_at", "deadline_at")}
        return 200, {}

    def withdraw(self, _body: Json) -> tuple[int, Json]:
        self.announcement = None
        return 200, {}

    def set_mode(self, body: Json) -> tuple[int, Json]:
        self.tick()
        if self.role != "leader":
            return 423, {"reason": f"epoch {self.epoch} is closed"}
        self.mode = body["mode"]
        self.book["hidden"]["timers"]["paused"] = body["pause_timers"]
        self.sequence += 1
        return 200, {"sequence": self.sequence, "mode": self.mode}

    def settlements(self, _body: Json) -> tuple[int, Json]:
        self.status({})
        return 200, {"pending": [{"id": one, "age_s": 1.0} for one in self.book["pending"]]}

    def make_proof(self, held: Json, sequence: int) -> Json:
        pending = held["pending"]
        currencies = {
            name: {**parts, "sum": sum(value for key, value in parts.items() if key != "needed")}
            for name, parts in held["currencies"].items()
        }
        return {
            "projection": 1,
            "sequence": sequence,
            "epoch": self.epoch,
            "mode": self.mode,
            "state_hash": digest([json.dumps(held, sort_keys=True)]),
            "orders": {"count": len(held["orders"]), "buckets": buckets(held["orders"])},
            "books": held["books"],
            "balances": {"currencies": currencies, "accounts": {"buckets": buckets(held["accounts"])}},
            "trades": {**held["trades"], "pending": len(pending), "pending_sha256": digest(pending)},
            "hidden": held["hidden"],
            "streams": held["streams"],
            "extra": ["orders.smp_group"] if self.version == "v2" else [],
        }

    def take_snapshot(self, _body: Json) -> tuple[int, Json]:
        self.snapshot = {"sequence": self.sequence, "book": copy.deepcopy(self.book), "mode": self.mode}
        manifest = {"format": 1, "sequence": self.sequence, "sha256": "5a" * 32, "orders": len(self.book["orders"])}
        return 200, {"manifest": {**manifest, "proof": self.make_proof(self.book, self.sequence)}}

    def verify(self, body: Json) -> tuple[int, Json]:
        taken = self.peers[body["url"]].snapshot
        if taken is None or body["snapshot"] != "5a" * 32:
            return 422, {"reason": "the snapshot's sha256 is wrong"}
        held = copy.deepcopy(taken["book"])
        if self.spoil is not None:
            self.spoil(held)
        self.mode, self.epoch = taken["mode"], self.record.epoch
        return 200, {"proof": self.make_proof(held, taken["sequence"])}

    def proof(self, body: Json) -> tuple[int, Json]:
        self.tick()
        if "sequence" in body and int(body["sequence"]) != self.sequence:
            return 409, {"reason": f"this engine is at {self.sequence}"}
        return 200, {"proof": self.make_proof(self.book, self.sequence)}

    def items(self, body: Json) -> tuple[int, Json]:
        self.tick()
        kept = self.book.get(body["kind"]) or {}
        lines = kept.values() if isinstance(kept, dict) and body["kind"] != "trades" else ()
        inside = lambda line: hashlib.sha256(line.partition("|")[0].encode()).hexdigest()[:2] == body.get("bucket")  # noqa: E731
        return 200, {"items": [line for line in lines if inside(line)]}

    def cut(self, body: Json) -> tuple[int, Json]:
        self.tick()
        if self.role != "leader":
            return 409, {"reason": f"{self.name} does not lead"}
        self.sequence += 1
        self.role = "closed"
        self.until = time.time() + body["deadline_s"]
        at_ms = int(1000 * time.time())
        until = int(1000 * self.until)
        return 200, {"epoch": self.epoch, "sequence": self.sequence, "until": until, "at_ms": at_ms}

    def open(self, body: Json) -> tuple[int, Json]:
        after, record = body["after"], self.record
        if body["epoch"] == self.epoch and record.owner == self.name:
            if self.role != "closed" or not self.come_back():
                return 409, {"reason": "the record is not to be had"}
            return 200, {"epoch": self.epoch, "sequence": self.sequence, "at_ms": int(1000 * time.time())}
        self.tick()
        for other in self.peers.values():
            other.tick()
        trading = any(other.role == "leader" for other in self.peers.values())
        if trading or after["sequence"] != self.sequence:
            return 409, {"reason": "the record is not to be had"}
        if not record.swap(after["epoch"], record.owner, (body["epoch"], self.name), record.version):
            return 409, {"reason": "the record is not to be had"}
        self.role, self.epoch, self.source = "leader", body["epoch"], None
        self.sequence += 1
        return 200, {"epoch": self.epoch, "sequence": self.sequence, "at_ms": int(1000 * time.time())}

    def follow(self, body: Json) -> tuple[int, Json]:
        self.source, self.role = self.peers[body["url"]], "follower"
        return 200, {}

    def finish(self, _body: Json) -> tuple[int, Json]:
        self.writes_format = max(self.reads)
        return 200, {}

    def acks(self, body: Json) -> tuple[int, Json]:
        return 200, {"missing": [one for one in body["acks"] if one[0] in self.unknown_acks]}


class Gateway(Server):
    """A gateway that follows the epoch record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.in_flight: list[int] = []
        self.is_ready = True
        self.websocket = 50
        self.fix = [{"id": f"FIX{n}", "sender_seq": 10 + n, "target_seq": 20 + n} for n in range(5)]
        self.silent: list[str] = []
        self.known_acks = [[f"o{n:03d}", n] for n in range(40)]
        self.stays_with: int | None = None
        super().__init__()

    def routes(self) -> dict[str, Handler]:
        return {
            "GET /control/status": self.status,
            "GET /control/acks": lambda _body: (200, {"acks": self.known_acks, "next": 40}),
            "POST /control/close": self.shut,
            "POST /control/ready": self.set_ready,
        }

    def status(self, _body: Json) -> tuple[int, Json]:
        epoch = self.stays_with or self.record.epoch
        return 200, {
            "name": "core-api-0",
            "role": "gateway",
            "in_flight": self.in_flight.pop(0) if self.in_flight else 0,
            "held": 0,
            "ready": self.is_ready,
            "engine": {"epoch": epoch, "url": "http://engine"},
            "sessions": {"websocket": self.websocket, "fix": self.fix},
        }

    def shut(self, _body: Json) -> tuple[int, Json]:
        closed = self.websocket + len(self.fix) - len(self.silent)
        self.websocket, self.fix = 0, [one for one in self.fix if one["id"] in self.silent]
        return 200, {"closed": closed, "left": self.silent}

    def set_ready(self, body: Json) -> tuple[int, Json]:
        self.is_ready = body["ready"]
        return 200, {}


class World:
    """Engine a leads; b follows it; c only proves."""

    def __init__(self) -> None:
        self.record = Record("engine-a")
        self.a = Engine("engine-a", self.record)
        self.b = Engine("engine-b", self.record, version="v2", reads=(1, 2))
        self.c = Engine("engine-c", self.record)
        self.gateway = Gateway(self.record)
        engines = {engine.url: engine for engine in (self.a, self.b, self.c)}
        for engine in engines.values():
            engine.peers = engines
        self.b.source = self.a
        self.lines: list[str] = []

    def close(self) -> None:
        for server in (self.a, self.b, self.c, self.gateway):
            server.close()

    def servers(self) -> list[Server]:
        return [self.a, self.b, self.c, self.gateway]

    def writes(self) -> list[str]:
        return [write for server in self.servers() for write in server.writes()]

    def forget(self) -> None:
        for server in self.servers():
            server.requests.clear()

    def full(self, **given: t.Any) -> Json:
        return self.call(**{"state": "drained", "prove": {"url": self.c.url}, **given})

    def handover(self, **given: t.Any) -> Json:
        options = {"state": "drained", "way": "handover", "new_engine": {"url": self.b.url}, "cut_deadline_s": 10.0}
        return self.call(**{**options, **given})

    def online(self, **given: t.Any) -> Json:
        return self.call(**{"state": "online", "resume": {"cancel_only_s": 0.0, "post_only_s": 0.0}, **given})

    def call(self, *, check_mode: bool = False, short: t.Collection[str] = (), **given: t.Any) -> Json:
        """`short` are the steps that are waited for in vain; a busy machine may take its time for the others."""
        steps = ("in_flight", "settlement", "snapshot", "prove", "sessions", "catch_up")
        options = {
            "engine": {"url": self.a.url},
            "gateways": [{"url": self.gateway.url}],
            "step_s": {step: 0.3 if step in short else 20.0 for step in steps},
            "timeout_s": 5.0,
        }
        return play({**options, **given}, self.lines.append, check_mode=check_mode)


def play(given: Json, progress: Callable[[str], None] = lambda _line: None, *, check_mode: bool = False) -> Json:
    """The task as Ansible runs it: options checked by the spec, errors mapped."""
    checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(given)
    assert not checked.error_messages, checked.error_messages
    result = execute(
        run,
        checked.validated_parameters,
        check_mode=check_mode,
        diff=True,
        clock=SystemClock(),
        progress=progress,
        empty=EMPTY_RESULT,
    )
    assert {*EMPTY_RESULT, "changed", "diff"} <= result.keys()
    return result


def good(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def verdicts(result: Json) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in result["invariants"]}


def failing(result: Json) -> set[str]:
    return {number for number, verdict in verdicts(result).items() if verdict == "fail"}


def outcomes(result: Json) -> dict[str, str]:
    return {step["name"]: step["outcome"] for step in result["steps"]}
