# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following the journal of another engine: its lines, byte for byte, into the own journal and the own venue.

What does not fit ends it with an error. An engine with such an error never opens an epoch, and a restart begins again
with what is on disk.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
import typing as t

from .engine_faults import Faults
from .http_client import Answer, HttpClient, HttpFailure
from .journal import BadLine, Journal, decode
from .venue import ReplayError, Venue

_PAGE: t.Final = 1000
#: How long the other engine may keep a question that it has nothing new for. Its end waits for that answer.
_WAIT_MS: t.Final = 250
#: Lines that come while this passes are one page: under load not every group of the leader is a request.
_GATHER_S: t.Final = 0.005
_AGAIN_S: t.Final = 0.2


class _Misfit(Exception):
    """The two journals are not one."""


class Follower:
    """Follows one engine from `start` to `stop`. When it does not answer at `url`, it is tried at `otherwise`."""

    def __init__(self, url: str, venue: Venue, journal: Journal, faults: Faults, otherwise: str = "") -> None:
        self.url = url
        self._otherwise = otherwise or url
        #: Events that the other engine has and this one has not; None while that is not known.
        self.lag_events: int | None = None
        #: Why it has stopped for good, and why it gets no further for now.
        self.error: str | None = None
        self.problem: str | None = None
        self._venue, self._journal, self._faults = venue, journal, faults
        self._client: HttpClient | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            self._client = HttpClient(self.url)
            await self._check_last()
            while True:
                await self._page()
        except (_Misfit, ReplayError, BadLine) as error:
            self._fail(str(error))
        except Exception as error:
            traceback.print_exc()
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            if self._client is not None:
                self._client.close()

    def _fail(self, problem: str) -> None:
        print(f"cannot follow {self.url}: {problem}", file=sys.stderr, flush=True)
        self.error, self.problem, self.lag_events = problem, None, None

    async def _ask(self, path: str) -> Answer:
        assert self._client is not None
        while True:
            try:
                answer = await self._client.request("GET", path, timeout_s=5.0)
                if answer.status == 200:
                    self.problem = None
                    return answer
                self.problem = f"{self.url} answers {answer.status}"
            except HttpFailure as failure:
                self.problem = f"{self.url} does not answer: {failure}"
            self.lag_events = None
            await asyncio.sleep(_AGAIN_S)
            if self._otherwise != self.url:
                self.url, self._otherwise = self._otherwise, self.url
                self._client.close()
                self._client = HttpClient(self.url)

    async def _check_last(self) -> None:
        """The last line of this journal has to be in the other one: else they have parted before."""
        last = self._venue.sequence
        if not last:
            return
        await self._journal.settled()
        theirs = (await self._ask(f"/journal?after={last - 1}&limit=1")).body
        if not theirs:
            raise _Misfit(f"{self.url} has no event {last}, which is in this journal")
        if theirs != self._journal.read(last - 1, 1):
            raise _Misfit(f"{self.url} has another event {last} than this journal")

    async def _page(self) -> None:
        lagging = self._faults.lag_s()
        limit = 1 if lagging else _PAGE
        after = self._venue.sequence
        answer = await self._ask(f"/journal?after={after}&limit={limit}&wait_ms={_WAIT_MS}")
        lines = answer.body.splitlines(keepends=True)
        for line in lines:
            self._take(line)
        await self._journal.settled()
        self._faults.poke(self._venue)
        self.lag_events = 0
        if len(lines) == limit:
            # There may be more than fits a page.
            leader = (await self._ask("/leader")).json()
            self.lag_events = max(0, leader["sequence"] - self._venue.sequence)
        await asyncio.sleep(lagging or (_GATHER_S if lines else 0))

    def _take(self, line: bytes) -> None:
        event = decode(line)
        if event["seq"] != self._venue.sequence + 1:
            raise _Misfit(f"event {event['seq']} does not follow event {self._venue.sequence}")
        # Applied first: a line that does not fit must not be in the journal, where every start would meet it.
        self._venue.apply(event)
        self._journal.append(line)
