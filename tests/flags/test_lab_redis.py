# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redis of a lab, on loopback: what its users may do, and what it has after a kill."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
import redis
from flag_bridge import soon, world_over
from flag_samples import switch
from powerdns_server import LOOPBACK, free_ports
from redis_server import install

from lab import flags

PASSWORDS: t.Final = {flags.WRITER: "of the writer", flags.READER: "of the reader"}


class LabRedis:
    """It is killed as a machine that fails does it. `options` are those of a store."""

    def __init__(self, folder: pathlib.Path) -> None:
        install()
        self._port = free_ports(1)[0]
        self._config = folder / "redis.conf"
        text = flags.redis_config(folder, LOOPBACK, PASSWORDS)
        self._config.write_text(text.replace(f"port {flags.REDIS_PORT}", f"port {self._port}"))
        (folder / "password").write_text(PASSWORDS[flags.WRITER])
        self._process: subprocess.Popen[bytes] | None = None
        self.options = {
            "url": f"redis://{LOOPBACK}:{self._port}",
            "username": flags.WRITER,
            "password_file": str(folder / "password"),
        }

    def client(self, user: str) -> redis.Redis:
        return redis.Redis(LOOPBACK, self._port, username=user, password=PASSWORDS[user])

    def start(self) -> None:
        self._process = subprocess.Popen(["redis-server", str(self._config)], stdout=subprocess.DEVNULL)
        soon(self._answers, True)

    def _answers(self) -> bool:
        try:
            return bool(self.client(flags.READER).ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> t.Iterator[LabRedis]:
    made = LabRedis(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_after_a_kill_it_has_what_was_written(
    server: LabRedis, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Its log is read by the rights of a user who may not come in."""
    world = world_over(server, monkeypatch, tmp_path)
    world.good("set", definitions={"margin_trading": switch("on")})
    world.good("kill", flags=["margin_trading"])
    before = server.client(flags.READER).mget(["{pincex-flags}:document", "{pincex-flags}:ledger"])
    assert all(before)
    server.kill()
    server.start()
    assert server.client(flags.READER).mget(["{pincex-flags}:document", "{pincex-flags}:ledger"]) == before
    assert world.good("status")["verdict"] == "pass"


def test_the_reader_reads_and_nobody_else_comes_in(server: LabRedis) -> None:
    reader = server.client(flags.READER)
    for refused in (
        lambda: reader.set("{pincex-flags}:document", "{}"),
        lambda: reader.publish("{pincex-flags}:changed", "1"),
        lambda: reader.mget(["{pincex-flags}:history"]),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            refused()
    port = reader.connection_pool.connection_kwargs["port"]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(LOOPBACK, port).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(LOOPBACK, port, username="default", password="").ping()
