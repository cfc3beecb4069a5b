# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bad shadow costs the champion: p95 with copies of 10 % of its requests beside p95 without.

One stream of requests runs from the beginning to the end, each sent when it is due. Windows without a shadow and with
that of a slow or a dead challenger take turns, and each p95 is held against those of the windows without one right
before and right after it, so that a machine that becomes slower or faster is no finding. Challengers come and go by
deploy_model.yml and rollback_model.yml.

A request counts from when it was due, so the client's timer, which is late by 1 ms at most while it has a core, is in
every figure alike.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import importlib.metadata
import json
import math
import pathlib
import statistics
import sys
import tempfile
import time
import typing as t
import urllib.request

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_latency import between

from bench.gate import region
from bench.gate.part import Measured, Options, Row
from bench.models.asking import Requests, asking
from bench.models.place import Place
from bench.results import Goal, row
from lab import gateway
from lab.errors import LabError
from lab.gateway_parts import ENVOY_VERSION
from lab.model import Site, plan_lab
from lab.models.drive import Asked
from lab.models.service.versions import CHAMPION
from lab.models.up import read_state
from lab.shell import run

MODEL: t.Final = "fraud"
RATE: t.Final = 100.0
#: Who is asked beside the champion, by what the rows call it.
CHALLENGERS: t.Final = {"300 ms slower": "v2.3.0", "dead": "v2.6.0"}
NONE: t.Final = "no shadow"
WITH: t.Final = "shadow of one that is {}"
#: Copied by default.
SHARE: t.Final = 0.10
RATIO_MAX: t.Final = 1.1
QUANTILE: t.Final = 0.95
#: Of a bound of a percentile.
_RISK: t.Final = 0.05
#: So many standard deviations of the copies are chance.
_CHANCE: t.Final = 4.0
_WINDOW_S: t.Final = 45.0
#: Pods have begun or ended, and the machine is at rest again.
_SETTLE_S: t.Final = 5.0
#: Services send their records every 0.2 s.
_RECORDED_S: t.Final = 2.0
_ROUNDS: t.Final = 5
#: Above the least float, so that what is exactly at its goal meets it.
_AT: t.Final = 1e-9
_FETCH: t.Final = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


@dataclasses.dataclass(frozen=True)
class Window:
    """`who`: a name of CHALLENGERS, or NONE; `copied`: requests that the gateway copied, by its own counter;
    `recorded`: answers of the challenger that reached the recorder. Unix seconds."""

    who: str
    since: float
    until: float
    copied: int
    recorded: int


@dataclasses.dataclass(frozen=True)
class Seen:
    """A window with its requests: milliseconds of each, in order."""

    window: Window
    ordered: tuple[float, ...]
    failed: int

    @property
    def p95(self) -> float:
        return between(self.ordered, QUANTILE, _RISK).seen

    def share(self, number: int) -> float:
        """In percent of the requests."""
        return 100 * number / len(self.ordered)


def seen_in(window: Window, requests: Requests) -> Seen:
    """Raises LabError when nobody asked."""
    asked = requests.due(window.since, window.until)
    if not asked:
        raise LabError(f"there was no request for {window.until - window.since:.0f} s")
    ordered = tuple(sorted(1000 * one.took_s for one in asked))
    return Seen(window, ordered, sum(is_bad(one) for one in asked))


def is_bad(one: Asked) -> bool:
    """A client is never answered by a shadow."""
    return one.failed or one.version != CHAMPION


def is_shadowed(number: int, requests: int) -> bool:
    """Whether so many copies are the share that was asked for, but for chance."""
    return abs(number - SHARE * requests) <= _CHANCE * math.sqrt(requests * SHARE * (1 - SHARE))


def is_good(one: Seen) -> bool:
    """Whether the window was what it is called: no effect of no shadow is no figure. The dead one records nothing."""
    if one.window.who == NONE:
        return one.window.copied == one.window.recorded == 0
    counts = [one.window.copied, *([one.window.recorded] if one.window.who == "300 ms slower" else [])]
    return all(is_shadowed(count, len(one.ordered)) for count in counts)


def ratio(before: Seen, one: Seen, after: Seen) -> float | None:
    """p95 beside the geometric mean of both neighbours; None where a window was not what it is called."""
    if not all(is_good(each) for each in (before, one, after)):
        return None
    return one.p95 / math.sqrt(before.p95 * after.p95)


