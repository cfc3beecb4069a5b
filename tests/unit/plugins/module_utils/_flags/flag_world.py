# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set in memory: API servers, a Redis and a file, and the module run over them."""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import redis_store
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from fakes import FakeClock, FakeKube
from module_docs import checked

Json = dict[str, t.Any]

NAME: t.Final = "pincex-test"
WRITING: t.Final = {"actor": "anna", "reason": "a test"}


class MemoryRedis:
    """The commands of a store, and its script by hand. `away` raises what the library raises; `lose` drops the answer
    to the next write after it was carried out."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.published: list[tuple[str, str]] = []
        self.away = False
        self.lose = False
        #: Called before each write, once.
        self.before: t.Callable[[], None] | None = None

    def _answer(self) -> None:
        if self.away:
            raise ConnectionError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")

    def mget(self, keys: t.Sequence[str]) -> list[bytes | None]:
        self._answer()
        return [self.keys[key].encode() if key in self.keys else None for key in keys]

    def eval(self, script: str, numkeys: int, /, *given: str) -> list[bytes]:
        self._answer()
        if self.before is not None:
            before, self.before = self.before, None
            before()
        document, ledger, revision, history = given[:numkeys]
        tag, number, new_document, new_ledger, channel, oldest, *pages = given[numkeys:]
        has = self.keys.get(revision, "0")
        there = f"{self.keys.get(document, '')}\n{self.keys.get(ledger, '')}"
        if hashlib.sha1(there.encode(), usedforsecurity=False).hexdigest() != tag:
            return [b"changed", has.encode()]
        if int(has) > int(number):
            return [b"lower", has.encode()]
        kept = self.hashes.setdefault(history, {})
        kept.update(zip(pages[::2], pages[1::2], strict=True))
        kept.pop(oldest, None)
        self.keys |= {document: new_document, ledger: new_ledger, revision: number}
        self.published.append((channel, number))
        if self.lose:
            self.lose = False
            raise TimeoutError("Timeout reading from socket")
        return [b"written", number.encode()]

    def hset(self, name: str, *, mapping: t.Mapping[str, str]) -> int:
        self._answer()
        self.hashes.setdefault(name, {}).update(mapping)
        return len(mapping)

    def hget(self, name: str, key: str) -> bytes | None:
        self._answer()
        found = self.hashes.get(name, {}).get(key)
        return found.encode() if found is not None else None

    def hgetall(self, name: str) -> dict[bytes, bytes]:
        self._answer()
        return {key.encode(): value.encode() for key, value in self.hashes.get(name, {}).items()}

    def dump(self) -> Json:
        return {"keys": dict(self.keys), "hashes": {name: dict(one) for name, one in self.hashes.items()}}

    def load(self, dump: Json) -> None:
        self.keys, self.hashes = dict(dump["keys"]), {name: dict(one) for name, one in dump["hashes"].items()}


class FlagWorld:
    """The fleet's store, Redis, two regions and a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path) -> None:
        self.clock = FakeClock()
        self.redis = MemoryRedis()
        self.servers = {"management": FakeKube(), "us": FakeKube(), "eu": FakeKube()}
        self.path = folder / "flags.flagd.json"
        self.lines: list[str] = []
        #: How many users the real client is asked for, after each task.
        self.users = 0
        self.stores: list[Json] = [
            {"name": "redis", "redis": {"url": "redis://127.0.0.1"}},
            {"name": "us", "configmap": {"context": "us", "namespace": "exchange"}},
            {"name": "eu", "configmap": {"context": "eu", "namespace": "exchange"}},
            {"name": "backup", "file": {"path": str(self.path)}},
        ]
        monkeypatch.setattr(kube_module, "connect", self._connect)
        monkeypatch.setattr(redis_store, "connect", lambda _link, _patience_s: self.redis)

    def _connect(self, _kubeconfig: str, context: str, region: str, _clock: object) -> KubeApi:
        return self.servers[context].api(self.clock, region)

    def call(self, action: str, *, check_mode: bool = False, **given: t.Any) -> Json:
        """The result, which may be a failure."""
        params = {"context": "management", "namespace": "pincex-fleet", "name": NAME, "stores": self.stores}
        params |= {"evaluate": {"users": self.users}}
        if action not in ("reconcile", "status", "history"):
            params |= WRITING
        return execute(
            run,
            checked(ARGUMENT_SPEC, {**params, "action": action, **given}),
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=EMPTY_RESULT,
        )

    def good(self, action: str, **given: t.Any) -> Json:
        """The result of a task that has to succeed."""
        result = self.call(action, **given)
        assert not result.get("failed"), result.get("msg")
        assert result.keys() == {*EMPTY_RESULT, "changed", "diff"}
        return result

    def refused(self, action: str, **given: t.Any) -> str:
        """Why a task fails; its result has all keys."""
        result = self.call(action, **given)
        assert result.get("failed") and result.keys() >= {*EMPTY_RESULT, "error"} and result["verdict"] == "fail"
        return str(result["msg"])

    # -- what is there

    @staticmethod
    def ref(context: str, name: str = "pincex-flags") -> Ref:
        return Ref("v1", "ConfigMap", name, "pincex-fleet" if context == "management" else "exchange")

    def documents(self) -> dict[str, Json]:
        """What clients read, by store."""
        found = {
            context: json.loads(server.take(self.ref(context))["data"]["flags.flagd.json"])
            for context, server in self.servers.items()
        }
        found["redis"] = json.loads(self.redis.keys["{pincex-flags}:document"])
        found["backup"] = json.loads(self.path.read_text())
        return found

    def the_same(self) -> Json:
        """The document that all stores have."""
        found = self.documents()
        assert all(one == found["redis"] for one in found.values()), found
        return found["redis"]

    def flag(self, name: str) -> Json:
        return dict(self.the_same()["flags"][name])

    def everything(self) -> Json:
        """All that is stored anywhere, for a look at what a task has changed."""
        objects = {name: {ref: one.obj for ref, one in server.stored.items()} for name, server in self.servers.items()}
        files = {str(path): path.read_text() for path in sorted(self.path.parent.rglob("*.json"))}
        return {"redis": self.redis.dump(), "objects": objects, "files": files}

    # -- what goes wrong

    def cut(self, context: str) -> None:
        """That API server does not answer any more."""

        def away(_request: object) -> None:
            raise NoAnswer("connection refused", timeout=False, sent=False, hopeless=True)

        self.servers[context].before.append(away)

    def mend(self, context: str) -> None:
        self.servers[context].before.clear()
