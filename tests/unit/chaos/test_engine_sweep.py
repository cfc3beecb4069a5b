# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of an engine is killed at its writes, those to engines among them: trading goes on by itself, and a
recovery leaves one revision. An undo that forgets to hand back is found."""

from __future__ import annotations

import pytest
from engine_samples import ENGINE
from engine_world import CUT_DEADLINE_S, EngineWorld
from sweep_world import REGIONS, Sweep
from test_planted_mistakes import finds, killed

from chaos.oracle import led_badly
from chaos.points import points_of

BLUE, GREEN = "matching-engine-blue", "matching-engine-green"


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Every request to an engine, and every fifth write besides: the others are of what the other sweep strikes."""
    made = Sweep(monkeypatch, kind=EngineWorld)
    world = asked_in(made)
    made.memories = [memory for at, memory in enumerate(made.memories) if at in world.asked or at % 5 == 0]
    return made


def asked_in(sweep: Sweep) -> EngineWorld:
    """A release that nobody disturbs."""
    world = sweep.world()
    assert isinstance(world, EngineWorld)
    world.release()
    return world


def test_requests_to_engines_are_counted_and_named(sweep: Sweep) -> None:
    world = asked_in(sweep)
    for region in REGIONS:
        writes = [counted for counted in world.tap.writes if counted.site == region]
        assert [counted.number for counted in writes] == list(range(1, len(writes) + 1))
        points = points_of([(counted.site, counted.number, str(counted.write)) for counted in writes])
        assert [point.what for point in points[::2] if point.asks_a_pod] == [
            f"POST cut of {BLUE}-0 (engine)",
            f"POST acks of {GREEN}-0 (engine)",
            f"POST open of {GREEN}-0 (engine)",
            f"POST follow of {BLUE}-0 (engine)",
            f"POST finish of {GREEN}-0 (engine)",
        ]
        # Questions change nothing: proofs, statuses.
        assert all("proof" not in str(counted.write) for counted in writes)


def test_killed_anywhere_it_is_recovered_and_exactly_one_leads(sweep: Sweep) -> None:
    assert len(sweep.memories) > 15
    assert list(killed(sweep)) == []


def test_killed_anywhere_trading_goes_on_without_a_recovery(sweep: Sweep) -> None:
    stood_still = 0
    for _when, memory in sweep.memories:
        world = sweep.world(memory)
        stood_still += any(_led_badly(world))
        world.clock.elapsed += CUT_DEADLINE_S
        assert _led_badly(world) == []
    # After the cut, and after the acknowledgements, in each region.
    assert stood_still == 2 * len(REGIONS)


def _led_badly(world: EngineWorld) -> list[str]:
    regions = world.state().regions
    return [text for region, site in regions.items() for text in led_badly(region, ENGINE, site.engines[ENGINE])]


def test_an_undo_that_forgets_to_hand_back_is_found(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineWorld, "hand_back", lambda *_given: None)
    assert finds(killed(sweep), f"neither the old nor the new revision; from the new one differ StatefulSet {BLUE}")
