# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one record per region that says which engine writes, under which epoch. It changes by compare-and-swap only."""

from __future__ import annotations

import dataclasses
import fcntl
import http.client
import json
import os
import pathlib
import ssl
import typing as t

_SERVICE_ACCOUNT: t.Final = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
_KEY: t.Final = "record"
#: One request to the Kubernetes API.
_TIMEOUT_S: t.Final = 3.0


class RecordAway(Exception):
    """The record cannot be reached. A change that was under way may have been made."""


@dataclasses.dataclass(frozen=True)
class Record:
    """`sequence` is the number of the event with which the owner opened the epoch, or returned to it.

    A follower whose journal ends before that event has not seen the return, and must not open the next epoch.
    """

    epoch: int
    owner: str
    sequence: int = 0


class Found(t.NamedTuple):
    """What the record says, and the token that a swap has to show."""

    record: Record
    version: str


class EpochRecord(t.Protocol):
    """All three raise RecordAway. They block: call them in a thread while somebody trades."""

    def read(self) -> Found | None:
        """None when there is no record."""

    def create(self, record: Record) -> bool:
        """False when there is one already."""

    def swap(self, found: Found, record: Record) -> bool:
        """False when it is not what was found any more."""


def take(store: EpochRecord, wanted: Record) -> Record | None:
    """Swap the record to what is wanted: the next epoch, or the owner's return to its own.

    None when that is done, also by an earlier try whose answer was lost; else what the record says instead. Raises
    RecordAway, and LookupError without a record.
    """
    while True:
        found = store.read()
        if found is None:
            raise LookupError("there is no epoch record")
        now = found.record
        if now == wanted:
            return None
        closed = wanted.epoch if now.owner == wanted.owner else wanted.epoch - 1
        if now.epoch != closed or now.sequence >= wanted.sequence:
            return now
        if store.swap(found, wanted):
            return None


class FileRecord:
    """A file that the engines share, with a lock file beside it."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def read(self) -> Found | None:
        try:
            held = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RecordAway(f"{self._path}: {error}") from error
        version = str(held.pop("version"))
        return Found(Record(**held), version)

    def create(self, record: Record) -> bool:
        return self._change(None, record)

    def swap(self, found: Found, record: Record) -> bool:
        return self._change(found, record)

    def _change(self, expected: Found | None, record: Record) -> bool:
        try:
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.read() != expected:
                    return False
                version = int(expected.version) + 1 if expected is not None else 1
                temporary = self._path.with_suffix(".new")
                with temporary.open("w") as file:
                    json.dump({**dataclasses.asdict(record), "version": version}, file)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
                return True
        except OSError as error:
            raise RecordAway(f"{self._path}: {error}") from error


#: Method, path and body to status and answer; raises OSError or http.client.HTTPException.
Transport = t.Callable[[str, str, t.Any], tuple[int, t.Any]]


class ConfigMapRecord:
    """A ConfigMap. Its resourceVersion is the token: the API server refuses a write that shows an older one."""

    def __init__(self, namespace: str, name: str, transport: Transport) -> None:
        self._maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self._name = name
        self._transport = transport

    def read(self) -> Found | None:
        status, found = self._send("GET", f"{self._maps}/{self._name}", None)
        text = found.get("data", {}).get(_KEY) if status == 200 else None
        if status == 404 or (status == 200 and text is None):
            return None
        if text is None:
            raise RecordAway(f"ConfigMap {self._name}: the API server answered {status}")
        return Found(Record(**json.loads(text)), found["metadata"]["resourceVersion"])

    def create(self, record: Record) -> bool:
        return self._write("POST", self._maps, record, {})

    def swap(self, found: Found, record: Record) -> bool:
        return self._write("PUT", f"{self._maps}/{self._name}", record, {"resourceVersion": found.version})

    def _write(self, method: str, path: str, record: Record, metadata: dict[str, str]) -> bool:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name, **metadata},
            "data": {_KEY: json.dumps(dataclasses.asdict(record))},
        }
        status, _ = self._send(method, path, body)
        # 404: somebody has deleted it meanwhile.
        if status in (404, 409):
            return False
        if status not in (200, 201):
            raise RecordAway(f"ConfigMap {self._name}: the API server answered {status}")
        return True

    def _send(self, method: str, path: str, body: t.Any) -> tuple[int, t.Any]:
        try:
            return self._transport(method, path, body)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise RecordAway(f"ConfigMap {self._name}: {error}") from error


def in_cluster(env: t.Mapping[str, str], account: pathlib.Path = _SERVICE_ACCOUNT) -> Transport:
    """Requests to the Kubernetes API as the pod's service account. Raises KeyError or OSError outside of a pod."""
    host, port = env["KUBERNETES_SERVICE_HOST"], int(env.get("KUBERNETES_SERVICE_PORT") or 443)
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def send(method: str, path: str, body: t.Any) -> tuple[int, t.Any]:
        # The token is renewed on disk.
        token = (account / "token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return send


def record_of(setting: str, default: pathlib.Path, env: t.Mapping[str, str]) -> EpochRecord:
    """What the setting EPOCH_RECORD names: a path, `configmap:NAME`, or the default path when it is empty."""
    kind, _, name = setting.partition(":")
    if kind == "configmap":
        namespace = (_SERVICE_ACCOUNT / "namespace").read_text(encoding="ascii").strip()
        return ConfigMapRecord(namespace, name, in_cluster(env))
    return FileRecord(pathlib.Path(setting) if setting else default)
