# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that controls a release: without it nothing is renewed or written.

After a kill of a playbook's process group Ansible's worker and its module run on to their end (seen with 2.19). So the
process that started the release travels with every task: its id, and its start against an id that is used again.
"""

from __future__ import annotations

import pathlib

_PROC = pathlib.Path("/proc")


def started(pid: int) -> str:
    """When and where that process started, as one word; empty where nobody can tell."""
    place, since = _place(), _since(pid)
    return f"{place}:{since}" if place and since else ""


def is_alive(pid: int, start: str) -> bool:
    """Whether that process still runs. True where this machine cannot know: another host, another container."""
    place, _colon, since = start.rpartition(":")
    if not place or place != _place():
        return True
    return _since(pid) == since


def _place() -> str:
    """This boot of this machine, and this space of process ids."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _since(pid: int) -> str:
    """Clock ticks from boot to the start of the process; empty when it is gone or only waits to be reaped."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field is the name in brackets and may hold blanks and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
