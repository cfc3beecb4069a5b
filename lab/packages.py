# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages that the lab runs on; installed when they are missing."""

from __future__ import annotations

import collections.abc as c
import pathlib
import shutil

from lab.shell import run
from lab.steps import Steps

#: Name servers: the tests of DNS weights need them without the rest.
DNS = ("pdns-server", "pdns-backend-sqlite3", "unbound")

#: Where flags are kept: the tests of flags need it without the rest.
REDIS = ("redis-server",)

#: What the report of a model is looked at with, in its test.
BROWSER = ("chromium", "fonts-dejavu-core")

#: What runs flagd's core for JavaScript beside our client, in the bench of flags.
NODE = ("nodejs", "npm")

PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "conntrack",
    "docker-registry",
    "iproute2",
    "iptables",
    "kmod",
    "procps",
    *DNS,
    *REDIS,
)

#: What compiles QuickFIX, for whom it is asked.
COMPILER = ("g++",)

_NO_DAEMONS = "#!/bin/sh\n# pincex lab: packages are installed, their daemons are not started\nexit 101\n"

#: They come up with the machine, where name servers take the port 53 from each other; disabling what is not there does
#: nothing.
_SERVICES = ("pdns.service", "unbound.service", "unbound-resolvconf.service", "redis-server.service")

_STATUS = pathlib.Path("/var/lib/dpkg/status")


def installed(status: str) -> set[str]:
    """Names of the installed packages out of dpkg's status file."""
    found = set()
    for paragraph in status.split("\n\n"):
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("Package: "):
                name = line.removeprefix("Package: ")
            elif line == "Status: install ok installed":
                found.add(name)
    return found


def missing(wanted: c.Sequence[str]) -> list[str]:
    present = installed(_STATUS.read_text(errors="replace")) if _STATUS.exists() else set()
    return [name for name in wanted if name not in present]


def install(steps: Steps, wanted: c.Sequence[str] = PACKAGES) -> None:
    """Nothing when all are there: no look at the network, no time."""
    absent = missing(wanted)
    if not absent:
        return
    # Debian starts a daemon of what it installs; the lab runs its own, in the regions' networks.
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    # One that an earlier, killed `up` left is ours too.
    ours = not policy.exists() or policy.read_text(errors="replace") == _NO_DAEMONS
    if ours:
        policy.write_text(_NO_DAEMONS)
        policy.chmod(0o755)
    try:
        with steps.step("packages", f"installed {', '.join(absent)}"):
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "update", "-q"], timeout_s=300, env=quiet)
            command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *absent]
            run(command, timeout_s=900, env=quiet)
            if set(absent) & {*DNS, *REDIS} and shutil.which("systemctl"):
                run(["systemctl", "--root=/", "disable", *_SERVICES], check=False)
    finally:
        if ours:
            policy.unlink(missing_ok=True)
