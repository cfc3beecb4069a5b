# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Redis is reached, and what its errors are."""

from __future__ import annotations

import importlib
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redis_link import (
    Link,
    connect,
    link_of,
    trouble,
)

GIVEN: dict[str, t.Any] = {"name": "redis", "url": "redis://10.0.0.1", "mode": "single"}


def test_a_server_alone() -> None:
    assert link_of("stores", GIVEN) == Link("stores", "redis", "single", (("10.0.0.1", 6379),), 0, False)
    found = link_of(
        "stores", {**GIVEN, "url": "rediss://redis.pincex.test:6380/3", "username": "flags", "ca_cert": "/ca"}
    )
    assert found == Link(
        "stores", "redis", "single", (("redis.pincex.test", 6380),), 3, True, username="flags", ca_cert="/ca"
    )
    assert link_of("stores", {**GIVEN, "url": "redis://[::1]:7000"}).hosts == (("::1", 7000),)


def test_sentinels_and_clusters_have_many_hosts() -> None:
    found = link_of("stores", {**GIVEN, "url": "redis://a,b:7000/1", "mode": "sentinel", "service": "flags"})
    assert found == Link("stores", "redis", "sentinel", (("a", 26379), ("b", 7000)), 1, False, "flags")
    found = link_of("stores", {**GIVEN, "url": "rediss://a,b", "mode": "cluster"})
    assert found == Link("stores", "redis", "cluster", (("a", 6379), ("b", 6379)), 0, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://a"}, "url has to begin with redis:// or rediss://"),
        ({"url": "redis://flags:hunter2@a"}, "url holds a user; give username and password_file"),
        # What stands before an @ is a secret, also where a # or a / ends the host.
        ({"url": "redis://:hunter2/x@a"}, "url holds a user; give username and password_file"),
        ({"url": "redis://:hunter2#x@a"}, "url holds a user; give username and password_file"),
        ({"url": "redis://"}, "url has an empty host"),
        ({"url": "redis://a:b"}, "url has a host that is none; give HOST or HOST:PORT"),
        # A user and a password without their @.
        ({"url": "redis://flags:hunter2"}, "url has a host that is none; give HOST or HOST:PORT, and no password"),
        # The library would read options out of it.
        ({"url": "redis://a?password=hunter2"}, "url goes on after a ? or a #; everything but hosts and database"),
        ({"url": "redis://a/0?username=flags&password=hunter2"}, "url goes on after a ? or a #"),
        ({"url": "redis://a#hunter2"}, "url goes on after a ? or a #"),
        ({"url": "redis://a,b"}, "url has 2 hosts; with mode single it has one"),
        ({"url": "redis://a/b"}, "url goes on after the host with more than the number of a database"),
        ({"url": "redis://a/hunter2"}, "url goes on after the host with more than the number of a database"),
        ({"mode": "sentinel"}, "service is the name of the master that sentinels watch"),
        ({"service": "flags"}, "service is the name of the master that sentinels watch"),
        ({"mode": "cluster", "url": "redis://a/2"}, "url names database 2; a cluster has only 0"),
    ],
)
def test_what_is_wrong_is_told_without_a_secret(change: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        link_of("stores", {**GIVEN, **change})
    assert caught.value.message.startswith(f"stores: redis: {said}")
    assert "hunter2" not in caught.value.message


def library(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, t.Any]]:
    """Stands for the client library; what its connections are made of."""
    made: list[dict[str, t.Any]] = []

    class Module:
        def __getattr__(self, _name: str) -> t.Any:
            return lambda *_given, **named: made.append(named)

    monkeypatch.setattr(importlib, "import_module", lambda _name: Module())
    return made


def test_the_password_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "password"
    made = library(monkeypatch)
    link = link_of("stores", {**GIVEN, "password_file": str(file)})
    with pytest.raises(OptionError, match=r"stores: redis: password_file .*/password cannot be read"):
        connect(link, 1.0)
    file.write_text("hunter2\n")
    connect(link, 1.0)
    assert made[-1]["password"] == "hunter2" and "hunter2" not in repr(link)


def test_tls_is_always_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = library(monkeypatch)
    connect(link_of("stores", {**GIVEN, "url": "rediss://a", "ca_cert": "/ca"}), 1.0)
    wanted = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": "/ca"}
    assert made[-1].items() >= wanted.items()
    connect(link_of("stores", GIVEN), 1.0)
    assert "ssl" not in made[-1] and made[-1]["socket_timeout"] == 1.0


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> t.NoReturn:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ReleaseError, match="the Python library redis is missing; install redis >= 6") as caught:
        connect(link_of("stores", GIVEN), 1.0)
    assert (caught.value.kind, caught.value.system) == ("library", "controller")


class ConnectionError(Exception):
    """As the library names them."""


class AuthenticationError(ConnectionError):
    pass


class TimeoutError(Exception):
    pass


class OutOfMemoryError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("refused"), "unreachable"),
        # It is a kind of ConnectionError, and no try would help.
        (AuthenticationError("WRONGPASS"), "auth"),
        (TimeoutError("reading"), "timeout"),
        (OutOfMemoryError("OOM"), "full"),
        (OSError("no route"), "unreachable"),
        (ValueError("WRONGTYPE"), "refused"),
    ],
)
def test_errors_of_the_library_are_mapped_once(error: Exception, kind: str) -> None:
    assert trouble(error) == (kind, str(error))


def test_an_error_without_words_has_its_name() -> None:
    assert trouble(ConnectionError()) == ("unreachable", "ConnectionError")
    assert "hunter2" not in trouble(ConnectionError("redis://flags:hunter2@a refused"))[1]
