# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fix-gateway: order entry by FIX 4.4. What was accepted is told by the journal, what was not by the engine's answer.

A request is answered once: its refusal at once, its acceptance and all that follows as the journal has it. After a
restart the journal is read from its start, and reports go on behind the last one in the store of the sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import sys
import time
import typing as t

from . import fix_messages as fix
from .engines_of_gateway import Engines, HeldTooLong
from .feed import FeedError
from .fix_messages import Fields
from .fix_reports import Reports
from .hold import HoldQueue
from .http_client import HttpFailure
from .orders import Refusal
from .settings import Settings
from .upstream import Away

_PAGE: t.Final = 2000
_WAIT_MS: t.Final = 500
#: What happens meanwhile comes as one page: a report is so much later, and a hundred requests a second are the most.
_PAUSE_S: t.Final = 0.01
_AWAY_S: t.Final = 0.25
_ANNOUNCEMENT_EVERY_S: t.Final = 1.0
#: How long the end waits for the reports of what the engine has accepted.
_CATCH_UP_S: t.Final = 5.0
_REQUIRED: t.Final = {
    fix.NEW_ORDER: (fix.CL_ORD_ID,),
    fix.CANCEL_REQUEST: (fix.CL_ORD_ID, fix.ORIG_CL_ORD_ID),
    fix.STATUS_REQUEST: (fix.CL_ORD_ID,),
}


class Sessions(t.Protocol):
    """What the gateway needs of fix_sessions.py."""

    def send(self, session: str, kind: str, fields: Fields) -> None: ...

    def sent(self) -> set[str]: ...


