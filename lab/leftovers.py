# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab left on the machine: processes, mounts, network namespaces, cgroups. Found by name, never by memory.

A pid file may be lost with a kill -9; the network namespace a process is in, the cgroup of a container and the folder
of a mount are not. So `down` looks at the machine itself.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import ipaddress
import json
import os
import pathlib
import time

from lab import cgroups, programs
from lab.errors import LabError
from lab.model import Site
from lab.node import cni_network
from lab.shell import run

_NETNS = pathlib.Path("/run/netns")
_CNI_RECORDS = pathlib.Path("/var/lib/cni")


def identities(pids: c.Iterable[int]) -> list[programs.Identity]:
    """Pids with their start times; those that ended meanwhile are left out."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, started = programs.parse_start_time(pathlib.Path(f"/proc/{pid}/stat").read_text())
            if state not in "ZX":
                found.append(programs.Identity(pid, started))
    return found


def processes_in_netns(*names: str) -> list[programs.Identity]:
    """Every process inside these network namespaces: the control plane, containerd's shims, what add-ons started."""
    wanted = set()
    for name in names:
        with contextlib.suppress(OSError):
            status = (_NETNS / name).stat()
            wanted.add((status.st_dev, status.st_ino))
    pids = []
    for entry in pathlib.Path("/proc").iterdir() if wanted else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            here = (entry / "ns" / "net").stat()
            if (here.st_dev, here.st_ino) in wanted:
                pids.append(int(entry.name))
    return identities(pids)


def processes_in_cgroups(site: Site) -> list[programs.Identity]:
    """The region's containers: pods have network namespaces of their own, but their cgroups carry the region's name."""
    return identities(cgroups.members(cgroups.of_site(site)))


def kill_all(find: c.Callable[[], list[programs.Identity]], timeout_s: float = 20) -> int:
    """KILL what find() gives until it gives nothing: a dying parent may have started one more. How many died."""
    killed = 0
    deadline = time.monotonic() + timeout_s
    while identities_left := find():
        if time.monotonic() > deadline:
            raise LabError(f"processes {[item.pid for item in identities_left]} do not end; look at them with ps -fp")
        for identity in identities_left:
            programs.kill(identity, timeout_s=0)
            killed += 1
    return killed


def mounts_below(folder: pathlib.Path, table: str | None = None) -> list[str]:
    """Mount points under the folder, the last mounted first."""
    text = pathlib.Path("/proc/mounts").read_text() if table is None else table
    points = [line.split()[1].encode().decode("unicode_escape") for line in text.splitlines() if line]
    prefix = f"{folder}/"
    return [point for point in reversed(points) if point == str(folder) or point.startswith(prefix)]


def unmount(folder: pathlib.Path) -> None:
    """Take everything off that is mounted below the folder."""
    for lazy in ([], ["-l"]):
        for point in mounts_below(folder):
            run(["umount", *lazy, point], check=False)
        if not mounts_below(folder):
            return
    raise LabError(f"{folder} is still in use: {', '.join(mounts_below(folder)[:3])}; see who: fuser -vm {folder}")


def cni_records(site: Site) -> list[pathlib.Path]:
    """CNI's notes about the region's pods; each names the pod's network namespace."""
    own = sorted(_CNI_RECORDS.glob(f"**/{cni_network(site)}-*-eth0"))
    # The loopback's note carries no network's name, only the same container's id.
    ids = [record.name.removeprefix(f"{cni_network(site)}-").removesuffix("-eth0") for record in own]
    return own + [record for item in ids for record in _CNI_RECORDS.glob(f"**/cni-loopback-{item}-lo")]


def log_links(site: Site) -> list[pathlib.Path]:
    """The kubelet's links to its pods' logs; where they are is fixed in its code."""
    found = []
    for link in pathlib.Path("/var/log/containers").glob("*.log"):
        with contextlib.suppress(OSError):
            if link.readlink().is_relative_to(site.home):
                found.append(link)
    return found


def pod_namespaces(site: Site) -> list[str]:
    """Names of the pods' network namespaces: by CNI's notes, and by an address of the region's pod network."""
    names: set[str] = set()
    for record in cni_records(site):
        with contextlib.suppress(OSError, ValueError):
            names.add(pathlib.PurePath(str(json.loads(record.read_text()).get("netns", ""))).name)
    network = ipaddress.ip_network(site.pod_network)
    for path in _NETNS.glob("cni-*"):
        with contextlib.suppress(LabError, ValueError):
            for link in json.loads(run(["ip", "-json", "-netns", path.name, "-4", "address", "show"]) or "[]"):
                for address in link.get("addr_info", []):
                    if ipaddress.ip_address(address["local"]) in network:
                        names.add(path.name)
    return sorted(name for name in names if name.startswith("cni-") and (_NETNS / name).exists())
