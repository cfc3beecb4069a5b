# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One environment, struck at one point after another: release, disturb, recover twice, look.

A run starts where the one before it ended: at one of two revisions that differ in the version of one service. Which
one is the old revision of a run, and the other one the new.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import http.client
import json
import pathlib
import tempfile
import time
import typing as t

from chaos.controller import Controller, Controllers, Orders
from chaos.oracle import Ledger, SiteState, State, differences, judge, unanswered
from chaos.points import Point, points_of
from chaos.proxy import NAMES, Counted, Tap, names_proxied, proxied
from chaos.record import Outcome
from chaos.subjects import CUT_DEADLINE_S, FIRST_VERSION, PLAIN, SERVICES, Subject
from chaos.turns import changed_in_traffic, changed_when_back
from chaos.variants import FLEET, PATIENCE_S, Run, Variant, kill_tree
from chaos.world import World
from lab.flow.engines import EngineError
from lab.model import Lab

__all__ = ["SERVICES", "VERSIONS", "Sweep", "SweepError", "version_of"]

VERSIONS: t.Final = PLAIN.versions
#: A recovery waits for leases to lapse, for pods and for gateways; longer than this is a finding.
_RECOVER_S: t.Final = 180
#: Where an interrupted recovery starts: so far through the writes of a deploy, both regions are changed by then.
_FIRST_KILL: t.Final = 0.7
#: What reading a journal raises.
_NOT_READ: t.Final = (EngineError, OSError, http.client.HTTPException, ValueError)


class SweepError(Exception):
    """The environment cannot be brought to where a run starts."""


def version_of(state: State, service: str = PLAIN.service) -> str:
    """The version of the service that has the traffic; empty when that is not one and the same in all regions."""
    found = {_live_version(site, service) for site in state.regions.values()}
    return found.pop() if len(found) == 1 else ""


def _live_version(site: SiteState, service: str) -> str:
    if service in site.engines:
        name = f"StatefulSet {site.engines[service].owner}"
    else:
        live = [slot for slot, weight in site.weights.get(service, {}).items() if weight == 100]
        name = f"Deployment {service}-{live[0]}" if len(live) == 1 else ""
    workload = site.objects.get(name)
    return str(workload["metadata"]["labels"].get("app.kubernetes.io/version")) if workload else ""


def unusable(state: State) -> str:
    """Why no release can start from there; empty when one can."""
    if not version_of(state):
        return "the environment holds no version that this sweep knows"
    sites = {**state.regions, "the fleet": state.fleet}
    open_in = [name for name, site in sites.items() if site.open_release]
    return f"a release is open in {', '.join(open_in)}, as an interrupted sweep leaves one" if open_in else ""


