# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may touch a lab that is there already, and what is written about one."""

from __future__ import annotations

import pathlib

import pytest

from lab import model, pki, state
from lab.errors import LabError

HERE = pathlib.Path("/home/a/checkout")
OWNED = {"checkout": str(HERE), "regions": 2}


def test_a_living_lab_of_this_checkout_goes_on() -> None:
    assert state.refusal(model.plan_lab("demo"), OWNED, ["us-east-1/etcd"], HERE) is None


def test_a_living_lab_of_another_checkout_is_refused_with_how_to_stop_it() -> None:
    answer = state.refusal(model.plan_lab("demo"), OWNED, ["us-east-1/etcd"], pathlib.Path("/home/b"))
    assert answer is not None
    assert str(HERE) in answer
    assert "python -m lab down --name demo" in answer


def test_a_dead_lab_of_another_checkout_is_free() -> None:
    assert state.refusal(model.plan_lab("demo"), OWNED, [], pathlib.Path("/home/b")) is None


def test_another_number_of_regions_is_refused() -> None:
    answer = state.refusal(model.plan_lab("demo", 3), OWNED, ["us-east-1/etcd"], HERE)
    assert answer is not None
    assert "with 2 regions, not 3" in answer


@pytest.mark.parametrize("content", [None, "", '{"torn": ', "[]"])
def test_a_file_that_is_not_whole_reads_as_nothing(tmp_path: pathlib.Path, content: str | None) -> None:
    path = tmp_path / "owner.json"
    if content is not None:
        path.write_text(content)
    assert state.read(path) == {}


def test_kubeconfig_and_state_name_every_site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    lab = model.plan_lab("scratch", 2)
    for site in lab.sites:
        pki.prepare(site)
    names = [context["name"] for context in state.merged_kubeconfig(lab)["contexts"]]
    assert names == ["management", "us-east-1", "eu-west-1"]
    state.write_state(lab)
    written = state.read(lab.home / "state.json")
    assert set(written["regions"]) == {"us-east-1", "eu-west-1"}
    assert written["regions"]["us-east-1"]["gateway_url"] == "http://198.18.33.2"
    # Nobody has started a Redis.
    assert written["flags"] == {}
    assert state.complete(lab)
    assert not state.complete(model.plan_lab("scratch", 3))


def test_one_up_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(state, "LOCKS", tmp_path)
    lab = model.plan_lab("scratch", 1)
    with state.locked(lab):
        with pytest.raises(LabError, match="another `up` or `down`"), state.locked(lab):
            pass
        with state.locked(model.plan_lab("demo")):
            pass  # another lab has a lock of its own
    with state.locked(lab):
        pass
