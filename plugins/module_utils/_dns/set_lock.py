# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process of this controller at a time for each set: a file of the user that is locked while the set is read,
judged and written."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import tempfile
import typing as t
from collections.abc import Iterator

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

_POLL_S: t.Final = 0.1


@contextlib.contextmanager
def set_lock(what: str, clock: Clock, end: float) -> Iterator[None]:
    """Hold the lock of the set that `what` names. The kernel gives it back when the process ends, however it ends.

    Raises ReleaseError when another process has it until `end`, or when the file cannot be made.
    """
    path = _folder() / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.lock"
    began = clock.monotonic()
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unusable(path, str(error)) from error
    try:
        while not _taken(file):
            if clock.monotonic() >= end:
                raise ReleaseError(
                    f"{what}: another process of this controller has been changing it for "
                    f"{clock.monotonic() - began:.0f} s; let it end, and run this again",
                    kind="locked",
                    system="controller",
                    retriable=True,
                )
            clock.sleep(_POLL_S)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> pathlib.Path:
    """A folder of this user alone. In a shared place somebody else may have made it before us: then it is refused."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = pathlib.Path(runtime) if runtime and pathlib.Path(runtime).is_dir() else pathlib.Path(tempfile.gettempdir())
    folder = base / f"pincex-zero-downtime-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise _unusable(folder, str(error)) from error
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise _unusable(folder, "it belongs to somebody else, or others may write into it")
    return folder


def _unusable(path: pathlib.Path, why: str) -> ReleaseError:
    return ReleaseError(
        f"{path} cannot be used for locks: {why}; remove it, or set XDG_RUNTIME_DIR to a folder of this user",
        kind="locked",
        system="controller",
    )
