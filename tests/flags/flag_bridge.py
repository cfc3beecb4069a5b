# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of a bridge between Redis and OpenFeature clients as a process, and clients of it."""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys
import time
import types
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redis_link import connect
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import redis_store
from flag_world import FlagWorld
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from powerdns_server import LOOPBACK, Server, free_ports
from redis_server import RedisServer

PROGRAM: t.Final = pathlib.Path(__file__).parents[2] / "docs" / "examples" / "flag-sync" / "flag_sync.py"
PATIENCE_S: t.Final = 20.0


def module() -> types.ModuleType:
    """The example as a module: its rules can be asked without a process."""
    spec = importlib.util.spec_from_file_location("flag_sync", PROGRAM)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


class Bridge:
    """It keeps its port when it is started again."""

    def __init__(self, folder: pathlib.Path, server: RedisServer) -> None:
        self.address = f"{LOOPBACK}:{free_ports(1)[0]}"
        self.log = folder / "bridge.log"
        self._redis = server.options["url"]
        self._server: Server | None = None

    def start(self) -> None:
        command = [sys.executable, str(PROGRAM), "--listen", self.address, "--redis", self._redis]
        self._server = Server(command, self.log)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    def ask(self) -> subprocess.CompletedProcess[str]:
        """What it serves, as its own command says it."""
        command = [sys.executable, str(PROGRAM), "--ask", self.address]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def said(self, text: str) -> None:
        """Wait until it is in the log."""
        soon(lambda: text in self.log.read_text(), True)

    def client(self, domain: str) -> OpenFeatureClient:
        """An ordinary one, which evaluates in its own process."""
        host, _, port = self.address.partition(":")
        provider = FlagdProvider(
            host=host,
            port=int(port),
            resolver_type=ResolverType.IN_PROCESS,
            deadline_ms=int(PATIENCE_S * 1000),
            retry_backoff_ms=100,
            retry_backoff_max_ms=1000,
        )
        api.set_provider_and_wait(provider, domain)
        return api.get_client(domain)


def soon(ask: t.Callable[[], object], wanted: object) -> None:
    """Wait until that is the answer."""
    end = time.monotonic() + PATIENCE_S
    while (found := ask()) != wanted:
        assert time.monotonic() < end, f"{found} instead of {wanted}"
        time.sleep(0.01)


class _Stored(t.Protocol):
    """A Redis that is a store."""

    @property
    def options(self) -> dict[str, t.Any]: ...


def world_over(server: _Stored, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path) -> FlagWorld:
    """The module over that Redis; its clusters are in memory."""
    made = FlagWorld(monkeypatch, folder)
    monkeypatch.setattr(redis_store, "connect", connect)
    made.stores[0]["redis"] = server.options
    return made
