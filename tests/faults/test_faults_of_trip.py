# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way to the API server does at the moment of the trip's write: it is done, or the result says that it is not.

Never is something called done that is not, nor undone that may be done.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import run as gate
from fault_proxy import Fault, FaultProxy, Handler, half, no_json, reset, slow, status, times
from gate_under_fault import Json
from trip_under_fault import BEFORE, SERVICE, WANTED, ReleasedRegion

Make = t.Callable[[ReleasedRegion], Fault]

BACK_S: t.Final = 0.3


def restarts(region: ReleasedRegion) -> Fault:
    """The API server goes away when the write comes, and is back soon."""

    def fault(_handler: Handler, proxy: FaultProxy) -> bool:
        proxy.fault = None
        region.api.stop()
        threading.Timer(BACK_S, region.api.start).start()
        return False

    return fault


def token_ends(region: ReleasedRegion, renewed: bool) -> Fault:
    """The token ends when the write comes; the file has the next one soon, or never."""

    def fault(_handler: Handler, _proxy: FaultProxy) -> bool:
        if region.api.token is None:
            region.api.token = "second"
            if renewed:
                threading.Timer(BACK_S, lambda: region.token.write_text("second")).start()
        return False

    return fault


def goes(_region: ReleasedRegion) -> Fault:
    """The write goes through, nobody hears of it, and from then on the API server does not answer."""

    def fault(handler: Handler, proxy: FaultProxy) -> bool:
        proxy.only = proxy.method = ""
        proxy.fault = reset
        proxy.pass_on(handler, 0)
        return True

    return fault


PASSES: dict[str, Make] = {
    "connection resets": lambda _region: times(3, reset),
    "lost answers": lambda _region: times(2, half(0)),
    "half an answer": lambda _region: times(2, half(50)),
    "500": lambda _region: times(3, status(500)),
    "503": lambda _region: times(3, status(503)),
    "429": lambda _region: times(3, status(429)),
    "429 with Retry-After": lambda _region: times(1, status(429, Retry_After="1")),
    "slow answers": lambda _region: times(1, slow(0.8)),
    "API server restarted": restarts,
    "token renewed on disk": lambda region: token_ends(region, renewed=True),
}
#: What stays, and whether the write went through.
STAYS: dict[str, tuple[Make, bool]] = {
    "connection resets": (lambda _region: reset, False),
    "500": (lambda _region: status(500), False),
    "429": (lambda _region: status(429), False),
    "token ended": (lambda region: token_ends(region, renewed=False), False),
    "a page to log in": (lambda _region: no_json, False),
    "lost answer, and silence": (goes, True),
}


def tripped(folder: pathlib.Path, make: Make) -> tuple[Json, ReleasedRegion]:
    folder.mkdir()
    region = ReleasedRegion(folder)
    try:
        region.to_api.fault = make(region)
        return region.trip(), region
    finally:
        region.close()


Results = t.Callable[[str], tuple[Json, ReleasedRegion]]


def all_at_a_time(folder: pathlib.Path, makes: t.Mapping[str, Make]) -> t.Iterator[Results]:
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = {
            name: pool.submit(tripped, folder / str(number), make) for number, (name, make) in enumerate(makes.items())
        }
        yield lambda name: running[name].result()


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Results]:
    yield from all_at_a_time(tmp_path_factory.mktemp("passing"), PASSES)


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Results]:
    """The gate has 30 seconds for the trip; here it gives up sooner."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gate, "_ACT_S", 5.0)
        yield from all_at_a_time(
            tmp_path_factory.mktemp("staying"), {name: make for name, (make, _written) in STAYS.items()}
        )


@pytest.mark.parametrize("fault", PASSES)
def test_a_fault_that_passes_does_not_keep_the_trip(passing: Results, fault: str) -> None:
    result, region = passing(fault)
    assert region.to_api.spoiled > 0
    assert (result["verdict"], result["cause"], result["tripped"]["error"]) == ("fail", "metric", ""), result["reason"]
    assert region.weights() == WANTED
    assert [one["after"] for one in result["tripped"]["routes"]] == [WANTED]
    assert result["changed"]
    assert [entry.done for entry in region.entries()] == [True]
    assert result["undo"]["decision"] == "undo"


@pytest.mark.parametrize("fault", STAYS)
def test_a_trip_that_could_not_be_done_is_never_called_done(staying: Results, fault: str) -> None:
    _make, written = STAYS[fault]
    result, region = staying(fault)
    assert region.to_api.spoiled > 0
    assert (result["verdict"], result["cause"]) == ("fail", "metric"), result["reason"]
    assert region.weights() == (WANTED if written else BEFORE)
    assert f"; the traffic could not be taken back: {SERVICE}: " in result["reason"]
    assert f"{SERVICE}: replace HTTPRoute exchange/{SERVICE}: " in result["tripped"]["error"]
    # Whoever does not know what is there does not say it.
    assert [one["after"] for one in result["tripped"]["routes"]] in ([None], [region.weights()])
    assert not any(entry.done for entry in region.entries())
    assert result["undo"]["decision"] == "undo"