class Position:
    """The last event whose reports are all in the store of the sessions; kept in a file."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        text = os.pread(self._file, 32, 0)
        #: None on a new volume.
        self.sequence: int | None = int(text) if text else None

    def move(self, sequence: int) -> None:
        if sequence != self.sequence:
            os.pwrite(self._file, b"%020d\n" % sequence, 0)
            self.sequence = sequence

    def close(self) -> None:
        os.close(self._file)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class FixGateway:
    """Is told by FixSessions what clients send. `connected` are the sessions that are logged on."""

    def __init__(self, settings: Settings, now_ms: t.Callable[[], int] = _wall_clock_ms) -> None:
        self._settings = settings
        self._now_ms = now_ms
        hold = HoldQueue(settings.hold_most, settings.hold_s)
        self.engines = Engines(settings.engine_urls or (settings.engine_url,), hold, settings.order_deadline_s)
        self.reports = Reports(settings.fix_sessions)
        self.connected: set[str] = set()
        #: Those that get a Logout. Nothing may follow it: what they are to be told waits until they are gone, and is
        #: stored for their next logon.
        self._ending: dict[str, list[tuple[str, Fields]]] = {}
        #: Those that asked for the end, or answered ours.
        self.logged_out: set[str] = set()
        self._sessions: Sessions | None = None
        self._position = Position(settings.data / "position")
        #: The last event whose reports are made. None on a new volume: whatever the journal has, nobody here was to
        #: be told.
        self._told = self._position.sequence
        #: Reports that an earlier process has stored behind the position.
        self._stored: set[str] = set()
        self._caught_up = asyncio.Event()
        self._announcement: t.Any = None
        self._announcement_at = 0.0
        self._placing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._follower: asyncio.Task[None] | None = None
        #: Gets the error of the task that reads the journal: a gateway that reports nothing any more has to end.
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._answers = 0

    @property
    def store(self) -> pathlib.Path:
        return self._settings.data / "sessions"

    async def start(self, sessions: Sessions) -> None:
        """Return when all reports of the past are stored: only then may clients come."""
        self._sessions = sessions
        self._stored = sessions.sent()
        self._follower = asyncio.get_running_loop().create_task(self._follow())
        self._follower.add_done_callback(self._ended)
        await self._caught_up.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_result(error)

    async def finish(self) -> None:
        """Wait for what is under way, and until clients are told all that the engine has accepted."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.order_deadline_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_S):
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Until the reports are where the engine is now."""
        try:
            wanted = (await self.engines.client.request("GET", "/leader")).json().get("sequence", 0)
        except HttpFailure:
            return
        while self.reports.sequence < wanted:
            await asyncio.sleep(_PAUSE_S)

    def stop(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
        for task in self._tasks:
            task.cancel()
        self.engines.close()
        self._position.close()

    # -- sessions

    def on_logon(self, session: str) -> None:
        self.connected.add(session)
        self.logged_out.discard(session)
        self._send(session, fix.SESSION_STATUS, fix.session_status(self.reports.mode, self.reports.mode_reason))
        if self._announcement is not None:
            self._send(session, fix.NEWS, fix.news(self._announcement))

    def on_logout(self, session: str) -> None:
        self.connected.discard(session)
        for kind, fields in self._ending.pop(session, ()):
            self._send(session, kind, fields)

    def end(self, session: str) -> None:
        """It is about to get a Logout."""
        if session in self.connected:
            self._ending.setdefault(session, [])

    def on_logout_message(self, session: str, _text: str) -> None:
        self.logged_out.add(session)

    def on_message(self, session: str, kind: str, fields: Fields, _sequence: int) -> None:
        wanted = _REQUIRED.get(kind)
        if wanted is None:
            self._send(session, fix.BUSINESS_REJECT, fix.unsupported(kind, fields))
            return
        for tag in wanted:
            if not fields.get(tag):
                self._send(session, fix.BUSINESS_REJECT, fix.missing_tag(kind, fields, tag))
                return
        work = {fix.NEW_ORDER: self._place, fix.CANCEL_REQUEST: self._cancel, fix.STATUS_REQUEST: self._status}[kind]
        task = asyncio.get_running_loop().create_task(self._answer(work, session, kind, fields))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if kind == fix.NEW_ORDER:
            identity = f"{session}.{fields[fix.CL_ORD_ID]}"
            self._placing[identity] = task
            task.add_done_callback(lambda done: self._placed(identity, done))

    def _placed(self, identity: str, task: asyncio.Task[None]) -> None:
        # A repetition may have taken the place.
        if self._placing.get(identity) is task:
            del self._placing[identity]

    def _send(self, session: str, kind: str, fields: Fields) -> None:
        assert self._sessions is not None
        if session in self._ending:
            self._ending[session].append((kind, fields))
        else:
            self._sessions.send(session, kind, fields)

    def _send_all(self, kind: str, fields: Fields) -> None:
        """What is of no use later."""
        for session in self.connected - self._ending.keys():
            self._send(session, kind, fields)

    def _exec_id(self) -> str:
        """Of a report that no event stands behind."""
        self._answers += 1
        return f"r{self._now_ms()}-{self._answers}"

    # -- requests

    async def _answer(
        self, work: t.Callable[[str, Fields], t.Awaitable[None]], session: str, kind: str, fields: Fields
    ) -> None:
        try:
            await work(session, fields)
        except HeldTooLong as late:
            self._send(session, fix.BUSINESS_REJECT, fix.not_available(kind, fields, f"held_too_long: {late}"))
        except Away as away:
            text = f"away: {away}; what became of it is told by an OrderStatusRequest"
            self._send(session, fix.BUSINESS_REJECT, fix.not_available(kind, fields, text))
        except Exception as error:
            # Whatever it is, the client is not left without an answer.
            print(f"{session}: {error!r}", file=sys.stderr, flush=True)
            self._send(session, fix.BUSINESS_REJECT, fix.not_available(kind, fields, "internal error"))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.order_deadline_s

    async def _place(self, session: str, fields: Fields) -> None:
        before = self.reports.sequence
        try:
            order, body = fix.order_of(session, fields, self._now_ms())
            answer = await self.engines.place(order, body, self._deadline())
        except Refusal as refusal:
            # The one who cancelled it while it was held is told of its end.
            if refusal.code != "cancelled_while_held":
                self._refuse(session, fields, refusal)
            return
        found = answer.json()
        if answer.status != 200:
            self._refuse(session, fields, Refusal(answer.status, found.get("reason", ""), found.get("code", "")))
        elif found["sequence"] <= before:
            # It was accepted before, and its reports have been sent: how does it stand now?
            await self._status(session, fields)

    def _refuse(self, session: str, fields: Fields, refusal: Refusal) -> None:
        report = fix.rejected(fields, refusal, self._exec_id(), self._now_ms())
        self._send(session, fix.EXECUTION_REPORT, report)

    async def _cancel(self, session: str, fields: Fields) -> None:
        try:
            identity = fix.engine_id(session, fields[fix.ORIG_CL_ORD_ID])
        except Refusal as refusal:
            self._refuse_cancel(session, fields, refusal.reason, 404)
            return
        before = self.reports.sequence
        self.reports.cancels[identity] = fields[fix.CL_ORD_ID]
        answer = None
        try:
            answer = await self.engines.cancel(identity, f"/orders/{identity}", self._deadline())
            placing = self._placing.get(identity)
            if answer is not None and answer.status == 404 and placing is not None:
                # It has overtaken the order that it cancels.
                await asyncio.wait({placing})
                answer = await self.engines.cancel(identity, f"/orders/{identity}", self._deadline())
        finally:
            if answer is None or answer.status != 200:
                self.reports.cancels.pop(identity, None)
        if answer is None:
            text = "cancelled while it was held; it never was accepted"
            report = fix.never_accepted(fields, "4", text, self._exec_id(), self._now_ms())
            self._send(session, fix.EXECUTION_REPORT, report)
            return
        found = answer.json()
        if answer.status != 200:
            self._refuse_cancel(session, fields, found.get("reason", ""), answer.status, found.get("code", ""))
        elif found["sequence"] <= before:
            self.reports.cancels.pop(identity, None)
            self._send(session, fix.CANCEL_REJECT, fix.cancel_rejected(fields, "4", "0", "it is cancelled already"))

    def _refuse_cancel(self, session: str, fields: Fields, reason: str, status: int, code: str = "") -> None:
        if status == 404:
            report = fix.cancel_rejected(fields, "8", "1", reason)
        elif code:
            report = fix.cancel_rejected(fields, "0", "2", f"{code}: {reason}")
        else:
            report = fix.cancel_rejected(fields, "2", "0", reason)
        self._send(session, fix.CANCEL_REJECT, report)

    async def _status(self, session: str, fields: Fields) -> None:
        exec_id, at_ms = self._exec_id(), self._now_ms()
        try:
            identity = fix.engine_id(session, fields[fix.CL_ORD_ID])
        except Refusal as refusal:
            self._refuse(session, fields, refusal)
            return
        answer = await self.engines.query(f"/orders/{identity}", self._deadline())
        if answer.status == 200:
            report = fix.status_of(answer.json(), exec_id, at_ms)
        else:
            text = f"order {fields[fix.CL_ORD_ID]} is not known"
            report = fix.never_accepted(fields, "8", text, exec_id, at_ms, t103="5", t150="I")
        self._send(session, fix.EXECUTION_REPORT, report)

    # -- the journal

    async def _follow(self) -> None:
        while True:
            try:
                await self._look_for_announcement()
                self._take(await self._fetch())
            except (HttpFailure, ValueError) as error:
                if not self._caught_up.is_set():
                    print(f"the journal cannot be read yet: {error}", file=sys.stderr, flush=True)
                # It may be gone for good, and nobody sends orders that would show it.
                await self.engines.find_leader()
                await asyncio.sleep(_AWAY_S)
            except FeedError as error:
                print(f"the journal is read anew: {error}", file=sys.stderr, flush=True)
                self.reports = Reports(self._settings.fix_sessions)
                await asyncio.sleep(_AWAY_S)
            else:
                await asyncio.sleep(_PAUSE_S if self._caught_up.is_set() else 0)

    async def _fetch(self) -> list[bytes]:
        wait_ms = _WAIT_MS if self._caught_up.is_set() else 0
        path = f"/journal?after={self.reports.sequence}&limit={_PAGE}&wait_ms={wait_ms}"
        answer = await self.engines.client.request("GET", path)
        if answer.status != 200:
            raise HttpFailure("protocol", f"status {answer.status}")
        return answer.body.splitlines()

    def _take(self, lines: list[bytes]) -> None:
        mode = self.reports.mode
        try:
            for line in lines:
                self._report(line)
        finally:
            # Not back, while the journal is read anew; and on a new volume not before its end.
            if self._told is not None or len(lines) < _PAGE:
                self._told = max(self.reports.sequence, self._told or 0)
                if not any(self._ending.values()):
                    self._position.move(self._told)
        if len(lines) < _PAGE:
            self._stored.clear()
            self._caught_up.set()
        if self.reports.mode != mode:
            self._send_all(fix.SESSION_STATUS, fix.session_status(self.reports.mode, self.reports.mode_reason))

    def _report(self, line: bytes) -> None:
        for report in self.reports.take(line):
            past = self._told is None or self.reports.sequence <= self._told
            if not past and report.fields[fix.EXEC_ID] not in self._stored:
                self._send(report.session, fix.EXECUTION_REPORT, report.fields)

    async def _look_for_announcement(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._announcement_at + _ANNOUNCEMENT_EVERY_S:
            return
        self._announcement_at = now
        answer = await self.engines.client.request("GET", "/control/status")
        # An engine without a control contract announces nothing.
        found = answer.json().get("announcement") if answer.status == 200 else None
        if found != self._announcement:
            self._announcement = found
            self._send_all(fix.NEWS, fix.news(found))
