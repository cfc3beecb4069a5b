# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain_trading in a process that is killed: `drain_killed.py before|after CALL OPTIONS-AS-JSON`."""

from __future__ import annotations

import json
import os
import pathlib
import runpy
import signal
import sys
import typing as t


def main(when: str, wanted: str, options: str) -> None:
    # Paths, and Ansible's collection finder, as in the tests; what is imported below needs them.
    runpy.run_path(str(pathlib.Path(__file__).parents[1] / "conftest.py"))
    from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import Exchange  # noqa: PLC0415
    from drain_world import play  # noqa: PLC0415

    ask = Exchange.ask

    def asked(exchange: Exchange, call: str, **values: t.Any) -> t.Any:
        if (when, wanted) == ("before", call):
            os.kill(os.getpid(), signal.SIGKILL)
        found = ask(exchange, call, **values)
        if (when, wanted) == ("after", call):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    Exchange.ask = asked  # type: ignore[method-assign]
    print(json.dumps(play(json.loads(options)), default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
