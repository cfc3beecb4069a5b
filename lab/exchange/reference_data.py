# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reference-data: what is known about the pairs."""

from __future__ import annotations

import dataclasses

from .http_server import Reply, Request
from .pairs import PAIRS
from .service import Service, json_reply, refuse


class ReferenceData:
    """GET /pairs, GET /pairs/{pair}."""

    def __init__(self) -> None:
        self._all = json_reply(200, {"pairs": [dataclasses.asdict(pair) for pair in PAIRS.values()]})
        self._each = {pair.name: json_reply(200, dataclasses.asdict(pair)) for pair in PAIRS.values()}

    def attach(self, service: Service) -> None:
        service.route("GET", "/pairs", self._list)
        service.route("GET", "/pairs/{id}", self._get)
        service.ready = True

    async def _list(self, _request: Request, _part: str) -> Reply:
        return self._all

    async def _get(self, _request: Request, part: str) -> Reply:
        return self._each.get(part) or refuse(404, "no such pair")
