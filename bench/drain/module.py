# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain_trading in a process of its own, as Ansible runs it: `python -m bench.drain.module [WHEN CALL NUMBER]`.

Options come as JSON on standard input. Printed is JSON: the result, all requests in their order, and the memory that
the process had at most. With WHEN (before or after), CALL and NUMBER it is killed right there: at the NUMBER-th request
of that name.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import signal
import sys
import threading
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import Exchange
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.run import ARGUMENT_SPEC, EMPTY_RESULT, run

Json = dict[str, t.Any]


class Watched:
    """Counts the requests of the module, and ends the process at one of them."""

    def __init__(self, at: tuple[str, str, int] | None) -> None:
        self.calls: list[str] = []
        self._at = at
        self._counts: collections.Counter[str] = collections.Counter()
        # Several are asked at the same time.
        self._lock = threading.Lock()
        self._ask = Exchange.ask

    def __call__(self, exchange: Exchange, call: str, **values: t.Any) -> t.Any:
        with self._lock:
            self._counts[call] += 1
            number = self._counts[call]
            self.calls.append(call)
        if self._at == ("before", call, number):
            os.kill(os.getpid(), signal.SIGKILL)
        found = self._ask(exchange, call, **values)
        if self._at == ("after", call, number):
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def own_peak_mb() -> float:
    """Not ru_maxrss: that of a child begins with what its parent had (seen: 923 MB for a module of 90)."""
    text = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(words: t.Sequence[str]) -> int:
    watched = Watched((words[0], words[1], int(words[2])) if words else None)

    def ask(exchange: Exchange, call: str, **values: t.Any) -> t.Any:
        return watched(exchange, call, **values)

    Exchange.ask = ask  # type: ignore[method-assign,assignment]
    checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(json.load(sys.stdin))
    if checked.error_messages:
        print("; ".join(checked.error_messages), file=sys.stderr)
        return 2
    result = execute(
        run,
        checked.validated_parameters,
        check_mode=False,
        diff=False,
        clock=SystemClock(),
        progress=lambda _line: None,
        empty=EMPTY_RESULT,
    )
    peak_mb = own_peak_mb()
    print(json.dumps({"result": result, "calls": watched.calls, "peak_mb": peak_mb}, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
