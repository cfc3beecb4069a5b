# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow of its own for every test."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from flow_runner import REGIONS, Flow


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> Flow:
    return Flow(tmp_path)


@pytest.fixture(scope="session")
def twice_released(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Regions after v1 and v2: made once, because each release takes as long as a test."""
    made = Flow(tmp_path_factory.mktemp("twice"))
    for version in ("v1", "v2"):
        done = made.run("deploy", "-e", f"release_version={version}")
        assert done.code == 0, done.output
    return made.home


@pytest.fixture
def released(flow: Flow, twice_released: pathlib.Path) -> Flow:
    """A flow of its own, after v1 and v2."""
    for region in (*REGIONS, "fleet"):
        shutil.copy(twice_released / f"{region}.json", flow.home)
    return flow
