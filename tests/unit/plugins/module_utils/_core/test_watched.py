# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another task has seen of a lease counts only for the same lease, by the same clock."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import watched as watched_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.decide_lease import LeaseState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watched import Watched, name_of_clock
from hypothesis import given
from hypothesis import strategies as st

LEASES = st.builds(
    LeaseState,
    st.sampled_from(["", "anna", "bert"]),
    st.integers(0, 3),
    st.floats(1, 60),
    st.floats(0, 2**31),
)
CLOCKS = st.sampled_from(["", "boot-1", "boot-2"])
INSTANTS = st.floats(0, 10**9)
WATCHED = st.builds(Watched, LEASES, INSTANTS, CLOCKS)


@given(WATCHED, st.none() | LEASES, CLOCKS, INSTANTS)
def test_it_counts_only_for_the_same_lease_by_the_same_clock(
    watched: Watched, lease: LeaseState | None, clock: str, now: float
) -> None:
    since = watched.since(lease, clock, now)
    assert since <= now
    if since < now:
        assert (lease, clock, since) == (watched.lease, watched.clock, watched.at)
        assert clock


@given(WATCHED)
def test_it_comes_back_out_of_an_option(watched: Watched) -> None:
    assert Watched.from_option(watched.to_option()) == watched


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_was_watched(nothing: dict[str, t.Any] | None) -> None:
    assert Watched.from_option(nothing) is None


@pytest.mark.parametrize("name", ["holder", "token", "duration_s", "renewed_at", "seen"])
def test_what_is_no_lock_is_refused(name: str) -> None:
    option = Watched(LeaseState("anna", 1, 6.0, 100.0), 5.0, "boot-1").to_option()
    with pytest.raises(OptionError, match="watched: needs the lock as state=read returned it"):
        Watched.from_option({key: value for key, value in option.items() if key != name})
    with pytest.raises(OptionError, match="watched: needs the lock"):
        Watched.from_option({**option, "token": "first"})


def test_processes_of_one_machine_have_one_clock() -> None:
    module = watched_module.__name__
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import name_of_clock; print(name_of_clock())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == name_of_clock() != ""


def test_a_machine_that_does_not_tell_has_no_clock(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_module, "_PROC", tmp_path)
    assert name_of_clock() == ""
