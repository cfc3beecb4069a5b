# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small exchange, for every test that drains one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import steps
from drain_world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(steps, "POLL_S", 0.005)
    made = World()
    yield made
    made.close()
