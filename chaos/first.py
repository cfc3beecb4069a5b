# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a PID namespace: starts one command in a session of its own and stays until nothing is left.

The kernel kills a whole namespace when its first process ends. So this one outlives the command: a module whose
playbook was killed runs on to its own end. Runs with `python -S`, and imports nothing of the repository.
"""

from __future__ import annotations

import os
import sys


def main(command: list[str]) -> int:
    """The exit code of the command; 128 and the signal where one ended it."""
    child = os.posix_spawnp(command[0], command, os.environ, setsid=True)
    code = 1
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return code
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
