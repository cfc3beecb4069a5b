# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients get while the exchange is out of service."""

from __future__ import annotations

import asyncio
import json

import pytest

from lab.exchange.maintenance import Maintenance
from lab.exchange.settings import read_settings


@pytest.mark.parametrize("asked", ["GET /health/ready", "POST /orders", "GET /metrics", "DELETE /orders/7"])
async def test_everything_is_answered_with_when_to_come_back(asked: str) -> None:
    settings = read_settings({"PORT": "0", "RETRY_AFTER_S": "90", "LINGER_S": "0"}, "maintenance")
    service = Maintenance(settings)
    port = await service.start("127.0.0.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{asked} HTTP/1.1\r\nHost: core-api\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await service.stop()
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert "Retry-After: 90" in lines
    assert not any(line.startswith("x-slot") for line in lines)
    assert json.loads(body)["code"] == "maintenance"
