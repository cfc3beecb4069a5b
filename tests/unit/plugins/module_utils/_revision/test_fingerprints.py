# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by name and keyed hash."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.fingerprints import fingerprints
from fakes import FakeClock, FakeKube, answer_with


def secret(name: str, **data: str) -> dict[str, object]:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "exchange"}, "data": coded}


def hashes(server: FakeKube, *names: str) -> dict[str, str | None]:
    found = fingerprints(server.api(FakeClock()), "exchange", names)
    assert "hunter2" not in json.dumps(found)
    return {entry["name"]: entry["hash"] for entry in found}


@pytest.fixture
def server() -> FakeKube:
    server = FakeKube()
    server.put(secret("database", password="hunter2", user="exchange"))
    server.put(secret("pincex-release-key", key="0123456789abcdef"))
    return server


def test_the_hash_changes_with_the_secret_and_with_the_key_and_with_nothing_else(server: FakeKube) -> None:
    first = hashes(server, "database")["database"]
    assert first is not None
    assert len(first) == 64
    server.put(secret("database", user="exchange", password="hunter2"))
    assert hashes(server, "database") == {"database": first}
    server.put(secret("database", password="hunter3", user="exchange"))
    rotated = hashes(server, "database")["database"]
    server.put(secret("database", password="hunter2", user="exchange"))
    server.put(secret("pincex-release-key", key="fedcba9876543210"))
    other = hashes(server, "database")["database"]
    assert len({first, rotated, other}) == 3


def test_no_secrets_nothing_asked(server: FakeKube) -> None:
    assert hashes(server) == {}
    assert server.requests == []


@pytest.mark.parametrize("key", [None, "", "short"])
def test_without_a_key_names_only(server: FakeKube, key: str | None) -> None:
    server.put(secret("pincex-release-key", **({} if key is None else {"key": key})))
    assert hashes(server, "database", "absent") == {"absent": None, "database": None}


def test_who_may_not_read_secrets_records_names_after_one_question(server: FakeKube) -> None:
    server.denied.add(("get", "secrets"))
    assert hashes(server, "b", "a") == {"a": None, "b": None}
    assert [request.path for request in server.requests if "secrets" in request.path] == [
        "/api/v1/namespaces/exchange/secrets/pincex-release-key"
    ]


def test_one_secret_that_we_may_not_read_or_that_is_not_there(server: FakeKube) -> None:
    server.before.append(answer_with(403, path="/secrets/hidden"))
    found = hashes(server, "absent", "database", "hidden")
    assert (found["absent"], found["hidden"]) == (None, None)
    assert found["database"]


def test_a_server_that_is_down_is_no_missing_right(server: FakeKube) -> None:
    server.before.append(answer_with(500, times=99, path="/secrets/database"))
    with pytest.raises(ApiError):
        hashes(server, "database")
