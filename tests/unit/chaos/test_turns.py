# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which writes of a playbook speak of a region that was changed while it had a weight."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.mutations import Write
from chaos.proxy import NAMES, Counted
from chaos.turns import changed_in_traffic, changed_when_back

FULL = {"us": 50, "eu": 50}


def weigh(**weights: int) -> Counted:
    return Counted(NAMES, 1, Write("PATCH", "weights", "", tuple(weights.items())), 0)


def change(region: str, what: str = "httproutes/api") -> Counted:
    return Counted(region, 1, Write("PATCH", what, "shift"), 0)


def fleet(step: str) -> Counted:
    return Counted("management", 1, Write("PATCH", "configmaps/pincex-release-journal", step), 0)


def test_a_region_that_leaves_first_may_be_changed() -> None:
    assert changed_in_traffic([fleet("open"), weigh(us=0), change("us")], FULL, "management") == []
    assert changed_in_traffic([fleet("open"), change("eu")], {"us": 50, "eu": 0}, "management") == []


def test_one_change_of_each_region_in_traffic_is_told() -> None:
    writes = [fleet("open"), fleet("evacuate us"), change("us"), change("us"), weigh(us=0), weigh(us=12), change("eu")]
    assert changed_in_traffic(writes, FULL, "management") == [
        "us: was changed while it had the weight 50: PATCH httproutes/api (shift)",
        "eu: was changed while it had the weight 50: PATCH httproutes/api (shift)",
    ]
    late = [fleet("open"), weigh(us=0), weigh(us=12), change("us")]
    assert "us: was changed while it had the weight 12" in changed_in_traffic(late, FULL, "management")[0]


def test_neither_the_standby_of_the_release_before_nor_the_end_of_this_one_counts() -> None:
    for step in ("keep", "undo", "closed"):
        writes = [change("us"), fleet("open"), change("us", "leases/a"), fleet(step), fleet("take back"), change("us")]
        assert changed_in_traffic(writes, FULL, "management") == []


def test_weight_comes_after_the_last_change() -> None:
    assert changed_when_back([change("us"), weigh(us=50), change("eu")], {"us": 0, "eu": 50}) == []
    assert changed_when_back([weigh(us=50), change("us", "configmaps/journal")], {"us": 0, "eu": 50}) == []
    assert changed_when_back([weigh(us=50, eu=50), change("us"), change("eu")], {"us": 12, "eu": 50}) == [
        "us: got the weight 50, and was changed afterwards: PATCH httproutes/api (shift)"
    ]


steps = st.one_of(
    st.builds(lambda us, eu: weigh(us=us, eu=eu), st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([change("us"), change("eu")]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=8))
def test_a_region_is_told_exactly_when_a_change_of_it_met_a_weight(writes: list[Counted]) -> None:
    now, met = {"us": 1, "eu": 1}, set()
    for counted in writes:
        now |= dict(counted.write.weights)
        if now.get(counted.site):
            met.add(counted.site)
    told = changed_in_traffic([fleet("open"), *writes], {"us": 1, "eu": 1}, "management")
    assert {sentence.partition(":")[0] for sentence in told} == met
    assert len(told) == len(met)
