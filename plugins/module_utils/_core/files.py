# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import pathlib
import tempfile
import time


def put(path: pathlib.Path, content: bytes, newer_ns: int = 0) -> None:
    """Whole or not at all, and still there after a loss of power. An existing file keeps its rights, a new one is
    readable by everybody. `newer_ns`: by so much at least its time is later than that of the file before; 0 leaves it
    to the system. Raises OSError."""
    old = path.stat() if path.exists() else None
    number, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = pathlib.Path(made)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), old.st_mode & 0o777 if old is not None else 0o644)
            os.fsync(file.fileno())
        if old is not None and newer_ns:
            at = max(time.time_ns(), old.st_mtime_ns + newer_ns)
            os.utime(temporary, ns=(at, at))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
