# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One version of one model behind HTTP: POST /predict, and what every service of the exchange has."""

from __future__ import annotations

import asyncio
import json
import time
import typing as t

from lab.exchange.http_server import Reply, Request
from lab.exchange.orders import Refusal
from lab.exchange.service import Service, Unavailable, json_reply
from lab.exchange.settings import Settings, SettingsError
from lab.models.service.kinds import KINDS, BadRequest, Kind, predict, read_request
from lab.models.service.records import FAILURE, Records, answer_line
from lab.models.service.versions import VERSIONS, Version

#: The gateway gives up after 15. A request that nobody waits for must not stay for ever.
_SILENT_S: t.Final = 60


def read_settings(env: t.Mapping[str, str]) -> tuple[Settings, str]:
    """What a pod is told, and the URL of its recorder (empty: nothing is recorded). Raises SettingsError."""
    name, version = env.get("PINCEX_SERVICE", ""), env.get("PINCEX_VERSION", "")
    if name not in KINDS:
        raise SettingsError(f"PINCEX_SERVICE={name}: use one of {', '.join(KINDS)}")
    if version not in VERSIONS:
        raise SettingsError(f"PINCEX_VERSION={version}: use one of {', '.join(VERSIONS)}")
    numbers = {name: env.get(name, "") or default for name, default in (("PORT", "8080"), ("LINGER_S", "3"))}
    odd = next((name for name, text in numbers.items() if not text.isdecimal()), None)
    if odd is not None:
        raise SettingsError(f"{odd}={numbers[odd]}: use a whole number")
    url = env.get("RECORDER_URL", "")
    if url and not url.startswith("http://"):
        raise SettingsError(f"RECORDER_URL={url}: use http://ADDRESS:PORT")
    settings = Settings(
        service=name,
        version=version,
        slot=env.get("PINCEX_SLOT", "") or "none",
        region=env.get("PINCEX_REGION", "") or "none",
        port=int(numbers["PORT"]),
        linger_s=int(numbers["LINGER_S"]),
    )
    return settings, url


class Model:
    """Answers by its version, and records each answer of a request that could be read."""

    def __init__(self, settings: Settings, recorder_url: str) -> None:
        self._kind: Kind = KINDS[settings.service]
        self._version: Version = VERSIONS[settings.version]
        self._answered = 0
        self.service = Service(settings)
        self.records = Records(recorder_url, f"/answers/{settings.service}", self.service.registry)
        self.service.route("POST", "/predict", self._predict)

    async def start(self) -> None:
        self.records.start()
        self.service.ready = True

    async def stop(self) -> None:
        await self.records.stop()

    async def _predict(self, request: Request, _part: str) -> Reply:
        at, began = time.time(), time.perf_counter()
        try:
            asked = read_request(self._kind, json.loads(request.body))
        except BadRequest as error:
            raise Refusal(400, str(error)) from None
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        if self._version.silent:
            await self._never()
        if self._version.delay_s:
            await asyncio.sleep(self._version.delay_s)
        failed = self._version.fails(asked.id)
        made = None if failed else predict(self._kind, self._version, asked, self._answered)
        self._answered += 1
        took_ms = (time.perf_counter() - began) * 1000
        self.records.add(answer_line(asked, at, self._version.name, made, took_ms))
        if made is None:
            return json_reply(500, {"reason": FAILURE})
        answer = {"id": asked.id, "out": made.out, "score": made.score, "version": self._version.name}
        return json_reply(200, answer)

    async def _never(self) -> None:
        """No answer, for longer than anybody waits, or until the pod is to end. Raises Unavailable."""
        for _second in range(_SILENT_S):
            if self.service.ending:
                break
            await asyncio.sleep(1)
        raise Unavailable("this version does not answer")
