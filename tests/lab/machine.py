# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the machine, seen without the lab's own code: the tests of `down` must not trust what they test."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import os
import pathlib
import re
import subprocess

LAB = "scratch"
HOME = pathlib.Path("/var/lib/pincex-lab") / LAB
#: The networks of block 2, as docs and model say; written out here so that a wrong model is seen.
NETWORKS = [ipaddress.ip_network(f"198.{second}.{third}.0/24") for second in (18, 19) for third in range(32, 48)]
#: Other labs may come and go beside this test.
OTHERS = re.compile(r"pincex-lab/(demo|test)\b|lab-(demo|test)-|pxlab[01]-|pincex-(demo|test)-")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def _namespace_ids() -> dict[tuple[int, int], str]:
    """Named network namespaces by their identity."""
    found = {}
    for path in pathlib.Path("/run/netns").glob("*"):
        with contextlib.suppress(OSError):
            found[(path.stat().st_dev, path.stat().st_ino)] = path.name
    return found


def _addresses(namespace: str) -> list[ipaddress.IPv4Address]:
    with contextlib.suppress(subprocess.CalledProcessError, ValueError):
        links = json.loads(_output("ip", "-json", "-netns", namespace, "-4", "address", "show") or "[]")
        return [ipaddress.IPv4Address(item["local"]) for link in links for item in link.get("addr_info", [])]
    return []


def _namespaces() -> set[str]:
    """Named namespaces that are this lab's, and pods' namespaces whose region is gone."""
    found = set()
    for name in _namespace_ids().values():
        addresses = [address for address in _addresses(name) if not address.is_loopback]
        ours = any(address in network for address in addresses for network in NETWORKS)
        orphan = name.startswith("cni-") and not addresses
        if ours or orphan or LAB in name:
            found.add(name)
    return found


def _processes() -> set[str]:
    """Processes that mention this lab in any way, or sit in a network namespace that nobody can name any more."""
    named = _namespace_ids()
    own = pathlib.Path("/proc/self/ns/net").stat()
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            status = (entry / "ns" / "net").stat()
            identity = (status.st_dev, status.st_ino)
            namespace = named.get(identity, "?" if identity != (own.st_dev, own.st_ino) else "")
            groups = (entry / "cgroup").read_text()
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            text = f"{words} {namespace} {groups} {environment}"
            ours = f"pincex-lab/{LAB}" in text or f"lab-{LAB}-" in namespace
            if ours or (namespace == "?" and not OTHERS.search(text)):
                found.add(f"{entry.name} {words[:120]} netns={namespace}")
    return found


def _cgroups() -> set[str]:
    found: set[str] = set()
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            found.update(path for path, _, _ in os.walk(point) if not OTHERS.search(path))
    return found


@dataclasses.dataclass(frozen=True)
class Machine:
    """Everything that `down` has to give back."""

    processes: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]


def look() -> Machine:
    mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    links = [link["ifname"] for link in json.loads(_output("ip", "-json", "link", "show"))]
    # Another lab that is up keeps the blackhole; then it is there before and after.
    routes = _output("ip", "-4", "route", "show", "table", "all").splitlines()
    files = [HOME, *pathlib.Path("/var/lib/cni").glob("**/*")]
    files += [link for link in pathlib.Path("/var/log/containers").glob("*") if LAB in str(link.readlink())]
    return Machine(
        processes=frozenset(_processes()),
        namespaces=frozenset(_namespaces()),
        links=frozenset(link for link in links if not OTHERS.search(link)),
        routes=frozenset(route.strip() for route in routes if not OTHERS.search(route)),
        mounts=frozenset(mount for mount in mounts if not OTHERS.search(mount) and not mount.startswith("/run/netns/")),
        cgroups=frozenset(_cgroups()),
        files=frozenset(str(path) for path in files if path.is_symlink() or (path.exists() and LAB in str(path))),
    )


def left_behind(before: Machine, after: Machine) -> dict[str, list[str]]:
    """What is there now and was not before; {} is what `down` promises."""
    left = {}
    for field in dataclasses.fields(Machine):
        new = sorted(getattr(after, field.name) - getattr(before, field.name))
        if new:
            left[field.name] = new
    return left
