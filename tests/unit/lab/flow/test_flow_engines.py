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

RECORD = "/api/v1/namespaces/exchange/configmaps/matching-engine-epoch"
POD = "/api/v1/namespaces/exchange/pods/matching-engine-green-0"


def record(owner: str) -> Reply:
    text = json.dumps({"epoch": 2, "owner": owner, "sequence": 7})
    return Reply(200, json.dumps({"data": {"record": text}}).encode())


async def ask(folder: pathlib.Path, replies: dict[str, Reply], region: str = "eu-west-1") -> tuple[str, list[str]]:
    asked: list[str] = []

    async def handle(request: Request) -> Reply:
        asked.append(request.path)
        return replies.get(request.path, Reply(404, b"{}"))

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


async def test_the_pod_of_the_engine_that_the_record_names(tmp_path: pathlib.Path) -> None:
    pod = Reply(200, b'{"status":{"podIP":"198.19.1.7"}}')
    url, asked = await ask(tmp_path, {RECORD: record("matching-engine-green"), POD: pod})
    assert url == "http://198.19.1.7:8080"
    assert asked == [RECORD, POD]


@pytest.mark.parametrize(
    ("replies", "region", "what", "text"),
    [
        ({}, "eu-west-1", "ConfigMap exchange/matching-engine-epoch", "404"),
        ({RECORD: Reply(200, b"{}")}, "eu-west-1", "ConfigMap", "is not an epoch record"),
        ({RECORD: record("matching-engine-green")}, "eu-west-1", "pod exchange/matching-engine-green-0", "404"),
        (
            {RECORD: record("matching-engine-green"), POD: Reply(200, b'{"status":{}}')},
            "eu-west-1",
            "pod exchange/matching-engine-green-0",
            "has no address",
        ),
        ({}, "us-east-1", "ConfigMap", "us-east-1"),
    ],
)
async def test_one_sentence_names_region_and_object(
    tmp_path: pathlib.Path, replies: dict[str, Reply], region: str, what: str, text: str
) -> None:
    with pytest.raises(EngineError) as caught:
        await ask(tmp_path, replies, region)
    message = str(caught.value)
    assert message.startswith(f"region {region}: {what}")
    assert text in message
    assert "\n" not in message
