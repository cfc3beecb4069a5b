# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking another service again until it answers or the time is up. Only for requests that may be sent twice."""

from __future__ import annotations

import asyncio
import random
import typing as t

from .http_client import Answer, HttpClient, HttpFailure

#: One attempt. A server that ends says so at once (refused, reset): this is only for one that is away without a word.
#: Shorter would be worse: on a busy machine each attempt that is given up was work for nothing, and the next is more.
ATTEMPT_S: t.Final = 5.0
_FIRST_PAUSE_S: t.Final = 0.02
_LONGEST_PAUSE_S: t.Final = 0.25


class Away(Exception):
    """No good answer before the deadline; the text is the last thing that went wrong."""


def pause_s(attempt: int, chance: float) -> float:
    """Pause after that attempt (0, 1, ...): doubling, with jitter from half to whole. `chance` is from 0 to 1."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(attempt, 10), _LONGEST_PAUSE_S) * (0.5 + chance / 2)


def is_final(answer: Answer) -> bool:
    """Whether it is worth no second attempt: neither a failure of the server nor its wish to be asked later."""
    return answer.status < 500 and answer.status != 429


class Upstream:
    """One service that is asked, with a deadline by the event loop's clock for each question."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ask(self, method: str, path: str, body: bytes, deadline: float) -> Answer:
        """The first answer that is not a server's failure; raises Away."""
        now = asyncio.get_running_loop().time
        last = "no time was left"
        attempt = 0
        while (left := deadline - now()) > 0:
            try:
                answer = await self._client.request(method, path, body, timeout_s=min(left, ATTEMPT_S))
            except HttpFailure as failure:
                last = str(failure)
            else:
                if is_final(answer):
                    return answer
                last = f"status {answer.status}"
            await asyncio.sleep(min(pause_s(attempt, random.random()), max(0.0, deadline - now())))
            attempt += 1
        raise Away(last)
