# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feature flags of a lab: a Redis, and the bridge that brings what is in it to the gateways of the exchange.

Both run in the management site's network, which stays when a region dies. The bridge is the one that is shipped as an
example, so that it is known to work.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import secrets
import sys
import time
import typing as t

import redis

from lab import pki, programs
from lab.errors import LabError
from lab.model import Lab, Site
from lab.shell import run

#: The set's id.
SET: t.Final = "pincex-lab"
REDIS_PORT: t.Final = 6379
SYNC_PORT: t.Final = 8015
#: Writes the set: what flag_set needs and nothing else (docs/flags.md).
WRITER: t.Final = "flags"
#: Reads it: the bridge.
READER: t.Final = "flag-sync"

_BRIDGE: t.Final = pathlib.Path(__file__).parents[1] / "docs" / "examples" / "flag-sync" / "flag_sync.py"
_KEYS: t.Final = "{pincex-flags}"
_RIGHTS: t.Final = {
    WRITER: f"~{_KEYS}:* &{_KEYS}:* +mget +get +set +eval +hset +hget +hgetall +hdel +publish +ping",
    READER: f"%R~{_KEYS}:document %R~{_KEYS}:ledger &{_KEYS}:changed +mget +subscribe +unsubscribe +ping",
}
#: The set at the beginning, as clients read it: what the exchange would do without flags. Whoever comes with flag_set
#: takes it over.
_FIRST: t.Final = {"margin_trading": "off", "high_frequency_orders": "on"}


def document() -> str:
    """The first document, in flagd's format."""
    flags = {
        name: {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": default}
        for name, default in _FIRST.items()
    }
    return json.dumps({"metadata": {"flagSetId": SET, "version": "0"}, "flags": flags})


def redis_users(rights: t.Mapping[str, str], passwords: t.Mapping[str, str]) -> list[str]:
    """The lines of a configuration that let these users in."""
    hashes = {name: hashlib.sha256(passwords[name].encode()).hexdigest() for name in rights}
    return [f"user {name} on #{hashes[name]} {allowed}" for name, allowed in rights.items()]


def redis_config(folder: pathlib.Path, address: str, passwords: dict[str, str]) -> str:
    """What redis-server reads. It has the passwords' hashes, and nobody comes in without one."""
    settings = [
        f"bind {address}",
        f"port {REDIS_PORT}",
        f'dir "{folder}"',
        "daemonize no",
        'save ""',
        "appendonly yes",
        # Nobody is it, but Redis 7.0 reads its own log by its rights: without, a restart loses what a script wrote.
        "user default off ~* &* +@all",
        *redis_users(_RIGHTS, passwords),
    ]
    return "".join(f"{line}\n" for line in settings)


def password_file(lab: Lab, user: str) -> pathlib.Path:
    return _home(lab.management) / f"password-{user}"


def state(lab: Lab) -> dict[str, t.Any]:
    """What the state file of the lab says about flags; nothing where `start` never was, in a bare lab."""
    if not password_file(lab, WRITER).exists():
        return {}
    address = lab.management.address
    return {
        "name": SET,
        "redis": f"redis://{address}:{REDIS_PORT}",
        "username": WRITER,
        "password_file": str(password_file(lab, WRITER)),
        "sync": f"{address}:{SYNC_PORT}",
        "backup": str(_home(lab.management) / "backup" / "flags.flagd.json"),
    }


def start(lab: Lab, timeout_s: float = 20) -> None:
    """Run both, and define the flags of a new lab: what is there may be somebody's work."""
    site, folder = lab.management, _home(lab.management)
    (folder / "backup").mkdir(parents=True, exist_ok=True)
    passwords = {user: password(password_file(lab, user)) for user in _RIGHTS}
    pki.write(folder / "redis.conf", redis_config(folder, site.address, passwords), 0o600)
    programs.start(site, "redis", ["redis-server", folder / "redis.conf"], cwd=folder)
    deadline = time.monotonic() + timeout_s
    writer = redis.Redis(site.address, REDIS_PORT, username=WRITER, password=passwords[WRITER], socket_timeout=5)
    while (there := defined(writer, folder / "defined")) is None:
        _give_up(site, "redis", f"Redis does not answer at {site.address}:{REDIS_PORT}", deadline)
    sync = f"{site.address}:{SYNC_PORT}"
    reader = [f"--redis=redis://{READER}@{site.address}:{REDIS_PORT}", f"--password-file={password_file(lab, READER)}"]
    programs.start(site, "flag-sync", [sys.executable, _BRIDGE, f"--listen={sync}", *reader], cwd=folder)
    if not there:
        print("flags: Redis has lost them; reconcile_features.yml brings them back, with their kills", file=sys.stderr)
    while there and not _serves(sync):
        _give_up(site, "flag-sync", f"the bridge serves no flags at {sync}", deadline)


def password(file: pathlib.Path) -> str:
    """What the file holds; a new one when there is none."""
    if not file.exists():
        pki.write(file, secrets.token_urlsafe(24) + "\n", 0o600)
    return file.read_text().strip()


class _Writer(t.Protocol):
    """The commands of a Redis that are needed here."""

    def set(self, name: str, value: str, *, nx: bool) -> object: ...

    def get(self, name: str) -> object: ...


def defined(writer: _Writer, marker: pathlib.Path) -> bool | None:
    """Whether there are flags; None while Redis does not answer. The first ones are written once in the life of a lab,
    which the `marker` says. A Redis that was emptied since must not get them: what was killed would be on again for
    clients of the bridge, while every other store has the kill."""
    key = f"{_KEYS}:document"
    try:
        if not marker.exists():
            writer.set(key, document(), nx=True)
            pki.write(marker, "")
        return writer.get(key) is not None
    except (redis.ConnectionError, redis.TimeoutError):
        return None


def _serves(sync: str) -> bool:
    """Asked by the bridge's own command: a channel of gRPC in this process would not go well with its children."""
    try:
        run([sys.executable, _BRIDGE, f"--ask={sync}"], timeout_s=10)
    except LabError:
        return False
    return True


def _give_up(site: Site, program: str, problem: str, deadline: float) -> None:
    """Raise LabError when it has ended or is late; otherwise wait a little."""
    if not programs.alive(site, program) or time.monotonic() > deadline:
        raise LabError(f"{problem}\n{programs.tail(site, program)}")
    time.sleep(0.05)


def _home(site: Site) -> pathlib.Path:
    return site.home / "flags"
