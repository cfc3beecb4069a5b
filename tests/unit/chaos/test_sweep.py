# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep that is interrupted itself leaves behind: no playbook that the next one would meet."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import typing as t

import pytest

from chaos import sweep as sweep_module
from chaos.mutations import Write
from chaos.oracle import SiteState, State
from chaos.proxy import NAMES, Counted, Tap
from chaos.subjects import PLAIN
from chaos.sweep import Sweep, SweepError, unusable
from chaos.variants import VARIANTS, Run


class Playbook:
    """Runs until it is killed."""

    def __init__(self) -> None:
        self.ended = False

    def kill_tree(self) -> None:
        self.ended = True


class Interrupted(Exception):
    """Somebody presses Ctrl-C."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Playbook]:
    """Every playbook that was started; whoever waits for one is interrupted."""
    playbooks: list[Playbook] = []

    class Controllers:
        def __init__(self, _lab: str, _folder: pathlib.Path) -> None:
            pass

        def start(self, *_given: t.Any, **_more: t.Any) -> Playbook:
            playbooks.append(Playbook())
            return playbooks[-1]

    @contextlib.contextmanager
    def proxied(_lab: t.Any, _tap: Tap, folder: pathlib.Path) -> t.Iterator[pathlib.Path]:
        yield folder

    def end(_run: Run) -> None:
        raise Interrupted

    monkeypatch.setattr(sweep_module, "Controllers", Controllers)
    monkeypatch.setattr(sweep_module, "proxied", proxied)
    monkeypatch.setattr(Run, "end", end)
    monkeypatch.setattr(Sweep, "_standing", lambda _sweep: "v1")
    return playbooks


def test_an_interrupted_sweep_kills_the_deploy_that_it_was_interrupting(
    started: list[Playbook], tmp_path: pathlib.Path
) -> None:
    made = Sweep.__new__(Sweep)
    made._lab = t.cast(t.Any, type("Lab", (), {"name": "test"}))
    made.subject, made._variables = PLAIN, {}
    made.world = t.cast(t.Any, type("World", (), {"names": None}))
    made.writes = {"deploy": [t.cast(Counted, type("Write", (), {"site": "us-east-1", "number": 1}))]}
    with pytest.raises(Interrupted):
        made._interrupt(tmp_path)
    assert [playbook.ended for playbook in started] == [True]


@pytest.mark.parametrize(("site", "is_fine"), [(NAMES, True), ("management", False)])
def test_a_sweep_of_the_weights_that_never_met_the_name_server_is_no_sweep(site: str, is_fine: bool) -> None:
    made = Sweep.__new__(Sweep)
    write = Write("PATCH", "configmaps/pincex-release-journal", "a step")
    made.writes = {"deploy": [Counted(site, 1, write, 0.0)]}
    if is_fine:
        assert made.points(VARIANTS["dns"])
        return
    with pytest.raises(SweepError, match="1 writes of deploy were recorded and none at powerdns"):
        made.points(VARIANTS["dns"])
    # Others do not write there.
    assert made.points(VARIANTS["tree"])


def test_a_sweep_that_goes_on_does_not_start_on_a_release_that_is_open() -> None:
    labels = {"app.kubernetes.io/version": "v1"}
    live = {f"Deployment {PLAIN.service}-blue": {"metadata": {"labels": labels}}}
    region = SiteState(live, {PLAIN.service: {"blue": 100, "green": 0}})
    opened = dataclasses.replace(region, open_release="r7")
    assert unusable(State({"us": region, "eu": region}, SiteState())) == ""
    assert unusable(State({"us": region, "eu": opened}, SiteState())).startswith("a release is open in eu, as")
    assert unusable(State({"us": region}, SiteState(open_release="r7"))).startswith(
        "a release is open in the fleet, as"
    )
    assert unusable(State({"us": SiteState()}, SiteState())).startswith("the environment holds no version")
