# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes that begin at the same time, however long each of them took to start.

Such a process reads its options from standard input, as one line of JSON, says READY, begins with the next line, and
prints what came of it as JSON.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import subprocess
import sys
import typing as t

from bench.results import ROOT
from lab.errors import LabError

READY: t.Final = "ready"
_END_S: t.Final = 600

Child = subprocess.Popen[str]


@contextlib.contextmanager
def waiting(module: str, options: c.Iterable[t.Any]) -> c.Iterator[list[Child]]:
    """A process `python -m MODULE` for each of these options, all ready to begin; gone after the block. Raises
    LabError when one does not get ready."""
    with contextlib.ExitStack() as stack:
        given = list(options)
        children = [stack.enter_context(_process(module)) for _ in given]
        for child, one in zip(children, given, strict=True):
            _say(child, json.dumps(one))
        for child in children:
            if child.stdout is None or child.stdout.readline().strip() != READY:
                raise LabError(f"{module} did not start as a process of its own")
        yield children


def let_go(children: c.Sequence[Child]) -> list[t.Any]:
    """Let all begin. Returns what each of them has printed."""
    for child in children:
        _say(child, "go")
    return [json.loads(child.communicate(timeout=_END_S)[0]) for child in children]


def begin() -> t.Any:
    """In such a process: its options, when it is its time to begin."""
    options = json.loads(sys.stdin.readline())
    print(READY, flush=True)
    sys.stdin.readline()
    return options


@contextlib.contextmanager
def _process(module: str) -> c.Iterator[Child]:
    words = [sys.executable, "-m", module]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def _say(child: Child, line: str) -> None:
    if child.stdin is not None:
        child.stdin.write(f"{line}\n")
        child.stdin.flush()
