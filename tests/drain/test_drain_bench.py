# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark of the drain that is told to end takes its processes with it."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys

import pytest
from drain_region import PATIENCE_S, ROOT

#: A part that starts one engine and one run of the module, and waits for ever.
PART = """
import asyncio, pathlib, sys
from drain_region import Program
from bench import command
from bench.drain import __main__ as drain, region

folder = pathlib.Path(sys.argv.pop())


async def run():
    engine = Program(folder, "blue", "matching-engine", ENGINE_NAME="blue")
    engine.start()
    try:
        print(engine._process.pid, flush=True)
        # Nobody answers there, and the module is patient.
        away = {"url": "http://127.0.0.1:9"}
        await region.run_module({"state": "status", "engine": away, "timeout_s": 300})
    finally:
        engine.kill()


command.measure = lambda bench, part, options: asyncio.run(run())
sys.exit(drain.main())
"""


#: As `make bench-drain` has it.
PATHS = (
    ROOT,
    ROOT / ".venv" / "collections",
    ROOT / "tests" / "drain",
    ROOT / "tests" / "unit" / "plugins" / "module_utils" / "_drain",
)


def children(pid: int) -> list[int]:
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_engines_and_the_module(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    bench = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PART, "many", str(tmp_path)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ":".join(map(str, PATHS))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert bench.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = b"begins"
            while line and not line.strip().isdigit():
                line = await bench.stdout.readline()
            assert line, (await bench.communicate())[1].decode()
            while len(found := children(bench.pid)) < 2:
                await asyncio.sleep(0.05)
            bench.send_signal(number)
            await bench.communicate()
        assert bench.returncode == -signal.SIGINT
        assert not [child for child in found if pathlib.Path(f"/proc/{child}").exists()]
    finally:
        if bench.returncode is None:
            bench.kill()
