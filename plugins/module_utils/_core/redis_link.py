# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a Redis: one server, the master that sentinels name, or a cluster; TLS and users of its ACL."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import typing as t
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact

_PORTS: t.Final = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_SCHEMES: t.Final = {"redis": False, "rediss": True}


class Commands(t.Protocol):
    """The commands of a Redis that the collection uses. Answers are bytes."""

    def mget(self, keys: Sequence[str]) -> Sequence[bytes | None]: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> Sequence[bytes]: ...

    def hset(self, name: str, *, mapping: Mapping[str, str]) -> t.Any: ...

    def hget(self, name: str, key: str) -> bytes | None: ...

    def hgetall(self, name: str) -> Mapping[bytes, bytes]: ...

    def xrange(
        self, name: str, min: str, max: str, count: int
    ) -> Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]: ...


@dataclasses.dataclass(frozen=True)
class Link:
    """How to reach it. `hosts`: the server, or the sentinels, or some of the cluster's nodes. `option` and `name` are
    those of the list and of the element of it that it was given with."""

    option: str
    name: str
    mode: t.Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    database: int
    tls: bool
    service: str = ""
    username: str | None = None
    password_file: str | None = None
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


def link_of(option: str, options: Mapping[str, t.Any]) -> Link:
    """One element of the list `option`, checked. Raises OptionError that names it; no secret of a URL is in it."""
    name = options["name"]

    def wrong(problem: str) -> OptionError:
        return OptionError(option, f"{name}: {problem}")

    parts = urlsplit(options["url"])
    if parts.scheme not in _SCHEMES:
        raise wrong("url has to begin with redis:// or rediss://")
    # In all of it: a password with a # or a / in it ends the host before the @, and would be told as one.
    if "@" in options["url"]:
        raise wrong("url holds a user; give username and password_file")
    if parts.query or parts.fragment:
        # The library would read options out of it, a password for instance.
        raise wrong("url goes on after a ? or a #; everything but hosts and database has an option of its own")
    mode = options["mode"]
    hosts = tuple(_host(one, _PORTS[mode], wrong) for one in parts.netloc.split(","))
    if mode == "single" and len(hosts) > 1:
        raise wrong(f"url has {len(hosts)} hosts; with mode single it has one")
    if (mode == "sentinel") != bool(options.get("service")):
        raise wrong("service is the name of the master that sentinels watch; give it with mode sentinel, and only then")
    path = parts.path.strip("/")
    if path and not path.isdigit():
        raise wrong("url goes on after the host with more than the number of a database")
    if mode == "cluster" and int(path or 0):
        raise wrong(f"url names database {path}; a cluster has only 0")
    return Link(
        option,
        name,
        mode,
        hosts,
        int(path or 0),
        _SCHEMES[parts.scheme],
        options.get("service") or "",
        options.get("username"),
        options.get("password_file"),
        options.get("ca_cert"),
        options.get("client_cert"),
        options.get("client_key"),
    )


def connect(link: Link, patience_s: float) -> Commands:
    """A connection. Every answer comes within `patience_s`, or is an error of the library, that of a cluster's nodes
    already here. Raises ReleaseError of kind `library` without the client library, OptionError without the password."""
    try:
        redis, sentinel, cluster, retry, backoff = (
            importlib.import_module(name)
            for name in ("redis", "redis.sentinel", "redis.cluster", "redis.retry", "redis.backoff")
        )
    except ImportError as error:
        problem = "the Python library redis is missing; install redis >= 6"
        raise ReleaseError(problem, kind="library", system="controller") from error
    common: dict[str, t.Any] = {
        "username": link.username,
        "password": _password(link),
        "socket_timeout": patience_s,
        "socket_connect_timeout": patience_s,
        # Its own three tries take seconds, which a kill has not. Whoever writes knows better when to try again.
        "retry": retry.Retry(backoff.NoBackoff(), 0),
    }
    if link.tls:
        files = {"ssl_ca_certs": link.ca_cert, "ssl_certfile": link.client_cert, "ssl_keyfile": link.client_key}
        common |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **files}
    if link.mode == "sentinel":
        # Sentinels have users of their own, which the clients of the master need not be. They are asked one after the
        # other, and all of them together may take no longer than one server.
        each_s = patience_s / len(link.hosts)
        asked = {key: value for key, value in common.items() if key not in ("username", "password")}
        asked |= {"socket_timeout": each_s, "socket_connect_timeout": each_s}
        found = sentinel.Sentinel(list(link.hosts), sentinel_kwargs=asked, db=link.database, **common)
        return t.cast("Commands", found.master_for(link.service))
    if link.mode == "cluster":
        nodes = [cluster.ClusterNode(host, port) for host, port in link.hosts]
        return t.cast("Commands", cluster.RedisCluster(startup_nodes=nodes, **common))
    host, port = link.hosts[0]
    return t.cast("Commands", redis.Redis(host=host, port=port, db=link.database, **common))


#: Names of the library's errors, the nearest first, and what they are.
_KINDS: t.Final = {
    "TimeoutError": "timeout",
    "AuthenticationError": "auth",
    "NoPermissionError": "auth",
    "AuthorizationError": "auth",
    "OutOfMemoryError": "full",
    "ReadOnlyError": "unreachable",
    "MasterNotFoundError": "unreachable",
    "BusyLoadingError": "unreachable",
    "ConnectionError": "unreachable",
    "RedisClusterException": "unreachable",
    "OSError": "unreachable",
}


def trouble(error: Exception) -> tuple[str, str]:
    """What an error of the library is, and its text without secrets."""
    names = [cls.__name__ for cls in type(error).__mro__]
    kind = next((_KINDS[name] for name in names if name in _KINDS), "refused")
    if "MasterNotFoundError" in names:
        # The library's own text goes on with every option of every connection.
        return kind, "no sentinel names a master that answers"
    return kind, redact(str(error)) or type(error).__name__


def _host(text: str, port: int, wrong: t.Callable[[str], OptionError]) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        found, given = parts.hostname, parts.port
    except ValueError as error:
        raise wrong("url has a host that is none; give HOST or HOST:PORT, and no password") from error
    if not found:
        raise wrong("url has an empty host")
    return found, given or port


def _password(link: Link) -> str | None:
    if not link.password_file:
        return None
    try:
        return pathlib.Path(link.password_file).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(link.option, f"{link.name}: password_file {link.password_file} cannot be read") from error
