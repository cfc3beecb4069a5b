# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's side of the control contract (docs/control-api.yaml), under /control/.

Nobody is asked who he is: in the lab there is no public way to an engine.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import pathlib
import typing as t

from . import snapshots
from .engine_faults import Faults
from .follower import Follower
from .http_server import Reply, Request
from .leadership import Leadership
from .orders import Refusal
from .pairs import PAIRS
from .projection import KINDS, PROJECTION, items, proof
from .service import Service, json_reply
from .settings import Settings
from .state import SnapshotError

if t.TYPE_CHECKING:
    from .matching_engine import MatchingEngine

#: 10,000 acknowledgements.
_LARGEST_BODY: t.Final = 4 << 20
#: Answers to so many writes are kept for repetitions.
_KEPT: t.Final = 1000
_LONGEST_ID: t.Final = 64
_LONGEST_DEADLINE_S: t.Final = 600.0
_BUCKETED: t.Final = ("orders", "accounts")

Json = dict[str, t.Any]
Work = t.Callable[[Json], t.Awaitable[Json]]


def _object(request: Request) -> Json:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object")
    return body


def _field(body: Json, name: str, *kinds: type) -> t.Any:
    value = body.get(name)
    # A truth value is an integer to Python, and to nobody else.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Refusal(400, f"{name}: is missing or not of the right type")
    return value


