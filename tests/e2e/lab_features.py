# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's feature flags as they lie in their stores, and as clients of the exchange meet them."""

from __future__ import annotations

import collections
import http.client
import itertools
import json
import pathlib
import threading
import time
import typing as t

import redis
from lab_run import lab_state

from lab.flow.mix import order_body
from lab.kube import Kube
from lab.model import Lab, Site
from lab.up import FLEET_NAMESPACE

_HOST: t.Final = "core-api.exchange.lab"
_KEYS: t.Final = "{pincex-flags}"
_MAP: t.Final = "pincex-flags"
_DOCUMENT: t.Final = "flags.flagd.json"
#: Accounts that the engine knows from its beginning.
ACCOUNTS: t.Final = tuple(f"a{number:03d}" for number in range(40))
#: Between two orders of one client.
_PAUSE_S: t.Final = 0.01

#: Status, the exchange's code and the version that answered; the status is 0 for no answer at all.
Answer = tuple[int, str, str]


class FlagStores:
    """Everything that flag_set keeps, read past it."""

    def __init__(self, lab: Lab) -> None:
        told = lab_state()["flags"]
        password = pathlib.Path(told["password_file"]).read_text().strip()
        self._redis = redis.Redis.from_url(told["redis"], username=told["username"], password=password)
        self._backup = pathlib.Path(told["backup"])
        self._clusters = {"fleet": (Kube(lab.management.admin_kubeconfig), FLEET_NAMESPACE)}
        self._clusters |= {site.name: (Kube(site.admin_kubeconfig), "exchange") for site in lab.regions}

    def documents(self) -> dict[str, str]:
        """By store the text that clients read; empty where there is none."""
        found = {name: self._map(kube, space) for name, (kube, space) in self._clusters.items()}
        found["redis"] = bytes(self._redis.get(f"{_KEYS}:document") or b"").decode()
        return {**found, "backup": self._backup.read_text() if self._backup.exists() else ""}

    def flag(self, name: str) -> dict[str, t.Any]:
        """What clients read of this flag, which is the same in every store. Without the revision that changed it."""
        documents = self.documents()
        assert len(set(documents.values())) == 1, documents
        found = t.cast("dict[str, t.Any]", json.loads(documents["fleet"])["flags"][name])
        found.get("metadata", {}).pop("version", None)
        return found

    def everything(self) -> dict[str, t.Any]:
        """Documents, ledgers, histories and what was lost, with what any write changes of each."""
        found: dict[str, t.Any] = {
            f"redis {key}": self._redis.get(f"{_KEYS}:{key}") for key in ("document", "ledger", "revision")
        }
        found |= {f"redis {key}": self._redis.hgetall(f"{_KEYS}:{key}") for key in ("history", "lost")}
        for name, (kube, space) in self._clusters.items():
            for obj in kube.list("v1", "ConfigMap", space):
                if obj["metadata"]["name"].startswith(_MAP):
                    found[f"{name} {obj['metadata']['name']}"] = obj["metadata"]["resourceVersion"]
        for path in self._backup.parent.rglob("*"):
            found[str(path)] = (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        return found

    @staticmethod
    def _map(kube: Kube, namespace: str) -> str:
        return str(((kube.get("v1", "ConfigMap", _MAP, namespace) or {}).get("data") or {}).get(_DOCUMENT, ""))


class MarginOrders:
    """Clients of every region whose orders all have "margin": true, of one account after the other."""

    def __init__(self, lab: Lab) -> None:
        #: Region, account and what was answered, in the order of each region.
        self.answers: list[tuple[str, str, Answer]] = []
        self._run = f"{time.time_ns():x}"
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._go, args=(site,), daemon=True) for site in lab.regions]

    def __enter__(self) -> t.Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def counted(self, since: int = 0) -> collections.Counter[tuple[int, str]]:
        """How often each status and code was answered, without the first `since` answers."""
        return collections.Counter(answer[:2] for _region, _account, answer in self.answers[since:])

    def next_answers(self, count: int) -> collections.Counter[tuple[int, str]]:
        """What so many further orders are answered, of all regions together."""
        begin, end = len(self.answers), time.monotonic() + 30
        while len(self.answers) < begin + count:
            assert time.monotonic() < end, f"{len(self.answers) - begin} of {count} answers"
            time.sleep(0.05)
        return self.counted(begin)

    def _go(self, site: Site) -> None:
        connection = http.client.HTTPConnection(site.address, 80, timeout=20)
        for number, account in enumerate(itertools.cycle(ACCOUNTS)):
            if self._end.wait(_PAUSE_S):
                connection.close()
                return
            identity = f"margin-{site.name}-{self._run}-{number}"
            self.answers.append((site.name, account, _place(connection, identity, account)))


def place_margin_order(site: Site) -> Answer:
    """What one client of this region is answered to an order on margin."""
    connection = http.client.HTTPConnection(site.address, 80, timeout=20)
    try:
        return _place(connection, f"margin-{site.name}-{time.time_ns():x}", ACCOUNTS[0])
    finally:
        connection.close()


def _place(connection: http.client.HTTPConnection, identity: str, account: str) -> Answer:
    order = json.loads(order_body(identity, resting=False)) | {"account": account, "margin": True}
    try:
        connection.request("POST", "/orders", json.dumps(order), {"Host": _HOST})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, str(json.loads(body).get("code", "")), answer.headers["x-version"] or ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return 0, f"{type(error).__name__}: {error}", ""