def order(rounds: int) -> list[str]:
    """Who is asked beside the champion, window by window: each pair of rounds has them in both orders."""
    names = list(CHALLENGERS)
    found = [NONE]
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found += [name, NONE]
    return found


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own of one region."""
    with region.lab(options.lab) as site, tempfile.TemporaryDirectory() as scratch:
        place = Place(plan_lab(options.lab, 1))
        place.up("--without-mlflow")
        windows: list[Window] = []
        with asking(place.lab, MODEL, RATE, pathlib.Path(scratch)) as requests:
            for who in order(options.rounds or _ROUNDS):
                if who != NONE:
                    place.must("deploy_model", model=MODEL, version=CHALLENGERS[who])
                windows.append(_window(place, site, who))
                if who != NONE:
                    place.must("rollback_model", model=MODEL, reason="measured")
    seen = [seen_in(window, requests) for window in windows]
    for one in seen:
        print(
            f"{one.window.who:<14} p95 {one.p95:6.2f} ms, {len(one.ordered)} requests, {one.failed} failed, "
            f"{one.window.copied} copied, {one.window.recorded} recorded{'' if is_good(one) else ' NOT GOOD'}",
            flush=True,
        )
    versions = {"ansible-core": importlib.metadata.version("ansible-core"), "envoy": ENVOY_VERSION}
    return Measured(rows(seen, sum(is_bad(one) for one in requests.asked)), versions)


def _window(place: Place, site: Site, who: str) -> Window:
    place.environment.wait_for_pods()
    time.sleep(_SETTLE_S)
    copied, since = copies(site), time.time()
    time.sleep(_WINDOW_S)
    until, copied_then = time.time(), copies(site)
    time.sleep(_RECORDED_S)
    answered = recorded(place, CHALLENGERS.get(who, ""), since, until)
    print(f"{who}: {copied_then - copied} copied, {answered} recorded", flush=True)
    return Window(who, since, until, copied_then - copied, answered)


def copies(site: Site) -> int:
    """Requests to this model that the gateway of a region has copied, as Envoy counts them since the copies began."""
    (address,) = (gateway.home(site) / "run").glob("*/admin-address.txt")
    url = f"http://{address.read_text().strip()}/stats?filter=httproute/exchange/{MODEL}/.*mirror.*upstream_rq_total"
    text = run(["ip", "netns", "exec", site.netns, sys.executable, "-c", _FETCH, url])
    return copied_in(text)


def copied_in(text: str) -> int:
    """Of Envoy's counters, a line each: `cluster.httproute/exchange/fraud/rule/0-mirror-0.upstream_rq_total: 12`."""
    return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if line.strip())


def recorded(place: Place, version: str, since: float, until: float) -> int:
    """Requests that came to that version in this time, of those that it has answered."""
    url = f"{read_state(place.lab)['recorder']}/records/{MODEL}?since={since}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        records = [json.loads(line) for line in answer]
    return sum(one.get("version") == version and since <= one["ts"] < until for one in records)


def rows(seen: c.Sequence[Seen], failed: int) -> list[Row]:
    """`failed`: requests that did, in all the windows and between them."""
    made: list[Row] = []
    for who in CHALLENGERS:
        own = [number for number, one in enumerate(seen) if one.window.who == who]
        ratios = [ratio(*seen[number - 1 : number + 2]) for number in own]
        made += _rows(WITH.format(who), [seen[number] for number in own], ratios, Goal(RATIO_MAX + _AT, of="median"))
    # What the same figure is where nothing differs: between windows without a shadow.
    quiet = [one for one in seen if one.window.who == NONE]
    ratios = [ratio(*quiet[number - 1 : number + 2]) for number in range(1, len(quiet) - 1)]
    made += _rows(NONE, quiet, ratios, Goal())
    made.append(row("from the beginning to the end", "errors", [float(failed)], Goal(_AT), "count"))
    return made


def _rows(case: str, own: c.Sequence[Seen], ratios: c.Sequence[float | None], goal: Goal) -> list[Row]:
    every = between(sorted(value for one in own for value in one.ordered), QUANTILE, _RISK)
    p95 = row(case, "p95", [one.p95 for one in own], Goal(), "ms")
    return [
        row(case, "p95 beside no shadow", ratios, goal, "times"),
        # Of all windows together.
        {**p95, "low": round(every.low, 3), "high": round(every.high, 3), "p95": round(every.seen, 3)},
        row(case, "requests", [float(statistics.mean(len(one.ordered) for one in own))], Goal(), "count"),
        row(case, "copied", [one.share(one.window.copied) for one in own], Goal(), "%"),
        row(case, "copies answered", [one.share(one.window.recorded) for one in own], Goal(), "%"),
        row(case, "errors", [float(one.failed) for one in own], Goal(_AT), "count"),
    ]
