# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroups of a region's containers. They carry the region's name, so that `down` finds them on any machine."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
import typing as t

from lab.errors import LabError
from lab.model import Site

#: Everything of every lab is below this one.
TOP = "pincex-lab"


def of_site(site: Site) -> str:
    """Parent of all the region's containers."""
    return f"/{TOP}/{site.lab}/{site.name}"


def of_lab(name: str) -> str:
    return f"/{TOP}/{name}"


def roots() -> list[pathlib.Path]:
    """Mounted hierarchies: one in cgroup v2, several in v1."""
    found = []
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] in ("cgroup", "cgroup2"):
            found.append(pathlib.Path(fields[1]))
    return found


#: A group competes as one with every single process outside of it. An exchange has nodes of its own in production; here
#: ten processes of a playbook would leave all its pods together an eleventh of the machine (seen: gateway 503s and
#: restarts by liveness). Version 1 counts in shares of 1024, version 2 in weights of 100.
_CPU: t.Final = {"cpu.shares": "20480", "cpu.weight": "2000"}


def create(path: str) -> None:
    """Make the group and its parents, with the share of the processors that an exchange needs."""
    parts = path.strip("/").split("/")
    for root in roots():
        for depth in range(1, len(parts) + 1):
            folder = root.joinpath(*parts[:depth])
            folder.mkdir(exist_ok=True)
            for name, share in _CPU.items():
                if (folder / name).exists():
                    (folder / name).write_text(share)


def below(path: str) -> list[pathlib.Path]:
    """The cgroup of that path and all in it, in every hierarchy, deepest first."""
    return [
        pathlib.Path(folder) for root in roots() for folder, _, _ in os.walk(root / path.lstrip("/"), topdown=False)
    ]


def members(path: str) -> set[int]:
    """Pids of everything that runs there."""
    pids: set[int] = set()
    for folder in below(path):
        with contextlib.suppress(OSError):
            pids.update(int(word) for word in (folder / "cgroup.procs").read_text().split())
    return pids


def remove(path: str) -> None:
    """Empty cgroups go one by one from the bottom; a process that is still dying keeps its own for a moment."""
    deadline = time.monotonic() + 5
    while left := below(path):
        for folder in left:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > deadline:
            raise LabError(f"cgroup {left[0]} cannot be removed; its processes: {left[0]}/cgroup.procs")
        time.sleep(0.02)


def remove_top() -> None:
    """The last lab takes the common parent away."""
    for root in roots():
        with contextlib.suppress(OSError):  # another lab's may still be below
            (root / TOP).rmdir()
