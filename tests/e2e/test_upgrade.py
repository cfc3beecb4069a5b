# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matching engine is released under live orders: by a handover, and back by one, also when nobody is left to do it.

The order flow compares every acknowledgement with the journal of the engine that leads in the end. These are the last
tests of the lab: the book stays in a format that the engine of the beginning cannot read, and the revisions name an
engine that the catalogue of the other tests has not.
"""

from __future__ import annotations

import json
import pathlib
import time
import typing as t
from collections.abc import Callable, Iterator

import pytest
import yaml
from lab_run import CHECKOUT, PROFILES, Ended, LabRun, playbook

from chaos.controller import Controller, Controllers, Orders
from lab.kube import Kube
from lab.model import plan_lab

LAB = plan_lab("test")
REGION = LAB.regions[0]
ENGINE = "matching-engine"
RATE = 50


class Book(t.NamedTuple):
    """What the region's epoch record says."""

    owner: str
    epoch: int


@pytest.fixture
def kube(demo: LabRun) -> Kube:
    return Kube(REGION.admin_kubeconfig)


@pytest.fixture
def orders(demo: LabRun, tmp_path: pathlib.Path) -> Iterator[Callable[[], dict[str, t.Any]]]:
    """An order flow; called, it ends and tells its totals."""
    flow = Orders("test", RATE, tmp_path / "flow.json")
    try:
        yield flow.end
    finally:
        flow.end()


def book(kube: Kube) -> Book:
    found = kube.get("v1", "ConfigMap", f"{ENGINE}-epoch", "exchange") or {}
    record = json.loads(found["data"]["record"])
    return Book(record["owner"], record["epoch"])


def variables(**more: t.Any) -> dict[str, t.Any]:
    text = (CHECKOUT / "inventories" / "lab-engine.yml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), "gate_profiles": PROFILES, "release_standby_s": 1, **more}


def release(name: str, reports: pathlib.Path, **more: t.Any) -> Ended:
    return playbook(name, "--limit", REGION.name, reports=reports, **variables(**more))


def start(folder: pathlib.Path, **more: t.Any) -> Controller:
    """A deploy of the engine's v2 that goes on for as long as it is let."""
    patient = {"default": {**PROFILES["default"], "step_s": 60}}
    extra = variables(**more) | {"gate_profiles": patient, "release_versions": {ENGINE: "v2"}}
    controllers = Controllers("test", folder)
    return controllers.start("deploy", LAB.kubeconfig, **extra)


def nothing_lost(totals: dict[str, t.Any]) -> None:
    assert totals["acknowledged"] > 0
    assert (totals["lost"], totals["duplicated"]) == (0, 0)


def test_a_release_that_is_killed_after_the_handover_gives_the_book_back(
    demo: LabRun, kube: Kube, orders: Callable[[], dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    before = book(kube)
    assert before.owner == f"{ENGINE}-blue"
    controller = start(tmp_path)
    try:
        kube.wait("the handover", lambda: book(kube).owner == f"{ENGINE}-green", 150)
    finally:
        controller.kill_tree()
    recovered = playbook("recover", reports=demo.reports, **variables())
    assert recovered.code == 0, controller.output()
    after = book(kube)
    assert (after.owner, after.epoch) == (before.owner, before.epoch + 2)
    nothing_lost(orders())


def test_an_upgrade_is_a_handover_under_orders_and_the_second_run_changes_nothing(
    demo: LabRun, kube: Kube, orders: Callable[[], dict[str, t.Any]]
) -> None:
    before = book(kube)
    deployed = release("deploy", demo.reports, release_versions={ENGINE: "v2"})
    assert deployed.code == 0
    after = book(kube)
    assert (after.owner, after.epoch) == (f"{ENGINE}-green", before.epoch + 1)
    again = release("deploy", demo.reports, release_versions={ENGINE: "v2"})
    assert again.code == 0
    assert "changed=0" in again.output
    old = kube.get("apps/v1", "StatefulSet", f"{ENGINE}-blue", "exchange") or {}
    assert old["spec"]["replicas"] == 0
    nothing_lost(orders())


def test_an_engine_that_cannot_read_the_book_never_gets_it(
    demo: LabRun, kube: Kube, orders: Callable[[], dict[str, t.Any]]
) -> None:
    """v2 writes its own format since the end of the standby, and v1 does not know it."""
    before = book(kube)
    hasty = {"default": {**PROFILES["default"], "deadline_s": 20}}
    refused = release("deploy", demo.reports, release_versions={ENGINE: "v1"}, gate_profiles=hasty)
    assert refused.code != 0
    assert "taken_back" in refused.output
    assert "writes format 2 and" in refused.output, "told at once, not by the gate's deadline"
    assert book(kube) == before
    nothing_lost(orders())


def test_the_engine_that_leads_is_found_by_its_gateways_after_a_restart(
    demo: LabRun, kube: Kube, orders: Callable[[], dict[str, t.Any]]
) -> None:
    leader = book(kube).owner
    kube.delete("v1", "Pod", f"{leader}-0", "exchange")
    time.sleep(2)

    def ready() -> bool:
        engine = kube.get("apps/v1", "StatefulSet", leader, "exchange") or {}
        return int((engine.get("status") or {}).get("readyReplicas") or 0) == 1

    kube.wait(f"{leader} is back", ready, 90)
    assert book(kube).owner == leader
    nothing_lost(orders())
