# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop the programs of a site: inside its network namespace, known by a pid that cannot be mistaken.

A pid alone is not an identity: after a kill -9 or a reboot the number belongs to somebody else. The pid file holds the
start time of the process too, and a process is only ever signalled when both agree.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import os
import pathlib
import shlex
import signal
import subprocess
import time

from lab.errors import LabError
from lab.model import Site
from lab.shell import Argv

# The child writes its own pid file and only then becomes the program. So there is no instant at which a program runs
# that no pid file knows of, even when `up` is killed. The start time is field 22 of /proc/PID/stat; the command name
# in field 2 may hold blanks, so the fields are counted behind its closing bracket.
_BIRTH = r"""
read -r line < "/proc/$$/stat" || exit 70
set -- ${line##*) }
printf '%s %s\n' "$$" "${20}" > "$PIDFILE.new" && mv "$PIDFILE.new" "$PIDFILE" || exit 70
"""


@dataclasses.dataclass(frozen=True)
class Identity:
    """One process of this boot, and no other."""

    pid: int
    started: int


def parse_start_time(stat: str) -> tuple[str, int]:
    """State letter and start time (clock ticks since boot) out of a /proc/PID/stat line."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def parse_pidfile(text: str) -> Identity | None:
    """The identity in a pid file; None when the file is not whole."""
    words = text.split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    return Identity(int(words[0]), int(words[1]))


def pidfile(site: Site, name: str) -> pathlib.Path:
    return site.home / "run" / f"{name}.pid"


def logfile(site: Site, name: str) -> pathlib.Path:
    return site.home / "log" / f"{name}.log"


def is_running(identity: Identity, proc: pathlib.Path = pathlib.Path("/proc")) -> bool:
    """Whether exactly this process lives. A zombie is dead: it only waits to be counted."""
    try:
        state, started = parse_start_time((proc / str(identity.pid) / "stat").read_text())
    except (OSError, ValueError, IndexError):
        return False
    return started == identity.started and state not in "ZX"


def find(site: Site, name: str) -> Identity | None:
    """The living process of that program, or None."""
    try:
        identity = parse_pidfile(pidfile(site, name).read_text())
    except OSError:
        return None
    return identity if identity is not None and is_running(identity) else None


def alive(site: Site, name: str) -> bool:
    return find(site, name) is not None


def known(site: Site) -> list[str]:
    """Names of all programs that were ever started here and not stopped."""
    return sorted(path.stem for path in (site.home / "run").glob("*.pid"))


def start(
    site: Site,
    name: str,
    argv: Argv,
    *,
    env: c.Mapping[str, str] | None = None,
    cwd: pathlib.Path | None = None,
    in_netns: bool = True,
) -> bool:
    """Start a program unless it runs already; True when it was started. Output goes to `site.home/log/NAME.log`."""
    if alive(site, name):
        return False
    target, log = pidfile(site, name), logfile(site, name)
    for folder in (target.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    command = [os.fspath(word) for word in argv]
    if in_netns:
        # Not `ip netns exec`: that mounts another /sys and the kubelet no longer finds its cgroups.
        command = ["nsenter", f"--net=/run/netns/{site.netns}", *command]
    script = f"{_BIRTH}exec {shlex.join(command)}\n"
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", script, name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_environment(), **(env or {}), "PIDFILE": str(target)},
            cwd=cwd or site.home,
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            identity = parse_pidfile(target.read_text())
        except OSError:
            identity = None
        if identity is not None and identity.pid == child.pid:
            return True
        if child.poll() is not None:
            break
        time.sleep(0.005)
    raise LabError(f"{site.name}: {name} did not start; see {log}\n{tail(site, name)}")


def _environment() -> dict[str, str]:
    """Ours without proxies: everything that the lab's programs talk to is on the lab's own network."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def stop(site: Site, name: str, timeout_s: float = 10) -> None:
    """TERM, wait, KILL. Does nothing when the program does not run; never touches another process."""
    identity = find(site, name)
    if identity is not None:
        kill(identity, timeout_s)
    pidfile(site, name).unlink(missing_ok=True)


def kill(identity: Identity, timeout_s: float = 10) -> None:
    """End exactly this process: TERM first, KILL after the timeout (0 means KILL at once)."""
    steps = ((signal.SIGTERM, timeout_s), (signal.SIGKILL, 10.0)) if timeout_s > 0 else ((signal.SIGKILL, 10.0),)
    for number, patience in steps:
        if not _signal(identity, number):
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_running(identity):
                _reap(identity.pid)
                return
            time.sleep(0.02)
    raise LabError(f"process {identity.pid} does not end, even after SIGKILL; look at it with: ps -p {identity.pid} -f")


def _signal(identity: Identity, number: signal.Signals) -> bool:
    """Send a signal through a pidfd, so that the process cannot be replaced between the check and the signal."""
    try:
        handle = os.pidfd_open(identity.pid)
    except OSError:
        return False
    try:
        if not is_running(identity):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _reap(pid: int) -> None:
    """Count our own dead child, so that `down` in the same process leaves no zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def tail(site: Site, name: str, lines: int = 8) -> str:
    """The last lines of a program's log, for error messages."""
    try:
        with logfile(site, name).open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 8192))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
