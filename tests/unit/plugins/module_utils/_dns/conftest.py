# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of two regions and the fleet's cluster, for every test of a whole task."""

from __future__ import annotations

import pathlib

import pytest
from dns_world import DnsWorld, own_runtime


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> DnsWorld:
    own_runtime(monkeypatch, tmp_path)
    return DnsWorld(monkeypatch)
