# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all end-to-end tests, brought up by the demo itself and taken down at the end."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from lab_run import CHECKOUT, LabRun, run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabRun]:
    """What the demo printed on the lab `test`, with its exit code and reports. The lab stays up for the tests."""
    reports = tmp_path_factory.mktemp("reports")
    python = str(CHECKOUT / ".venv" / "bin" / "python")
    run([python, "-m", "lab", "down", "--name", "test"])
    try:
        ended = run([python, "-m", "lab.demo", "--name", "test", "--reports", str(reports)], timeout_s=1500)
        yield LabRun(ended, pathlib.Path(reports))
    finally:
        run([python, "-m", "lab", "down", "--name", "test"])