class Sweep:
    """Runs points on a lab that is up."""

    def __init__(
        self,
        lab: Lab,
        folder: pathlib.Path,
        rate: float,
        say: c.Callable[[str], None] = print,
        subject: Subject = PLAIN,
    ) -> None:
        self._lab = lab
        self._folder = folder
        self._rate = rate
        self._say = say
        self.subject = subject
        self._variables = subject.variables()
        engine = subject.service if subject.is_engine else ""
        self.world = World(lab, SERVICES, engine=engine, by_weights=subject.by_weights)
        #: Version -> what a release of it that nobody disturbed left.
        self.references: dict[str, State] = {}
        self.writes: dict[str, list[Counted]] = {}

    # What a sweep needs before its first point.
    def prepare(self) -> None:
        """Bring both revisions about, keep how they look, and count the writes of the release between them."""
        names = self.world.names
        problem = unusable(self.world.read())
        if problem:
            self._say(f"reset: {problem}")
            self._install()
        elif names is not None and self._weights() != names.full:
            self._say("reset: the weights are not those of the lab")
            names.reset()
        self._refer()

    def _install(self) -> None:
        """Everything that a wipe takes, from nothing. An engine stays as it is, and the catalogue is one without it."""
        self.world.wipe()
        self._plainly("deploy", release_version=FIRST_VERSION)

    def _refer(self) -> None:
        # Once to and fro: the first release of a slot creates what every later one finds.
        orders = self._orders("prepare")
        try:
            for round_number in range(3):
                version = self.subject.other(self._standing())
                tap = Tap()
                self._deploy(version, tap)
                self.references[version] = self.world.read()
                self.writes["deploy"] = tap.writes
                self._say(f"reference {round_number + 1}/3: {version} stands, {len(tap.writes)} writes")
        finally:
            orders.end()

    def points(self, variant: Variant) -> list[Point]:
        """Every kill point of a variant, from a run that was not disturbed. Raises SweepError."""
        if variant.playbook not in self.writes:
            self._count(variant)
        writes = self.writes[variant.playbook]
        if variant.subject.by_weights and not any(counted.site == NAMES for counted in writes):
            # The journal's entries alone would be points, and nothing of what the variant is for would be struck.
            raise SweepError(
                f"{variant.name}: {len(writes)} writes of {variant.playbook} were recorded and none at {NAMES}, at "
                "least 1 is needed: look whether the playbook reached the name server through the proxy"
            )
        struck = variant.struck(writes)
        return points_of([(counted.site, counted.number, str(counted.write)) for counted in struck])

    def _count(self, variant: Variant) -> None:
        """Count the writes of a rollback or a recovery."""
        with self._run("count") as (folder, orders):
            self._begin()
            if variant.playbook == "rollback":
                self._deploy(self.subject.other(self._standing()))
            else:
                self._interrupt(folder)
            tap = Tap()
            self._plainly(variant.playbook, tap, **self._variables)
            self.writes[variant.playbook] = tap.writes
            orders.end()

    # One point.
    def strike(self, variant: Variant, point: Point) -> Outcome:
        """Disturb one run at one point, recover, and judge what is left."""
        began = time.monotonic()
        old = self._begin()
        since = self._sequences()
        with self._run(f"{variant.name}-{point}") as (folder, orders):
            if variant.playbook == "rollback":
                old = self.subject.other(old)
                self._deploy(old)
            elif variant.playbook == "recover":
                self._interrupt(folder)
            run, recover_s = self._disturb(variant, point, self.subject.other(old), folder)
            ended_ms = int(1000 * time.time())
            totals = orders.end()
            # A day later, from somewhere else: there must be nothing left to do.
            again = self._recover(folder, run.violations)
            if again.writes:
                run.violations.append(f"a second recovery wrote: {again.writes[0].write}")
        found = self.world.read()
        ledger = Ledger(totals.get("lost"), totals.get("duplicated"))
        judged = judge(found, self.references[old], self.references[self.subject.other(old)], ledger)
        counted = {name: totals.get(name) for name in _TOTALS}
        if self.subject.is_engine:
            counted |= {"longest_wait_s": totals.get("longest_wait_s")}
            counted |= self._traded(since, ended_ms, run.violations)
        return Outcome(
            variant=variant.name,
            point=str(point),
            what=point.what,
            reached=run.tap.reached.is_set(),
            stands=judged.stands,
            violations=(*run.violations, *judged.violations),
            seconds=round(time.monotonic() - began, 1),
            recover_s=round(recover_s, 1),
            orders=counted,
        )

    def _sequences(self) -> dict[str, int]:
        """Where the journals of the engines are when a run begins. Raises SweepError."""
        if not self.subject.is_engine:
            return {}
        try:
            return self.world.engines.sequences()
        except _NOT_READ as error:
            raise SweepError(f"the journal of an engine cannot be read: {error}") from error

    def _traded(self, since: c.Mapping[str, int], ended_ms: int, violations: list[str]) -> dict[str, t.Any]:
        """How long no region took an order, and how long an epoch was closed, in seconds; the worst region counts."""
        try:
            regions = self.world.engines.traded(since, ended_ms)
        except _NOT_READ as error:
            violations.append(f"how long nobody traded is not known: {error}")
            return {"longest_gap_s": None, "longest_closed_s": None}
        for region, trading in regions.items():
            violations += trading.violations(region, CUT_DEADLINE_S)
        return {
            "longest_gap_s": max(trading.gap_s for trading in regions.values()),
            "longest_closed_s": max(trading.closed_s for trading in regions.values()),
        }

    def _disturb(self, variant: Variant, point: Point, version: str, folder: pathlib.Path) -> tuple[Run, float]:
        """Both halves of a variant, and the recovery. Returns the seconds of the recovery as well."""
        controllers = Controllers(self._lab.name, folder)
        strike: list[Run] = []
        tap = Tap(point, lambda met: variant.strike(strike[0], met))
        weights = self._weights()
        with self._tapped(tap, folder / "proxied") as (kubeconfig, through):
            extra = dict(self._variables)
            if variant.playbook == "deploy":
                extra["release_versions"] = {self.subject.service: version}

            def second(skew_s: float) -> Controller:
                return controllers.start("deploy", self._lab.kubeconfig, skew_s=skew_s, **extra)

            run = Run(tap, second)
            strike.append(run)
            run.controller = controllers.start(variant.playbook, kubeconfig, skew_s=variant.skew_s, **extra, **through)
            try:
                variant.follow(run)
                if self.subject.is_engine:
                    run.violations += self.world.engines.wait_to_trade(CUT_DEADLINE_S)
                if self.world.names is not None:
                    told = unanswered(self.world.names.state())
                    run.violations += [f"{sentence}, after the kill and without recover" for sentence in told]
                    run.violations += changed_in_traffic(tap.writes, weights, FLEET)
                recover_s = self._recover(folder, run.violations).seconds
                if variant.resume is not None:
                    variant.resume(run)
            finally:
                # Whatever happens here, no process of this run lives on into the next one.
                run.resumed.set()
                for controller in (run.controller, run.rival):
                    if controller is not None and not controller.ended:
                        controller.kill_tree()
        return run, recover_s

    def _recover(self, folder: pathlib.Path, violations: list[str]) -> Recovery:
        """`recover` from another working directory, its writes counted."""
        tap = Tap()
        weights = self._weights()
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="pincex-chaos-") as elsewhere,
            self._tapped(tap, folder / "recover") as (kubeconfig, through),
        ):
            controllers = Controllers(self._lab.name, folder / f"recover-{len(list(folder.glob('recover-*')))}")
            extra = {**self._variables, **through}
            recovery = controllers.start("recover", kubeconfig, cwd=pathlib.Path(elsewhere), **extra)
            try:
                code = recovery.wait(_RECOVER_S)
            finally:
                if not recovery.ended:
                    recovery.kill_tree()
            if code is None:
                violations.append(f"recover had not ended after {_RECOVER_S} s")
            elif code != 0:
                violations.append(f"recover ended with {code}: {_last_message(recovery.output())}")
        violations += changed_when_back(tap.writes, weights)
        return Recovery(tap.writes, time.monotonic() - began)

    def _weights(self) -> dict[str, int]:
        """Those that stand now; none where regions have none that are looked at."""
        return {} if self.world.names is None else dict(self.world.names.state().weights)

    def _interrupt(self, folder: pathlib.Path) -> None:
        """Kill a deploy in the middle of its second region: that is where an interrupted recovery starts."""
        writes = self.writes["deploy"]
        counted = writes[int(len(writes) * _FIRST_KILL)]
        strike: list[Run] = []
        tap = Tap(Point(counted.site, counted.number, "after"), lambda met: kill_tree(strike[0], met))
        with self._tapped(tap, folder / "interrupted") as (kubeconfig, through):
            run = Run(tap, _nobody)
            strike.append(run)
            extra = {
                **self._variables,
                **through,
                "release_versions": {self.subject.service: self.subject.other(self._standing())},
            }
            controllers = Controllers(self._lab.name, folder / "interrupt")
            run.controller = controllers.start("deploy", kubeconfig, **extra)
            try:
                run.end()
            finally:
                # The point may never be reached, and a sweep may be interrupted while it waits for it.
                if not run.controller.ended:
                    run.controller.kill_tree()

    # Where a run starts.
    def _begin(self) -> str:
        """The version that stands; a run starts at exactly one of the two references. Raises SweepError."""
        for attempt in range(2):
            state = self.world.read()
            version = version_of(state, self.subject.service)
            if version in self.references and _is_at(state, self.references[version]):
                return version
            if attempt == 0:
                self._say("reset: the environment is at neither revision")
                self._reset()
        raise SweepError("the environment cannot be brought back to where a run starts")

    def _standing(self) -> str:
        return version_of(self.world.read(), self.subject.service)

    def _reset(self) -> None:
        self._install()
        if self.subject.is_engine:
            # Its slots were not wiped, and a version may stand in the other one by now: other references are needed.
            self._refer()
            return
        orders = self._orders("reset")
        try:
            for version in reversed(self.subject.versions):
                self._deploy(version)
        finally:
            orders.end()

    def _deploy(self, version: str, tap: Tap | None = None) -> None:
        """Release that version, disturbed by nobody. Raises SweepError."""
        self._plainly("deploy", tap, **self._variables, release_versions={self.subject.service: version})

    def _plainly(self, playbook: str, tap: Tap | None = None, **more: t.Any) -> None:
        """A playbook that nobody disturbs. Raises SweepError when it fails."""
        folder = self._folder / "plain"
        controllers = Controllers(self._lab.name, folder)
        with self._tapped(tap or Tap(), folder / "proxied") as (kubeconfig, through):
            controller = controllers.start(playbook, kubeconfig, **more, **through)
            try:
                code = controller.wait(PATIENCE_S)
            finally:
                # An interrupted sweep leaves no playbook behind that the next one would meet.
                if not controller.ended:
                    controller.kill_tree()
            if code != 0:
                what = {name: value for name, value in more.items() if name not in self._variables}
                raise SweepError(f"{playbook} {json.dumps(what)} ended with {code}; look into {controller.log}")

    @contextlib.contextmanager
    def _run(self, name: str) -> c.Iterator[tuple[pathlib.Path, Orders]]:
        """A folder of its own, and orders in the background."""
        folder = name.replace(":", "-")
        orders = self._orders(folder)
        try:
            yield self._folder / folder, orders
        finally:
            orders.end()

    def _orders(self, folder: str) -> Orders:
        out = self._folder / folder / "flow.json"
        return Orders(self._lab.name, self._rate, out, by_name=self.subject.by_weights)

    @contextlib.contextmanager
    def _tapped(self, tap: Tap, folder: pathlib.Path) -> c.Iterator[tuple[pathlib.Path, dict[str, t.Any]]]:
        """Proxies in front of whatever a playbook writes to: the kubeconfig and the variables that lead it through."""
        with proxied(self._lab, tap, folder) as kubeconfig:
            if self.world.names is None:
                yield kubeconfig, {}
                return
            with names_proxied(self._lab, tap) as url:
                yield kubeconfig, self.world.names.variables(url)


_TOTALS: t.Final = ("acknowledged", "lost", "duplicated", "failed_by_healthy_versions", "refused")


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What one recovery wrote, and how long it took."""

    writes: list[Counted]
    seconds: float


def _nobody(_skew_s: float) -> Controller:
    raise AssertionError("nobody races with an interrupted deploy")


def _is_at(found: State, reference: State) -> bool:
    same = all(not differences(reference.regions[name], site) for name, site in found.regions.items())
    free = all(not site.holder and not site.open_release for site in [*found.regions.values(), found.fleet])
    engines = [one for site in found.regions.values() for one in site.engines.values()]
    weighed = found.names is None or reference.names is None or found.names.weights == reference.names.weights
    return same and free and weighed and all(engine.leaders == (engine.owner,) for engine in engines)


def _last_message(output: str) -> str:
    """The sentence of the last failure in a playbook's output."""
    lines = [line.strip() for line in output.splitlines() if "msg:" in line or "fatal:" in line or "ERROR" in line]
    return lines[-1][:300] if lines else "it says nothing"
