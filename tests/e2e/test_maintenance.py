# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trading is stopped with a proof and begun again, and a region goes out of service and back, under live orders.

The order flow goes on all the time: what it is refused is nothing lost, and every acknowledgement is compared with the
journal of the engine in the end. Both tests end where they began.
"""

from __future__ import annotations

import http.client
import pathlib
import typing as t
from collections.abc import Iterator

import pytest
from lab_run import Ended, LabRun, playbook
from test_upgrade import LAB, RATE, REGION, book, nothing_lost, variables

from chaos.controller import Orders
from lab.kube import Kube

HOST = "core-api.exchange.lab"
#: How long each mode lasts when trading begins again.
SOON = {"cancel_only_s": 1, "post_only_s": 1}
WORKLOADS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1"}


@pytest.fixture
def kube(demo: LabRun) -> Kube:
    return Kube(REGION.admin_kubeconfig)


@pytest.fixture
def flow(kube: Kube, tmp_path: pathlib.Path) -> Iterator[Orders]:
    """Orders to every region; it is ended whatever happens."""
    orders = Orders(LAB.name, RATE, tmp_path / "flow.json")
    try:
        trades(kube)
        yield orders
    finally:
        orders.end()


def run(name: str, demo: LabRun, **more: t.Any) -> Ended:
    given = variables(reason="storage migration", **SOON, **more)
    return playbook(name, "--limit", REGION.name, reports=demo.reports, **given)


def engine(kube: Kube) -> t.Any:
    """What the engine that leads says of itself."""
    return kube.request("GET", f"/api/v1/namespaces/exchange/pods/{book(kube).owner}-0:8080/proxy/control/status")


def trades(kube: Kube) -> None:
    """Wait until it takes orders."""
    begin = engine(kube)["sequence"]
    kube.wait("orders in the journal", lambda: engine(kube)["sequence"] > begin + RATE // 2, 20)


def replicas(kube: Kube) -> dict[str, int]:
    """How large every workload of the exchange is."""
    return {
        f"{kind} {obj['metadata']['name']}": obj["spec"]["replicas"]
        for kind, api_version in WORKLOADS.items()
        for obj in kube.list(api_version, kind, "exchange", "pincex.io/slot")
    }


def answer() -> tuple[int, str | None]:
    """Status and Retry-After that a client of the region's gateway gets."""
    connection = http.client.HTTPConnection(REGION.address, 80, timeout=10)
    try:
        connection.request("GET", "/health/ready", headers={"Host": HOST})
        got = connection.getresponse()
        return got.status, got.headers["Retry-After"]
    finally:
        connection.close()


def test_trading_is_stopped_with_a_proof_of_the_other_slot_and_begun_again(
    demo: LabRun, kube: Kube, flow: Orders
) -> None:
    before, sizes = book(kube), replicas(kube)
    drained = run("drain", demo)
    assert drained.code == 0
    assert f"{REGION.name} is drained (the engine is cancel_only)" in drained.output
    assert f"{REGION.name}: prove: ok" in drained.output
    # The slot that has proved the snapshot is as it was.
    assert replicas(kube) == sizes
    stopped = engine(kube)
    assert (stopped["role"], stopped["mode"]) == ("leader", "cancel_only")
    resumed = run("resume", demo)
    assert resumed.code == 0
    assert f"{REGION.name} is online (the engine is online)" in resumed.output
    trades(kube)
    assert book(kube) == before
    nothing_lost(flow.end())


def test_a_region_goes_out_of_service_and_back_without_losing_an_order(demo: LabRun, kube: Kube, flow: Orders) -> None:
    before, sizes = book(kube), replicas(kube)
    entered = run("maintenance", demo, state="entered")
    assert entered.code == 0
    assert f"{REGION.name} is entered ({REGION.name} is in maintenance since" in entered.output
    assert {answer() for _request in range(20)} == {(503, "120")}
    assert set(replicas(kube).values()) == {0}
    # Clients go on asking meanwhile.
    status = playbook("status", "--limit", REGION.name, reports=demo.reports)
    assert f"{REGION.name}: in maintenance since" in status.output
    left = run("maintenance", demo, state="left")
    assert left.code == 0
    assert f"{REGION.name} is left" in left.output
    assert {answer()[0] for _request in range(20)} == {200}
    assert replicas(kube) == sizes
    trades(kube)
    assert book(kube) == before
    nothing_lost(flow.end())
