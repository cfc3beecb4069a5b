# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each refusal is one sentence that says what to do."""

from __future__ import annotations

import pathlib

import pytest

from lab import checks
from lab.model import plan_lab

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n'
V1 = [pathlib.Path("/sys/fs/cgroup/cpu")]


def test_a_good_machine_is_not_refused() -> None:
    checks.refuse(
        checks.root(0),
        checks.python((3, 11)),
        checks.distribution(DEBIAN_12),
        checks.cgroups(V1, "cpu memory pids devices"),
        checks.disk(9 * 10**9, pathlib.Path("/var/lib")),
        checks.memory(4 * 10**9),
        checks.networks(plan_lab("demo"), []),
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (checks.root(1000), "as root"),
        (checks.python((3, 10)), "Python 3.10 is too old"),
        (checks.distribution(DEBIAN_12.replace('"12"', '"13"')), "this is debian 13"),
        (checks.distribution(""), "this is ? ?"),
        (checks.cgroups([], ""), "no cgroups"),
        (checks.cgroups(V1, "cpu pids devices"), "memory missing"),
        (checks.disk(7 * 10**9, pathlib.Path("/var/lib")), "7.0 GB free at /var/lib"),
        (checks.memory(10**9), "1.0 GB of memory free"),
        (checks.networks(plan_lab("demo"), ["198.18.0.0/24 (dev eth1)"]), "taken by 198.18.0.0/24 (dev eth1)"),
    ],
)
def test_a_refusal_is_one_sentence(answer: str | None, says: str) -> None:
    assert answer is not None
    assert says in answer
    assert "\n" not in answer
    assert ": " in answer, "it says what is wrong, then what to do"
