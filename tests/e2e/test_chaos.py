# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seeded sample of the kill sweep. All points are run by `make chaos`.

The points lie before the fleet's decision: each run ends where it began, and the other tests find what they expect.
"""

from __future__ import annotations

import pathlib

import pytest
from lab_run import LabRun

from chaos.points import Point, Sample
from chaos.sweep import VERSIONS, Sweep, version_of
from chaos.variants import VARIANTS
from lab.model import plan_lab

SEED = "11"
#: Writes of a release to its first region and to the fleet that come before its second region begins.
EARLY = [
    Point(site, number, "before" if number % 2 else "after")
    for site, last in (("us-east-1", 8), ("management", 4))
    for number in range(1, last + 1)
]


@pytest.mark.parametrize("point", Sample(SEED, 3).of(EARLY, "tree"), ids=str)
def test_a_release_that_is_killed_is_taken_back(demo: LabRun, point: Point, tmp_path: pathlib.Path) -> None:
    sweep = Sweep(plan_lab("test"), tmp_path, rate=50)
    before = sweep.world.read()
    assert version_of(before) in VERSIONS
    # Nothing else than what was there passes, whichever version is on its way.
    sweep.references = dict.fromkeys(VERSIONS, before)
    outcome = sweep.strike(VARIANTS["tree"], point)
    assert outcome.reached, f"no release came to {point}"
    assert outcome.violations == ()
    assert version_of(sweep.world.read()) == version_of(before)
