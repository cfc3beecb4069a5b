# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who serves a model, as one read of k8s_revision tells it of what model_shadow has written."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.known_models import Seen, seen_in
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.models_back import models_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import Promoted, RolledBack
from model_world import ModelWorld, deployed
from slot_world import S

V1: t.Final = {"champion": "v1", "challenger": None, "strategy": None}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ModelWorld:
    return ModelWorld(monkeypatch).fill()


def read(world: ModelWorld) -> dict[str, t.Any]:
    found = world.revision(state="read", services=[S, "fraud"])
    assert found["changed"] is False
    return t.cast("dict[str, t.Any]", found)


@pytest.mark.parametrize("strategy", ["shadow", "canary", "ab"])
def test_from_the_challenger_to_the_champion_and_back(world: ModelWorld, strategy: t.Any) -> None:
    assert seen_in(read(world), "us-east-1", [S, "fraud"]) == {S: Seen("v1"), "fraud": Seen(None)}
    world.act(deployed(world, strategy))
    beside = seen_in(read(world), "us-east-1", [S])[S]
    assert beside == Seen("v1", "v2", strategy, leaving="v2", back="v1", ready=True)
    world.act(Promoted(world.clock.now()))
    promoted = read(world)
    assert seen_in(promoted, "us-east-1", [S])[S] == Seen("v2", leaving="v2", back="v1", ready=True)
    made = models_back({S: V1}, {"us-east-1": promoted}, [S], 7)
    assert made["back"] == {S: {"version": "v2", "champion": "v1"}}

    _fleet, release = world.opened(kind="rollback")
    world.act(RolledBack(), release, back=True)
    assert seen_in(read(world), "us-east-1", [S])[S] == Seen("v1")
    # The same rollback again has nothing to do, and one forward again no way.
    assert models_back({S: V1}, {"us-east-1": read(world)}, [S], 7) == {"back": {}, "told": []}
    assert models_back({S: {**V1, "champion": "v2"}}, {"us-east-1": read(world)}, [S], 8)["back"] == {}


def test_a_slot_without_ready_pods_is_no_way_back(world: ModelWorld) -> None:
    world.act(deployed(world, "canary"))
    world.act(Promoted(world.clock.now()))
    world.ready("blue", 0)
    seen = seen_in(read(world), "us-east-1", [S])[S]
    assert isinstance(seen, Seen)
    assert (seen.back, seen.ready) == ("v1", False)
