# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of the lab on loopback, without Kubernetes: two versions, the recorder, a real Redis, and the driver."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import http.client
import json
import pathlib
import sys
import time
import typing as t

import pytest
import redis
from mlflow_server import MlflowServer
from powerdns_server import LOOPBACK, free_ports
from powerdns_server import Server as Process
from redis_server import install

from lab.models import streams, truth
from lab.models.drive import Drive, Plan
from lab.models.registry_server import NAME_TAG, Server, register
from lab.models.service.kinds import KINDS
from lab.models.service.versions import CHAMPION, VERSIONS

MODEL: t.Final = "order-book"
CHALLENGER: t.Final = "v2.1.0"
PASSWORDS: t.Final = {streams.WRITER: "one-of-the-tests", streams.READER: "another-of-the-tests"}
#: Programs start in tenths of seconds; a machine that is busy may take its time.
PATIENCE_S: t.Final = 60.0


@contextlib.contextmanager
def program(folder: pathlib.Path, name: str, command: list[str], port: int) -> c.Iterator[None]:
    """A program that listens at the port, until it does and until the end of the block."""
    server = Process(command, folder / f"{name}.log")
    try:
        deadline = time.monotonic() + PATIENCE_S
        while fetch(port, "/health/ready")[0] != 200:
            assert server.dead is None, server.dead
            assert time.monotonic() < deadline, (folder / f"{name}.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        server.stop()


def fetch(port: int, path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""


@pytest.fixture
def redis_port(tmp_path: pathlib.Path) -> c.Iterator[int]:
    """The Redis of the lab's models, with its users."""
    install()
    (port,) = free_ports(1)
    (tmp_path / "redis.conf").write_text(streams.config(tmp_path, LOOPBACK, PASSWORDS, port))
    server = Process(["redis-server", str(tmp_path / "redis.conf")], tmp_path / "redis.log")
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not streams.answers(reader(port)):
            assert server.dead is None, server.dead
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        server.stop()


def reader(port: int) -> redis.Redis:
    return redis.Redis(LOOPBACK, port, username=streams.READER, password=PASSWORDS[streams.READER])


@pytest.fixture
def recorder_port(tmp_path: pathlib.Path, redis_port: int) -> c.Iterator[int]:
    (port,) = free_ports(1)
    (tmp_path / "password").write_text(PASSWORDS[streams.WRITER] + "\n")
    url = f"redis://{streams.WRITER}@{LOOPBACK}:{redis_port}"
    options = [f"--port={port}", f"--redis={url}", f"--password-file={tmp_path}/password"]
    with program(tmp_path, "recorder", [sys.executable, "-m", "lab.models.recorder", *options], port):
        yield port


@contextlib.contextmanager
def service(folder: pathlib.Path, version: str, recorder_port: int) -> c.Iterator[int]:
    """One version of the model as a process, as it runs in a pod."""
    (port,) = free_ports(1)
    env = {"PINCEX_SERVICE": MODEL, "PINCEX_VERSION": version, "PINCEX_SLOT": "blue", "LINGER_S": "0"}
    env |= {"PORT": str(port), "RECORDER_URL": f"http://{LOOPBACK}:{recorder_port}"}
    settings = [f"{name}={value}" for name, value in env.items()]
    with program(folder, version, ["env", *settings, sys.executable, "-m", "lab.models.service"], port):
        yield port


def plan(port: int, recorder_port: int) -> Plan:
    return Plan(
        gateway=f"http://{LOOPBACK}:{port}",
        recorder=f"http://{LOOPBACK}:{recorder_port}",
        region="us-east-1",
        hosts={MODEL: f"{MODEL}.models.lab"},
        models=(MODEL,),
        rate=100,
        seconds=3,
        label_s=0.5,
    )


async def test_answers_of_both_versions_and_labels_meet_in_the_records(
    tmp_path: pathlib.Path, redis_port: int, recorder_port: int
) -> None:
    began = time.time()
    with service(tmp_path, CHAMPION, recorder_port) as one, service(tmp_path, CHALLENGER, recorder_port) as other:
        # The same requests to both, as a mirror sends them.
        drives = [Drive(plan(port, recorder_port), "fixed") for port in (one, other)]
        await asyncio.gather(*(drive.run() for drive in drives))
    # A service that ends has sent all its records before.
    for drive, version in zip(drives, (CHAMPION, CHALLENGER), strict=True):
        report = drive.report()[MODEL]
        assert (report["sent"], report["failed"], report["labels"], report["labels_lost"]) == (300, 0, 300, 0)
        assert report["versions"][version]["answers"] == 300
        # Each by the time table, whatever the others took, and in unix time.
        due = sorted(one.due_at for one in drive.asked)
        assert [at - due[0] for at in due] == pytest.approx([number / 100 for number in range(300)], abs=1e-4)
        assert began <= due[0] and max(one.due_at + one.took_s for one in drive.asked) <= time.time()
    status, text = fetch(recorder_port, f"/records/{MODEL}?since={began - 1}")
    records = [json.loads(line) for line in text.splitlines()]
    assert status == 200
    answers = {(one["version"], one["id"]): one for one in records if "version" in one}
    labels = {one["id"]: one for one in records if "label" in one}
    assert len(answers) == 600
    assert {name for version, name in answers if version == CHAMPION} == set(labels)
    kind = KINDS[MODEL]
    right = {
        version: sum(truth.is_right(kind, answers[version, name]["out"], one["label"]) for name, one in labels.items())
        for version in (CHAMPION, CHALLENGER)
    }
    assert right[CHALLENGER] > right[CHAMPION] > 0.8 * 300
    # A label is known after its request.
    assert all(one["ts"] > answers[CHAMPION, name]["ts"] for name, one in labels.items())
    # What the recorder gives is what a reader finds in Redis.
    found = reader(redis_port).xrange(streams.key(MODEL, "answers"))
    assert sorted(json.dumps(json.loads(fields[streams.FIELD])) for _id, fields in found) == sorted(
        json.dumps(one) for one in records if "version" in one
    )
    with pytest.raises(redis.exceptions.NoPermissionError):
        reader(redis_port).xadd(streams.key(MODEL, "answers"), {"record": "{}"})


def post(port: int, path: str, body: bytes) -> int:
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        connection.request("POST", path, body)
        return connection.getresponse().status


def test_the_recorder_refuses_what_it_does_not_know(recorder_port: int) -> None:
    assert post(recorder_port, "/answers/no-model", b'{"id":"1"}') == 404
    assert post(recorder_port, f"/answers/{MODEL}", b"half a line") == 400
    assert fetch(recorder_port, f"/records/{MODEL}?since=yesterday")[0] == 400
    assert fetch(recorder_port, f"/records/{MODEL}") == (200, b"")


def test_records_are_read_by_the_time_of_their_arrival(recorder_port: int) -> None:
    for number in range(12_000 // 400):
        lines = b"\n".join(b'{"id":"%d"}' % (number * 400 + one) for one in range(400))
        assert post(recorder_port, f"/answers/{MODEL}", lines) == 204
    _status, everything = fetch(recorder_port, f"/records/{MODEL}")
    # Three pages of Redis, in the order of their arrival.
    assert [json.loads(line)["id"] for line in everything.splitlines()] == [str(number) for number in range(12_000)]
    time.sleep(0.01)
    middle = time.time()
    time.sleep(0.01)
    assert post(recorder_port, f"/labels/{MODEL}", b'{"id":"late","label":"up"}') == 204
    assert fetch(recorder_port, f"/records/{MODEL}?until={middle}")[1] == everything
    assert fetch(recorder_port, f"/records/{MODEL}?since={middle}")[1] == b'{"id":"late","label":"up"}\n'


def test_without_redis_the_recorder_says_so_and_lives(tmp_path: pathlib.Path) -> None:
    port, nobody = free_ports(2)
    options = [f"--port={port}", f"--redis=redis://{LOOPBACK}:{nobody}"]
    with program(tmp_path, "recorder", [sys.executable, "-m", "lab.models.recorder", *options], port):
        assert post(port, f"/answers/{MODEL}", b'{"id":"1"}') == 503
        assert fetch(port, "/health/ready")[0] == 200


def test_the_models_are_registered_in_a_real_mlflow(tmp_path: pathlib.Path) -> None:
    server = MlflowServer(tmp_path / "mlflow")
    server.start()
    try:
        registry = Server(LOOPBACK, server.port)
        # The second time finds everything there.
        for _turn in range(2):
            register(registry, KINDS, list(VERSIONS), CHAMPION)
        for model in KINDS:
            found = registry.must("GET", f"registered-models/get?name={model}")["registered_model"]
            (alias,) = found["aliases"]
            versions = registry.must("GET", f"model-versions/search?filter=name%3D%27{model}%27")["model_versions"]
            names = {one["version"]: tag["value"] for one in versions for tag in one["tags"] if tag["key"] == NAME_TAG}
            assert sorted(names.values()) == list(VERSIONS)
            assert (alias["alias"], names[alias["version"]]) == ("champion", CHAMPION)
    finally:
        server.stop()