def _whole(parameters: t.Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise Refusal(400, f"{name}: must be an integer")
    return int(text)


def _follow_file(settings: Settings) -> pathlib.Path:
    return settings.data / "follow.json"


def followed(settings: Settings) -> str:
    """The engine that is to be followed: what an operator told last survives a restart."""
    try:
        return str(json.loads(_follow_file(settings).read_bytes())["url"])
    except FileNotFoundError:
        return settings.follow_url


class Control:
    """The requests of an operator to one engine."""

    def __init__(self, engine: MatchingEngine, leadership: Leadership, faults: Faults) -> None:
        self._engine, self._leadership, self._faults = engine, leadership, faults
        self._venue, self._journal = engine.venue, engine.journal
        self._settings = engine.settings
        self.follower: Follower | None = None
        self._announcement: Json | None = None
        self._manifest: Json | None = None
        #: By command id. A repetition waits for the first one, which may be under way.
        self._answers: collections.OrderedDict[str, asyncio.Task[Json]] = collections.OrderedDict()
        self._follow_file = _follow_file(engine.settings)
        #: One at a time: they share their temporary files.
        self._snapshots = asyncio.Lock()
        self._fetched = engine.settings.data / "fetched.jsonl"

    def attach(self, service: Service) -> None:
        service.take_bodies_of(_LARGEST_BODY)
        for method in ("GET", "POST", "DELETE"):
            service.route(method, "/control/{id}", self._handle)
        service.route("GET", "/leader", self._leader)
        self.tick()

    def tick(self) -> None:
        """Who leads follows nobody, and who does not lead somebody, if there is one."""
        if self._leadership.role == "leader":
            if self.follower is not None:
                self.close()
                self._remember(None)
        elif self.follower is None and (url := self._whom()):
            self._follow_now(url)

    def _whom(self) -> str:
        role = self._leadership.role
        if role == "follower" and self._settings.peer_url:
            # What was told may be the address of a pod that is gone. The Service finds the peer wherever it runs.
            return self._settings.peer_url
        return followed(self._settings) if role in ("follower", "starting") else ""

    @property
    def ready(self) -> bool:
        """Whether it has a role, and so is worth a question. Who is closed serves the end of its journal to the
        follower. Why a follower cannot follow is in its status, which a release reads once the pod is ready."""
        role = self._leadership.role
        return role in ("leader", "closed") or (role == "follower" and self.follower is not None)

    def close(self) -> None:
        if self.follower is not None:
            self.follower.stop()
            self.follower = None

    async def _handle(self, request: Request, part: str) -> Reply:
        if request.method == "GET":
            return await self._get(request, part)
        if part == "acks":
            return json_reply(200, await self._acks(_object(request)))
        work = self._writes().get(f"{request.method} {part}")
        if work is None:
            raise Refusal(404, "no such resource")
        return json_reply(200, await self._once(work, _object(request)))

    async def _once(self, work: Work, body: Json) -> Json:
        """The same command id gives the same answer. One that failed on our side may be tried again."""
        command = _field(body, "command_id", str)
        if not 0 < len(command) <= _LONGEST_ID:
            raise Refusal(400, f"command_id: 1 to {_LONGEST_ID} characters")
        task = self._answers.get(command)
        if task is None or (task.done() and task.exception() and not isinstance(task.exception(), Refusal)):
            task = self._answers[command] = asyncio.ensure_future(work(body))
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        # Who asked may leave; what was begun is brought to its end.
        return await asyncio.shield(task)

    def _writes(self) -> dict[str, Work]:
        writes: dict[str, Work] = {
            "POST announce": self._announce,
            "DELETE announce": self._withdraw,
            "POST mode": self._mode,
            "POST snapshot": self._snapshot,
            "POST verify": self._verify,
            "POST cut": self._cut,
            "POST open": self._open,
            "POST follow": self._follow,
            "POST finish": self._finish,
        }
        if self._settings.faults is not None:
            writes["POST faults"] = self._arm
        return writes

    async def _get(self, request: Request, part: str) -> Reply:
        parameters = request.parameters()
        if part == "status":
            return json_reply(200, self.status())
        if part == "proof":
            return json_reply(200, await self._proof(_whole(parameters, "sequence")))
        if part == "items":
            return json_reply(200, self._items(parameters))
        if part == "settlements":
            return json_reply(200, {"pending": self._pending()})
        if part == "snapshot":
            return await self._part_of_snapshot(parameters)
        raise Refusal(404, "no such resource")

    # -- what is asked

    async def _leader(self, _request: Request, _part: str) -> Reply:
        """For gateways and followers, often."""
        venue = self._venue
        leads = self._leadership.role == "leader"
        epoch, mode = venue.epoch.number, venue.mode
        return json_reply(200, {"leader": leads, "epoch": epoch, "mode": mode, "sequence": venue.sequence})

    def status(self) -> Json:
        venue, journal, follower = self._venue, self._journal, self.follower
        disk = os.statvfs(self._settings.data)
        oldest = next(iter(venue.settlement.pending.values()), None)
        snapshot = self._manifest and {name: self._manifest[name] for name in ("sequence", "sha256")}
        return {
            "name": self._leadership.name,
            "version": self._settings.version,
            "role": self._leadership.role,
            "mode": venue.mode,
            "epoch": venue.epoch.number,
            "sequence": venue.sequence,
            "durable_sequence": journal.durable_sequence,
            "projection": PROJECTION,
            "format": {"writes": venue.format, "reads": list(venue.reads)},
            "follow": {
                "url": follower and follower.url,
                "lag_events": follower and follower.lag_events,
                "error": follower and follower.error,
                "problem": follower and follower.problem,
            },
            "pending_settlements": len(venue.settlement.pending),
            "settlements_oldest_s": oldest and self._age_s(oldest.at_ms),
            "disk_free_bytes": disk.f_bavail * disk.f_frsize,
            "journal_ok": not journal.failed.done(),
            "snapshot": snapshot,
            "announcement": self._announcement,
        }

    def _age_s(self, at_ms: int) -> float:
        return max(0, self._engine.now_ms() - at_ms) / 1000

    def _pending(self) -> list[Json]:
        return [
            {"id": one.number, "age_s": self._age_s(one.at_ms), "pair": one.pair}
            for one in self._venue.settlement.pending.values()
        ]

    async def _proof(self, sequence: int | None) -> Json:
        venue = self._venue
        if sequence is not None and sequence != venue.sequence:
            raise Refusal(409, f"{self._leadership.name} is at sequence {venue.sequence}")
        # Only of what is on disk.
        self._journal.flush()
        return {"proof": await snapshots.aside(lambda: proof(venue), len(venue.orders))}

    def _items(self, parameters: t.Mapping[str, str]) -> Json:
        kind, bucket = parameters.get("kind", ""), parameters.get("bucket")
        try:
            number = int(bucket, 16) if bucket is not None else None
        except ValueError:
            number = -1
        if kind not in KINDS or (kind in _BUCKETED) != (number is not None) or not 0 <= (number or 0) < 256:
            raise Refusal(400, f"kind: one of {', '.join(KINDS)}; bucket: 00 to ff, of {' and '.join(_BUCKETED)}")
        return {"items": items(self._venue, kind, number)}

    async def _acks(self, body: Json) -> Json:
        """Those whose event is not on disk."""
        self._journal.flush()
        missing = []
        for ack in _field(body, "acks", list):
            if not isinstance(ack, list) or len(ack) != 2:
                raise Refusal(400, "acks: a list of [client_order_id, sequence]")
            order = self._venue.orders.get(str(ack[0]))
            if order is None or ack[1] not in (order.sequence, order.cancel_sequence):
                missing.append(ack)
        return {"missing": missing}

    # -- what is told

    async def _announce(self, body: Json) -> Json:
        self._announcement = {
            "reason": _field(body, "reason", str),
            "effective_at": _field(body, "effective_at", int),
            "deadline_at": _field(body, "deadline_at", int),
        }
        return {}

    async def _withdraw(self, _body: Json) -> Json:
        self._announcement = None
        return {}

    async def _mode(self, body: Json) -> Json:
        self._leadership.check()
        mode, reason, pause = (
            _field(body, "mode", str),
            _field(body, "reason", str),
            _field(body, "pause_timers", bool),
        )
        at_ms = self._engine.timers()
        answer, event = self._venue.set_mode(mode, reason, body["command_id"], pause, at_ms)
        await self._engine.settled(event)
        return answer

    async def _cut(self, body: Json) -> Json:
        deadline_s = _field(body, "deadline_s", int, float)
        if not 0 < deadline_s <= _LONGEST_DEADLINE_S:
            raise Refusal(400, f"deadline_s: more than 0, at most {_LONGEST_DEADLINE_S:g}")
        if body["command_id"] not in self._venue.commands:
            self._must_lead()
            # What is over by now is over for whoever goes on, too.
            self._engine.timers()
        return await self._leadership.cut(body["command_id"], deadline_s)

    def _must_lead(self) -> None:
        if self._leadership.role != "leader":
            raise Refusal(409, f"{self._leadership.name} is {self._leadership.role} and does not lead")

    async def _open(self, body: Json) -> Json:
        epoch, after = _field(body, "epoch", int), _field(body, "after", dict)
        wanted = {"epoch": _field(after, "epoch", int), "sequence": _field(after, "sequence", int)}
        if self.follower is not None and self.follower.error:
            raise Refusal(409, f"{self._leadership.name} cannot follow: {self.follower.error}")
        answer = await self._leadership.open(epoch, wanted)
        self.tick()
        return answer

    async def _follow(self, body: Json) -> Json:
        url = _field(body, "url", str)
        if not url.startswith("http://"):
            raise Refusal(400, "url: must be an http URL")
        if self.follower is not None and self.follower.url == url and not self.follower.error:
            return {}
        await self._leadership.may_follow()
        self.close()
        self._remember(url)
        self._leadership.follow()
        self._follow_now(url)
        return {}

    def _follow_now(self, url: str) -> None:
        self.follower = Follower(url, self._venue, self._journal, self._faults, otherwise=self._settings.peer_url)
        self.follower.start()

    def _remember(self, url: str | None) -> None:
        if url is None:
            self._follow_file.unlink(missing_ok=True)
            return
        temporary = self._follow_file.with_suffix(".new")
        temporary.write_text(json.dumps({"url": url}))
        temporary.replace(self._follow_file)

    async def _finish(self, _body: Json) -> Json:
        self._must_lead()
        event = self._venue.write_format(max(self._venue.reads), self._engine.timers())
        await self._engine.settled(event)
        return {}

    async def _arm(self, body: Json) -> Json:
        self._faults.arm(_field(body, "faults", list), self._venue)
        return {}

    # -- snapshots

    async def _snapshot(self, _body: Json) -> Json:
        journal, venue, path = self._journal, self._venue, self._engine.snapshot
        async with self._snapshots:
            # From here to the fork, or to the end of the work, nothing else runs.
            journal.flush()
            offset = journal.durable_size
            manifest: Json = await snapshots.aside(lambda: snapshots.write(path, venue, offset), len(venue.orders))
            self._faults.spoil(path)
            self._manifest = manifest
        return {"manifest": manifest}

    async def _part_of_snapshot(self, parameters: t.Mapping[str, str]) -> Reply:
        offset = _whole(parameters, "offset") or 0
        if self._manifest is None or parameters.get("sha256") != self._manifest["sha256"]:
            raise Refusal(404, "there is no such snapshot")
        part = await asyncio.to_thread(snapshots.part_of, self._engine.snapshot, offset)
        return Reply(200, part, "application/x-ndjson")

    async def _verify(self, body: Json) -> Json:
        """Load the snapshot of another engine beside the own state, and prove what it holds."""
        sequence, sha256 = _field(body, "sequence", int), _field(body, "snapshot", str)
        url = _field(body, "url", str)
        async with self._snapshots:
            try:
                await snapshots.fetch(url, sha256, self._fetched)
                return await self._proved(self._fetched, sequence, sha256)
            except SnapshotError as error:
                raise Refusal(422, str(error)) from None
            finally:
                self._fetched.unlink(missing_ok=True)

    async def _proved(self, path: pathlib.Path, sequence: int, sha256: str) -> Json:
        manifest = await asyncio.to_thread(snapshots.check, path)
        if (manifest["sha256"], manifest["sequence"]) != (sha256, sequence):
            raise SnapshotError(f"it is the snapshot of sequence {manifest['sequence']}, sha256 {manifest['sha256']}")
        reads = self._venue.reads
        found = await snapshots.aside(lambda: snapshots.proof_of(path, PAIRS, reads), size=path.stat().st_size)
        return {"proof": found}
