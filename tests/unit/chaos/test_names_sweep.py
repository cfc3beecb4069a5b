# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release for which regions leave the traffic is killed at its writes, those to the provider among them: a recovery
leaves one revision with its weights. Mistakes with the weights are found."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import run as journal
from dns_world import own_runtime
from names_world import FULL, NamesWorld
from sweep_world import REGIONS, Json, Sweep
from test_planted_mistakes import finds, killed

from chaos.oracle import unanswered
from chaos.points import points_of
from chaos.proxy import NAMES
from chaos.turns import changed_in_traffic, changed_when_back
from chaos.variants import FLEET, VARIANTS

US, EU = REGIONS


class Weighed(Sweep):
    """Kills where the variant `dns` does, and at every tenth of the other writes: these are what `tree` strikes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.worlds: list[NamesWorld] = []
        super().__init__(monkeypatch, kind=NamesWorld)
        self.released = self.world()
        self.released.release()
        # Both count the same, so each number is that of a memory.
        assert len(self.released.tap.writes) == self.writes
        self.struck = VARIANTS["dns"].struck(self.released.tap.writes)
        self.memories = [
            self.memories[at]
            for at, counted in enumerate(self.released.tap.writes, 1)
            if counted in self.struck or at % 10 == 0
        ]
        self.worlds.clear()

    def world(self, like: t.Any = None) -> NamesWorld:
        made = super().world(like)
        assert isinstance(made, NamesWorld)
        self.worlds.append(made)
        return made

    def returns(self) -> list[str]:
        """When each region got its weight back, in all worlds since."""
        return [text for world in self.worlds for text in changed_when_back(world.tap.writes, world.weights)]


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Weighed:
    own_runtime(monkeypatch, tmp_path)
    return Weighed(monkeypatch)


def test_writes_to_the_provider_are_counted_and_named(sweep: Weighed) -> None:
    points = points_of([(counted.site, counted.number, str(counted.write)) for counted in sweep.struck])
    assert [point.what for point in points[::2] if point.site == NAMES] == [
        f"PATCH weights {US}={us},{EU}={eu}"
        for us, eu in [(0, 50), (12, 50), (25, 50), (50, 50), (50, 0), (50, 12), (50, 25), (50, 50)]
    ]
    steps = [counted.write.step for counted in sweep.struck if counted.site == FLEET]
    names = [
        f"{step}{end}"
        for region in REGIONS
        for step in (f"evacuate {region}", *(f"ramp {region} to {share} %" for share in (25, 50, 100)))
        for end in ("", " done")
    ]
    assert steps == ["open", *names, "keep", "closed"]
    assert {counted.site for counted in sweep.struck} == {NAMES, FLEET, *REGIONS}


def test_killed_anywhere_it_is_recovered_with_its_weights(sweep: Weighed) -> None:
    assert sweep.old.names == sweep.new.names
    assert sweep.old.names is not None
    assert sweep.old.names.weights == FULL
    out = 0
    for _when, memory in sweep.memories:
        names = sweep.world(memory).state().names
        assert names is not None
        # The name is answered without a recovery.
        assert unanswered(names) == []
        out += names.weights != FULL
    # Most kills meet a region that is out of the traffic, or on its way back.
    assert out > len(sweep.memories) / 2
    assert list(killed(sweep)) == []
    assert sweep.returns() == []


def test_no_region_is_changed_while_it_has_a_weight(sweep: Weighed) -> None:
    assert changed_in_traffic(sweep.released.tap.writes, FULL, FLEET) == []


# The mistakes.
def test_a_recovery_that_forgets_the_weights_is_found(sweep: Weighed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NamesWorld, "weights_back", lambda *_given: None)
    assert finds(killed(sweep), f"the weights: {EU} 50, {US} 0 instead of {EU} 50, {US} 50")


def test_weight_for_a_region_that_is_not_back_is_found(sweep: Weighed, monkeypatch: pytest.MonkeyPatch) -> None:
    must = NamesWorld.must

    def too_early(world: NamesWorld, module: t.Any, region: str, **given: t.Any) -> Json:
        done = must(world, module, region, **given)
        if module is journal and (given["state"], given.get("scope")) == ("taken_over", "fleet") and done["release"]:
            world.weights_back(done["release"])
        return done

    monkeypatch.setattr(NamesWorld, "must", too_early)
    for _when, memory in sweep.memories:
        sweep.world(memory).recover()
        if any(text.startswith(f"{US}: got the weight 50, and was changed afterwards: ") for text in sweep.returns()):
            return
    raise AssertionError("nothing was found")


def test_a_change_of_a_region_that_has_not_left_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    own_runtime(monkeypatch, tmp_path)
    monkeypatch.setattr(NamesWorld, "leave", lambda *_given: None)
    world = NamesWorld(monkeypatch)
    world.release()
    found = changed_in_traffic(world.tap.writes, FULL, FLEET)
    assert [text.partition(": ")[0] for text in found] == list(REGIONS)
    assert all("was changed while it had the weight 50: " in text for text in found)
