# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be true before anything is started. Each refusal is one sentence with what to do."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

from lab import cgroups as groups
from lab import network
from lab.binaries import cache_home
from lab.errors import LabError
from lab.model import ROOT, Lab

DISK_GB = 8
MEMORY_GB = 3


def root(uid: int) -> str | None:
    if uid == 0:
        return None
    return "the lab makes network namespaces and mounts: run it as root (sudo -E .venv/bin/python -m lab up)"


def python(version: tuple[int, int]) -> str | None:
    if version >= (3, 11):
        return None
    return f"Python {version[0]}.{version[1]} is too old for the lab: use Python 3.11 or newer (Debian 12 has it)"


def distribution(os_release: str) -> str | None:
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    name, version = (fields.get(key, "?").strip('"') for key in ("ID", "VERSION_ID"))
    if (name, version) == ("debian", "12"):
        return None
    return f"this is {name} {version}: the lab takes containerd and runc of Debian 12; run it there (a VM will do)"


def cgroups(roots: list[pathlib.Path], listing: str) -> str | None:
    """`listing` is /proc/cgroups or cgroup.controllers: words that must name what a container is limited by."""
    missing = [name for name in ("cpu", "memory", "pids", "devices") if name not in listing.split()]
    if roots and not missing:
        return None
    lacking = f" ({', '.join(missing)} missing)" if roots else ""
    return f"no cgroups to put containers in{lacking}: mount them (mount -t cgroup2 none /sys/fs/cgroup) or use a VM"


def disk(free_bytes: int, folder: pathlib.Path) -> str | None:
    if free_bytes >= DISK_GB * 10**9:
        return None
    return f"{free_bytes / 10**9:.1f} GB free at {folder}, the lab needs {DISK_GB}: make room and start again"


def memory(available_bytes: int) -> str | None:
    if available_bytes >= MEMORY_GB * 10**9:
        return None
    return f"{available_bytes / 10**9:.1f} GB of memory free, the lab needs {MEMORY_GB}: stop something and start again"


def networks(lab: Lab, foreign: list[str]) -> str | None:
    if not foreign:
        return None
    return (
        f"the lab's network is taken by {', '.join(foreign)}: remove that route, or use another --name than {lab.name}"
    )


def _listing(roots: list[pathlib.Path]) -> str:
    unified = [path for path in roots if (path / "cgroup.controllers").exists()]
    words = " ".join((path / "cgroup.controllers").read_text() for path in unified)
    # In cgroup v2 device access is a BPF program, not a controller.
    if "memory" in words:
        return f"{words} devices"
    names = {path.name for path in roots}
    return " ".join(part for name in names for part in name.split(","))


def _free(folder: pathlib.Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _available() -> int:
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def refuse(*answers: str | None) -> None:
    """Raise the first refusal."""
    for answer in answers:
        if answer is not None:
            raise LabError(answer)


def machine(*, fresh: bool) -> None:
    """Everything about the machine. Room is only asked for when a lab is not running already."""
    refuse(python(sys.version_info[:2]), root(os.geteuid()))
    try:
        release = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        release = ""
    roots = groups.roots()
    refuse(distribution(release), cgroups(roots, _listing(roots)))
    if fresh:
        refuse(*(disk(_free(folder), folder) for folder in (ROOT, cache_home())), memory(_available()))


def wires(lab: Lab) -> None:
    """That nobody else uses the lab's networks. Needs iproute2, so it comes after the packages."""
    refuse(networks(lab, network.foreign_routes(lab, network.routes())))
