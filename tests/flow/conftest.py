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


def _copy(home: pathlib.Path, flow: Flow) -> Flow:
    for region in (*REGIONS, "fleet"):
        shutil.copy(home / f"{region}.json", flow.home)
    return flow


def _release(flow: Flow, version: str) -> pathlib.Path:
    done = flow.run("deploy", "-e", f"release_version={version}")
    assert done.code == 0, done.output
    return flow.home


# Made once, because each release takes as long as a test.
@pytest.fixture(scope="session")
def after_v1(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return _release(Flow(tmp_path_factory.mktemp("once")), "v1")


@pytest.fixture(scope="session")
def after_v2(tmp_path_factory: pytest.TempPathFactory, after_v1: pathlib.Path) -> pathlib.Path:
    return _release(_copy(after_v1, Flow(tmp_path_factory.mktemp("twice"))), "v2")


@pytest.fixture(scope="session")
def after_v2_with_standby(tmp_path_factory: pytest.TempPathFactory, after_v1: pathlib.Path) -> pathlib.Path:
    flow = _copy(after_v1, Flow(tmp_path_factory.mktemp("warm")))
    # As if its playbook had been killed while the old slots were warm: their end is what fails.
    done = flow.run("deploy", "-e", "release_version=v2", faults={region: {"apply": "standby"} for region in REGIONS})
    assert done.code == 0, done.output
    return flow.home


@pytest.fixture
def stands(flow: Flow, after_v1: pathlib.Path) -> Flow:
    """A flow of its own, after v1."""
    return _copy(after_v1, flow)


@pytest.fixture
def stands_by(flow: Flow, after_v2_with_standby: pathlib.Path) -> Flow:
    """A flow of its own, after v1 and v2, with the slots of v1 warm."""
    return _copy(after_v2_with_standby, flow)


@pytest.fixture
def released(flow: Flow, after_v2: pathlib.Path) -> Flow:
    """A flow of its own, after v1 and v2."""
    return _copy(after_v2, flow)
