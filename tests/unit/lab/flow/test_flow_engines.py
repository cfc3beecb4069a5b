# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's address, asked from a small server that stands in for the API server."""

from __future__ import annotations

import asyncio
import json
import pathlib

import pytest

from lab.exchange.http_server import HttpServer, Reply, Request
from lab.flow.engines import EngineError, find_engine


async def ask(folder: pathlib.Path, reply: Reply, region: str = "eu-west-1") -> tuple[str, list[str]]:
    asked: list[str] = []

    async def handle(request: Request) -> Reply:
        asked.append(request.path)
        return reply

    server = HttpServer(handle, {})
    port = await server.start("127.0.0.1", 0)
    kubeconfig = folder / "kubeconfig"
    named = {"name": "eu-west-1"}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "eu-west-1",
                "clusters": [{**named, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{**named, "user": {}}],
                "contexts": [{**named, "context": {"cluster": "eu-west-1", "user": "eu-west-1"}}],
            }
        )
    )
    try:
        return await asyncio.to_thread(find_engine, kubeconfig, region), asked
    finally:
        await server.stop(1)


async def test_the_pod_says_where_it_is(tmp_path: pathlib.Path) -> None:
    url, asked = await ask(tmp_path, Reply(200, b'{"status":{"podIP":"198.19.1.7"}}'))
    assert url == "http://198.19.1.7:8080"
    assert asked == ["/api/v1/namespaces/exchange/pods/matching-engine-0"]


@pytest.mark.parametrize(
    ("reply", "region", "text"),
    [
        (Reply(200, b'{"status":{}}'), "eu-west-1", "has no address"),
        (Reply(404, b"{}"), "eu-west-1", "404"),
        (Reply(200, b"{}"), "us-east-1", "us-east-1"),
    ],
)
async def test_one_sentence_names_region_and_pod(tmp_path: pathlib.Path, reply: Reply, region: str, text: str) -> None:
    with pytest.raises(EngineError) as caught:
        await ask(tmp_path, reply, region)
    message = str(caught.value)
    assert message.startswith(f"region {region}: pod exchange/matching-engine-0")
    assert text in message
    assert "\n" not in message
