# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow of its own for every test."""

from __future__ import annotations

import pathlib

import pytest
from flow_runner import Flow


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> Flow:
    return Flow(tmp_path)
