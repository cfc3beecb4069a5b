# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log file of one run: what the board told, each line with its time, for the owner's eyes only."""

from __future__ import annotations

import datetime
import os
import pathlib
import re

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board import clean

_MODE = 0o600


class RunLog:
    """Every line is on disk before `write` returns: a run that is killed leaves all that it told."""

    def __init__(self, folder: pathlib.Path, playbook: str, began: datetime.datetime) -> None:
        """Make the file, and the folder where it is missing. OSError when that cannot be done."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{began:%Y%m%dT%H%M%SZ}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', playbook)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.path = folder / f"{name}.log"
        try:
            descriptor = os.open(self.path, flags, _MODE)
        except FileExistsError:  # another run of the same second
            self.path = folder / f"{name}-{os.getpid()}.log"
            descriptor = os.open(self.path, flags, _MODE)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")

    def write(self, at: datetime.datetime, region: str, text: str) -> None:
        self._file.write(
            f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z {clean(region)}: {clean(redact(text))}\n"
        )
        self._file.flush()

    def write_table(self, lines: list[str]) -> None:
        self._file.write("\n".join(["", *(redact(line) for line in lines), ""]))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
