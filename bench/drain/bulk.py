# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Books of 10,000, 100,000 and 1,000,000 open orders: time and memory of snapshot, proof and comparison.

Two engines and nothing else: a gateway's part does not depend on the book, and orders that come meanwhile would be
measured as well. So I2 and I9, which gateways tell, are not known here.
"""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import pathlib
import shutil
import sys
import tempfile
import typing as t

from drain_region import Program

from bench.drain.figures import NONE, Json, handover_rows, steps_s
from bench.drain.handover import MEMORY_MB, versions
from bench.drain.region import loads, run_module
from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, Goal, row

SIZES: t.Final = (10_000, 100_000, 1_000_000)
_ROUNDS: t.Final = 3
_MOST_S: t.Final = 60.0
#: Time per order of the largest book, over that of the one before.
_LINEAR: t.Final = 2.0
_SAMPLE_S: t.Final = 0.5
#: One of these is waited for: a machine that needs longer has failed.
_STEP_S: t.Final = 300.0
_START_S: t.Final = 600.0


@dataclasses.dataclass
class Book:
    """What was measured of one size: one of each for every round. Memory in MB."""

    orders: int
    drains: list[Json] = dataclasses.field(default_factory=list)
    handovers: list[Json] = dataclasses.field(default_factory=list)
    module_mb: list[float | None] = dataclasses.field(default_factory=list)
    #: By engine: what it needs without being asked anything, and at most, with the processes that it forks.
    at_rest_mb: dict[str, list[float | None]] = dataclasses.field(default_factory=dict)
    most_mb: dict[str, list[float | None]] = dataclasses.field(default_factory=dict)

    def seconds(self) -> list[float | None]:
        """Snapshot, proof and comparison."""
        return [steps["snapshot"] + steps["prove"] for steps in map(steps_s, self.drains)]


def memory_mb(pid: int) -> float:
    """Of a process and its children, with what they share counted once."""
    found = 0
    for one in (str(pid), *_children(pid)):
        # A child may have ended meanwhile.
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
            found += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return found / 1024


def _children(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return []


@contextlib.asynccontextmanager
async def _sampled(engines: c.Sequence[Program], book: Book) -> c.AsyncIterator[None]:
    most = {engine.name: 0.0 for engine in engines}

    async def watch() -> None:
        while True:
            for engine in engines:
                assert engine._process is not None
                found = await asyncio.to_thread(memory_mb, engine._process.pid)
                most[engine.name] = max(most[engine.name], found)
            await asyncio.sleep(_SAMPLE_S)

    task = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    for name, found in most.items():
        book.most_mb.setdefault(name, []).append(found)


async def _ready(engine: Program) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            # It has a limit of its own, which is less than a large book takes to load.
            with contextlib.suppress(TimeoutError):
                return await engine.ready()


@contextlib.asynccontextmanager
async def _engines(orders: int, folder: pathlib.Path) -> c.AsyncIterator[tuple[Program, Program]]:
    record = {"EPOCH_RECORD": str(folder / "epoch.json")}
    old = Program(folder, "blue", "matching-engine", ENGINE_NAME="blue", **record)
    follows = {"FOLLOW_URL": old.url, **record}
    new = Program(folder, "green", "matching-engine", "v2", ENGINE_NAME="green", **follows)
    writer = [sys.executable, "-m", "bench.drain.book", str(orders), str(old.data)]
    child = await asyncio.create_subprocess_exec(*writer, stdout=asyncio.subprocess.DEVNULL, cwd=ROOT)
    try:
        assert await child.wait() == 0, "the book was not written"
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    for name in ("journal.jsonl", "snapshot.jsonl"):
        shutil.copy(old.data / name, new.data / name)
    try:
        for engine in (old, new):
            engine.start()
        await asyncio.gather(_ready(old), _ready(new))
        yield old, new
    finally:
        for engine in (old, new):
            engine.kill()


async def _round(old: Program, new: Program, book: Book) -> None:
    """A full drain and back, and a handover and back, so that the next round begins as this one did."""
    for engine in (old, new):
        assert engine._process is not None
        book.at_rest_mb.setdefault(engine.name, []).append(memory_mb(engine._process.pid))
    common = {
        "engine": {"url": old.url},
        "allow_unknown": ["I2", "I9"],
        "min_disk_free_mb": 1,
        "deadline_s": 4 * _STEP_S,
        "step_s": {"snapshot": _STEP_S, "prove": _STEP_S},
    }
    full = {**common, "way": "full", "mode": "halted", "prove": {"url": new.url}}
    back = {**full, "state": "online", "resume": {"cancel_only_s": 0.0, "post_only_s": 0.0}}
    handover = {**common, "way": "handover", "cut_deadline_s": _STEP_S / 2, "state": "drained"}
    async with _sampled((old, new), book):
        drained = await run_module({**full, "state": "drained"})
        await run_module(back)
        there = await run_module({**handover, "new_engine": {"url": new.url}})
        again = await run_module({**handover, "engine": {"url": new.url}, "new_engine": {"url": old.url}})
    for ran in (drained, there, again):
        assert not ran.good().get("failed"), ran.good()["msg"]
    peaks = [ran.peak_mb for ran in (drained, there, again) if ran.peak_mb is not None]
    book.drains.append(drained.good())
    book.handovers.append(there.good())
    book.module_mb.append(max(peaks))
    print(f"{book.orders:,} orders: {book.seconds()[-1]:.2f} s, module {max(peaks):.0f} MB; {loads()}", flush=True)


async def _measure(orders: int, rounds: int) -> Book:
    book = Book(orders)
    with tempfile.TemporaryDirectory(prefix="bench-drain-") as folder:
        async with _engines(orders, pathlib.Path(folder)) as (old, new):
            for _ in range(rounds):
                await _round(old, new, book)
    return book


def measure(options: Options) -> Measured:
    return Measured(rows([asyncio.run(_measure(orders, options.rounds or _ROUNDS)) for orders in SIZES]), versions())


def rows(books: c.Sequence[Book]) -> list[Row]:
    made: list[Row] = []
    before: Book | None = None
    for book in books:
        case = f"{book.orders:,} open orders"
        largest = book is books[-1]
        made.append(row(case, "snapshot, proof and comparison", book.seconds(), Goal(_MOST_S)))
        found = [steps_s(one) for one in book.drains]
        made += [row(case, f"of it {step}", [one.get(step) for one in found], Goal()) for step in ("snapshot", "prove")]
        per_order = [one and 1e6 * one / book.orders for one in book.seconds()]
        made.append(row(case, "per order", per_order, Goal(), "us"))
        if before is not None:
            made.append(row(case, "per order, over the book before", _ratio(book, before), _growth(largest), "ratio"))
        unproved = [float(not _proved(one)) for one in (*book.drains, *book.handovers)]
        made.append(row(case, "not proved", unproved, NONE, "count"))
        made.append(row(case, "memory of the module", book.module_mb, Goal(MEMORY_MB), "MB"))
        for name in sorted(book.at_rest_mb):
            made.append(row(case, f"engine {name} at rest", book.at_rest_mb[name], Goal(), "MB"))
            made.append(row(case, f"engine {name} at most, with its forks", book.most_mb[name], Goal(), "MB"))
        made += handover_rows(case, book.handovers, Goal())[:2]
        before = book
    return made


def _growth(largest: bool) -> Goal:
    # Of small books a ratio tells what is the same for all of them.
    return Goal(_LINEAR, of="median") if largest else Goal()


def _ratio(book: Book, before: Book) -> list[float | None]:
    """Time per order, round by round."""
    pairs = zip(book.seconds(), before.seconds(), strict=True)
    return [one / other * before.orders / book.orders if one and other else None for one, other in pairs]


def _proved(result: Json) -> bool:
    """All that two engines alone can tell."""
    verdicts = {one["id"]: one["verdict"] for one in result["invariants"]}
    own = ("I1", "I3", "I4", "I5", "I6", "I7", "I8")
    return not result.get("failed") and all(verdicts.get(number) == "pass" for number in own)
