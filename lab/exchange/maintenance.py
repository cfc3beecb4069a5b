# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance: what clients get while an exchange is out of service, whatever they ask for."""

from __future__ import annotations

from .http_server import HttpServer, Reply, Request
from .service import Service, refuse
from .settings import Settings

_ANSWER = refuse(503, "the exchange is in maintenance; come back later", "maintenance")


class Maintenance(Service):
    """Every path is 503 with Retry-After, those of the health checks as well: whoever checks the exchange through its
    gateway has to see that it is away. So the platform asks this service by TCP."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        headers = {"x-version": settings.version, "Retry-After": str(settings.retry_after_s)}
        self._server = HttpServer(self._always, headers)

    async def _always(self, _request: Request) -> Reply:
        return _ANSWER
