# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of status and promotion, on what the modules themselves record and read."""

from __future__ import annotations

import typing as t

import fakes
import pytest
from ansible_collections.pincex.zero_downtime.plugins.filter.environment import FilterModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.history import history
from slot_world import ROUTE, S, SlotWorld, scale

Json = dict[str, t.Any]
FILTERS: t.Final = FilterModule().filters()
REQUEST: t.Final = {
    "source": "lab",
    "target": "staging",
    "environment": "staging",
    "soak_h": 1,
    "number": None,
    "given": [],
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    """Revision 1: v2 is live on green, and blue is kept warm for a minute."""
    plain = fakes._selected
    world = SlotWorld(monkeypatch)
    of_services = fakes._selected
    # Revisions are listed by a label, services by `in`.
    monkeypatch.setattr(
        fakes, "_selected", lambda labels, text: (of_services if " in " in text else plain)(labels, text)
    )
    world.running("blue", "v1", 2)
    world.running("green", "v2", 2)
    world.routed(0, 100)
    fleet = world.open_fleet()
    finish = {"fields": [], "standby": [scale("blue", 0)], "services": [S]}
    region = world.open_region(fleet, finish=finish)
    document = world.revision(state="read", services=[S])["revision"]
    end: Json = {"state": "closed", "outcome": "released"}
    world.call(**end, release=region["release"], revision=document, number=fleet["number"], standby_s=60)
    told = {"versions": {S: "v2"}, "changes": {S: "v1 -> v2"}, "reason": "the release is done", "regions": {}}
    closed = world.call(**end, scope="fleet", release=fleet["release"], summary=told)
    assert not closed.get("failed"), closed
    return world


def status(world: SlotWorld) -> Json:
    journal = world.call(state="read")
    recorded = world.call(state="read", number=FILTERS["newest_revision"](journal))
    read = world.revision(state="read", services=[S])
    return t.cast("Json", FILTERS["region_status"]("us-east-1", journal, recorded, read))


def test_what_was_just_released_has_no_drift(world: SlotWorld) -> None:
    found = status(world)
    assert (found["problem"], found["revision"], found["open"], found["drift"]) == (None, 1, None, [])
    assert len(found["told"]) == 1
    assert "as warm standby until" in found["told"][0]
    # The end of the standby changes nothing that was released.
    standby = world.call(
        state="opened", kind="standby", fleet={"kubeconfig": "", "context": "management", "namespace": "f"}
    )
    assert not standby.get("failed"), standby["msg"]
    world.revision(state="applied", fields=[scale("blue", 0)])
    world.server.change(ROUTE, "kubectl", metadata={"annotations": {"a": "b"}})
    assert [field["path"] for field in status(world)["drift"]] == ["metadata.annotations.a"]


def test_the_record_of_the_fleet_is_enough_to_promote(world: SlotWorld) -> None:
    journal = world.call(state="read", scope="fleet")
    assert history(journal)["revisions"][0]["changes"] == {S: "v1 -> v2"}
    promoted = FILTERS["promotion"](journal, REQUEST, {S: {}}, world.clock.now() + 3601)
    assert promoted == {"number": 1, "versions": {S: "v2"}, "problem": None}
    early = FILTERS["promotion"](journal, REQUEST, {S: {}}, world.clock.now() + 60)
    assert "stands in lab for 0.0 h" in early["problem"]
    assert FILTERS["promotion_problems"](REQUEST, {}, {})[0].startswith("from: promotion_sources")


def test_a_region_that_does_not_answer_is_data(world: SlotWorld) -> None:
    failed = world.call(state="read", number=7)
    found = FILTERS["region_status"]("us-east-1", failed, None, None)
    assert (found["problem"]["kind"], found["drift"]) == ("option", [])
