# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal has to hold what was there before, and every write of the release."""

from __future__ import annotations

import random
import typing as t

import pytest
from journal_world import JOURNAL, LEASE, World


def manifests(kilobytes: int) -> list[dict[str, t.Any]]:
    """Of about that size when they are packed."""
    return [{"kind": "ConfigMap", "data": {"x": random.Random(7).randbytes(kilobytes * 700).hex()}}]


def test_a_release_whose_journal_would_have_no_room_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    fleet = world.open_fleet()
    before = {"services": {}, "objects": manifests(400)}
    refused = world.open_region(fleet, before=before, planned=manifests(300))
    assert refused["error"]["kind"] == "option"
    assert refused["msg"].startswith("before: is 4")
    assert "release fewer services at once" in refused["msg"]
    assert not {JOURNAL, LEASE} & world.server.stored.keys()
    assert world.open_region(fleet, before=before, planned=manifests(100))["changed"]
