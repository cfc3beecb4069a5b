# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artefact as a user gets it: built from this tree, installed into a folder far from it."""

from __future__ import annotations

import pathlib
import subprocess
import tarfile
import typing as t

import pytest
from elsewhere import BIN, ROOT, Elsewhere


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The built collection."""
    target = tmp_path_factory.mktemp("built")
    command = [str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = target.glob("pincex-zero_downtime-*.tar.gz")
    return path


@pytest.fixture(scope="session")
def members(artefact: pathlib.Path) -> frozenset[str]:
    """Paths of the files in the artefact."""
    with tarfile.open(artefact) as archive:
        return frozenset(member.name for member in archive.getmembers() if not member.isdir())


@pytest.fixture(scope="session")
def elsewhere(artefact: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Elsewhere]:
    """The artefact, installed."""
    place = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    done = place.run(
        "ansible-galaxy",
        *("collection", "install", "--offline", "--no-deps", "--collections-path", str(place.folder), str(artefact)),
    )
    assert done.returncode == 0, done.stderr
    yield place
