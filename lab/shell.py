# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command of the machine and tell what went wrong in its own words."""

from __future__ import annotations

import collections.abc as c
import os
import subprocess

from lab.errors import LabError

#: A command; paths may stand in it as they are.
Argv = c.Iterable[str | os.PathLike[str]]


def run(
    argv: Argv,
    *,
    check: bool = True,
    timeout_s: float = 60,
    stdin: str | None = None,
    env: c.Mapping[str, str] | None = None,
) -> str:
    """Standard output of the command. With check=False a failure gives what was printed until then."""
    command = [os.fspath(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            input=stdin,
            check=False,
            env={**os.environ, **env} if env else None,
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed; run `python -m lab up` as root so that it is") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` did not end within {timeout_s:.0f} s") from None
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` failed ({done.returncode}): {done.stderr.strip()[-600:]}")
    return done.stdout
