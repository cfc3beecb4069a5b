# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as files: a line that says what it is, the records of the state, and a line with the SHA-256 of all that.

They are written and read line by line, so a snapshot costs no memory of its own. With many orders it takes seconds, and
nobody shall wait for it: a fork of the process sees the state of one instant and does the work aside.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pathlib
import signal
import traceback
import typing as t

from .http_client import HttpClient, HttpFailure
from .orders import Refusal
from .pairs import Pair
from .projection import PROJECTION, proof
from .state import SnapshotError, from_snapshot, to_snapshot
from .venue import FORMATS, Venue

Manifest = dict[str, t.Any]
#: Work on fewer orders takes less than 50 ms, and a fork of a large process takes longer than it looks.
_FEW_ORDERS: t.Final = 5000
_FEW_BYTES: t.Final = 500_000
#: What is fetched at once from another engine.
PART: t.Final = 1 << 20
_PART_S: t.Final = 10.0


def write(path: pathlib.Path, venue: Venue, offset: int, proved: bool = True) -> Manifest:
    """Replace the snapshot in one step: a kill at any instant leaves the old one or the new one. Returns its manifest.

    `offset` is the size of the journal that has made this state. A proof takes time again, which an end may not have.
    """
    made = proof(venue) if proved else None
    manifest = {
        "format": venue.format,
        "projection": PROJECTION,
        "sequence": venue.sequence,
        "epoch": venue.epoch.number,
        "journal_offset": offset,
        "orders": len(venue.orders),
        "state_hash": made and made["state_hash"],
        "proof": made,
    }
    digest = hashlib.sha256()
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        _put(file, digest, manifest)
        for values in to_snapshot(venue):
            _put(file, digest, values)
        file.write(json.dumps({"sha256": digest.hexdigest()}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return {**manifest, "sha256": digest.hexdigest()}


def _put(file: t.BinaryIO, digest: t.Any, value: t.Any) -> None:
    line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
    digest.update(line)
    file.write(line)


def check(path: pathlib.Path) -> Manifest:
    """The manifest of a whole snapshot, with its `sha256`. Raises SnapshotError."""
    digest, before = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            first = file.readline()
            digest.update(first)
            for line in file:
                digest.update(before)
                before = line
        found = json.loads(before)["sha256"]
        if found != digest.hexdigest():
            raise SnapshotError("the snapshot's sha256 is not that of its content")
        return {**json.loads(first), "sha256": found}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {error}") from error


def load(path: pathlib.Path, pairs: t.Mapping[str, Pair], reads: tuple[int, ...] = FORMATS) -> Venue:
    """The venue of a snapshot that was checked. Raises SnapshotError."""
    try:
        with path.open("rb") as file:
            file.readline()
            return from_snapshot(_records(file), pairs, reads)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(str(error)) from error


def _records(file: t.BinaryIO) -> t.Iterator[t.Any]:
    for line in file:
        record = json.loads(line)
        yield record
        if record[0] == "end":
            return


def proof_of(path: pathlib.Path, pairs: t.Mapping[str, Pair], reads: tuple[int, ...]) -> t.Any:
    """Load a snapshot that was checked and prove what it holds."""
    return proof(load(path, pairs, reads))


async def aside(work: t.Callable[[], t.Any], orders: int = 0, size: int = 0) -> t.Any:
    """Do it in a fork of this process when there is much to do, and return its JSON. Raises SnapshotError."""
    if orders < _FEW_ORDERS and size < _FEW_BYTES:
        return work()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        _work_and_exit(work, write_end)
    os.close(write_end)
    text = await asyncio.to_thread(_collect, child, read_end)
    found = json.loads(text) if text else {"error": "the process that worked on it has ended early"}
    if "error" in found:
        raise SnapshotError(found["error"])
    return found["result"]


def _collect(child: int, read_end: int) -> bytes:
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def _work_and_exit(work: t.Callable[[], t.Any], write_end: int) -> t.NoReturn:
    """In the child: nothing of the event loop may run here, and nothing that the parent has open may stay open."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # The sockets, and the lock on the journal, would outlive a parent that is killed.
        os.closerange(3, write_end)
        os.closerange(write_end + 1, 65536)
        try:
            found = {"result": work()}
        except SnapshotError as error:
            found = {"error": str(error)}
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(json.dumps(found).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def part_of(path: pathlib.Path, offset: int) -> bytes:
    """So many bytes of a snapshot; empty at its end."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PART)


async def fetch(url: str, sha256: str, path: pathlib.Path) -> None:
    """Copy the snapshot of another engine to `path`. Raises Refusal."""
    client = HttpClient(url)
    try:
        with path.open("wb") as file:
            while True:
                answer = await client.request(
                    "GET", f"/control/snapshot?sha256={sha256}&offset={file.tell()}", timeout_s=_PART_S
                )
                if answer.status != 200:
                    raise Refusal(422, f"{url} answered {answer.status} to a request for its snapshot")
                if not answer.body:
                    return
                file.write(answer.body)
    except HttpFailure as failure:
        raise Refusal(422, f"{url} does not give its snapshot: {failure}") from failure
    finally:
        client.close()
