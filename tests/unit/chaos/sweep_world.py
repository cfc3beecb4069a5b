# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill sweep in memory: a release over two regions by the modules' own `run`, struck at each of its writes, and
recovered as the playbook does it. The oracle is that of `chaos`."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import typing as t
from collections.abc import Callable

import fakes
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import recovery_action
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import run as journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision import run as revision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import run as traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route
from fake_objects import copied
from fakes import FakeClock, FakeKube
from journal_world import World
from slot_world import ROUTE, S, accepted, manifests, scale
from slot_world import _selected as selected_in

from chaos.mutations import body_of
from chaos.oracle import Judgement, SiteState, State, judge
from chaos.world import weights_of

Json = dict[str, t.Any]
Strike = Callable[["SweepWorld"], None]

REGIONS: t.Final = ("us-east-1", "eu-west-1")
FLEET: t.Final = {"kubeconfig": "~/.kube/config", "context": "management", "namespace": "pincex-fleet"}
BLUE_HPA: t.Final = fakes.Ref("autoscaling/v2", "HorizontalPodAutoscaler", f"{S}-blue", "exchange")
_JOURNAL: t.Final = "pincex-release-journal"
_HELD: t.Final = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": f"{S}-blue"}
_DOWN: t.Final = [scale("blue", 0), {**_HELD, "path": "spec.minReplicas", "value": 2}]


class Failed(Exception):
    """A task failed, and its playbook ended."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """The API servers at an instant."""

    #: Pickled: it is written down at every write and read at every kill, and copies by Python take five times as long.
    stored: dict[str, bytes]
    versions: dict[str, int]
    elapsed: float
    #: What a kind of world has beside its API servers.
    more: bytes = b""


class SweepWorld(World):
    """v1 in blue with all the traffic in both regions."""

    #: In a container every playbook may have the same process id.
    same_pid = False

    def __init__(self, monkeypatch: pytest.MonkeyPatch, like: Memory | None = None) -> None:
        super().__init__(monkeypatch)
        monkeypatch.setattr(fakes, "_selected", _selected)
        monkeypatch.setattr(controller, "is_alive", lambda _pid, _start: True)
        #: Which process asks: the first one, or one that came after it.
        self.life = 0
        self.number = 0
        #: The write to act at: (number, before or after it is done), and what to do.
        self.point: tuple[int, str] | None = None
        self.act: Strike | None = None
        #: Called after each write that goes past the API servers.
        self.elsewhere: list[Callable[[], None]] = []
        for region in REGIONS:
            server = self.servers[region]
            if like is None:
                server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "exchange"}})
                for slot in ("blue", "green"):
                    self._settled(region, slot)
                server.put(_route(100, 0), "pincex-zero-downtime")
                _controllers(server)
            server.after.append(lambda request, server=server: _controllers(server))
        if like is not None:
            self.clock.elapsed = like.elapsed
            for name, server in self.servers.items():
                server.stored, server.version = pickle.loads(like.stored[name]), like.versions[name]
        for server in self.servers.values():
            server.before.append(lambda request: self._meet(request, "before"))
            server.after.append(lambda request: self._meet(request, "after"))

    def memory(self) -> Memory:
        """What is left when every process has died."""
        stored = {name: pickle.dumps(server.stored) for name, server in self.servers.items()}
        versions = {name: server.version for name, server in self.servers.items()}
        return Memory(stored, versions, self.clock.elapsed, self.more())

    def more(self) -> bytes:
        return b""

    def _settled(self, region: str, slot: str) -> None:
        """As an earlier release left it: green is the slot of a version before, at zero."""
        version, count = ("v1", 2) if slot == "blue" else ("v0", 0)
        done = self.task(
            revision, region, state="applied", objects=manifests(slot, version), fields=[scale(slot, count)]
        )
        assert not done.get("failed"), done["msg"]

    def _meet(self, request: Request, moment: str) -> None:
        if is_write(request):
            self.meet(moment)

    def meet(self, moment: str) -> None:
        """A write, before or after it is done."""
        if moment == "before":
            self.number += 1
        if self.act is not None and self.point == (self.number, moment):
            act, self.act = self.act, None
            act(self)

    def task(self, module: t.Any, region: str, clock: FakeClock | None = None, **given: t.Any) -> Json:
        """One task of a playbook."""
        params = {name: spec.get("default") for name, spec in module.ARGUMENT_SPEC.items()}
        fleet = region == "management"
        params |= {"context": region, "region": "fleet" if fleet else region, "step": "a step", "by": "anna"}
        params |= {"namespace": "pincex-fleet" if fleet else "exchange", "lease_s": 6.0, "renew_s": 2.0}
        pid = 100 if self.same_pid else 100 + self.life
        params |= {"controller": {"pid": pid, "started": f"machine:{self.life}"}}
        return execute(
            module.run,
            {**params, **given},
            check_mode=False,
            diff=False,
            clock=clock or self.clock,
            progress=self.lines.append,
            empty=module.EMPTY_RESULT,
        )

    def must(self, module: t.Any, region: str, **given: t.Any) -> Json:
        """As `task`; a failure ends the playbook."""
        done = self.task(module, region, **given)
        if done.get("failed"):
            raise Failed(done["msg"])
        return done

    # The playbooks.
    def release(self, *, close_first: bool = False) -> None:
        """Deploy v2, as release.yml does it. `close_first` is a mistake: the decision comes after the first close."""
        opened: dict[str, Json] = {}
        try:
            self._release(opened, close_first)
        except Failed:
            for region, release in opened.items():
                # A region that cannot be taken back is stuck, and says so.
                with contextlib.suppress(Failed):
                    self._take_back(region, release)
            raise

    def _release(self, opened: dict[str, Json], close_first: bool) -> None:
        fleet = self.must(journal, "management", state="opened", scope="fleet", steps=list(REGIONS))
        for region in REGIONS:
            before = self.must(revision, region, state="read", services=[S])["revision"]
            finish = {"fields": _DOWN, "standby": [], "services": [S]}
            ours = {"fleet_release": fleet["release"], "before": before, "finish": finish, "fleet": FLEET}
            opened[region] = self.must(journal, region, state="opened", **ours)["release"]
        for region in REGIONS:
            held = [scale("green", 2), {**_HELD, "path": "spec.minReplicas", "value": 3}]
            mine = {"release": opened[region], "step": f"prepare {S}"}
            self.leave(region, fleet["release"])
            self.must(revision, region, state="applied", objects=manifests("green", "v2"), fields=held, **mine)
            shift = [{"name": S, "weights": {"blue": 0, "green": 100}, "min_ready": 2}]
            self.must(traffic, region, state="shifted", routes=shift, release=opened[region])
            self.come_back(region, fleet["release"])
        decide = {"state": "decided", "scope": "fleet", "decision": "keep", "reason": "every region passed"}
        if not close_first:
            self.must(journal, "management", release=fleet["release"], **decide)
        for region in REGIONS:
            self.finish(region, opened[region], fleet["number"], _DOWN)
            if close_first and region == REGIONS[0]:
                self.must(journal, "management", release=fleet["release"], **decide)
        self.must(journal, "management", state="closed", scope="fleet", release=fleet["release"], outcome="released")

    def leave(self, region: str, release: Json) -> None:
        """Where regions have weights, this one has none while its slots change; `release` is the fleet's."""

    def come_back(self, region: str, release: Json) -> None:
        """And then it has what it had."""

    def weights_back(self, release: Json) -> None:
        """Take back what a release did to the weights."""

    def finish(self, region: str, release: Json, number: int, fields: list[Json]) -> None:
        self.must(revision, region, state="applied", fields=fields, release=release)
        after = self.must(revision, region, state="read", services=[S])["revision"]
        done = {"outcome": "released", "revision": after, "number": number}
        self.must(journal, region, state="closed", release=release, **done)

    def _take_back(self, region: str, release: Json) -> None:
        self.must(traffic, region, state="restored", release=release)
        self.must(revision, region, state="restored", release=release)
        self.must(journal, region, state="closed", release=release, outcome="taken_back")

    def recover(self) -> None:
        """Take over what is open, and go on from the journals alone."""
        self.life += 1
        locks = {region: self.must(journal, region, state="read")["lock"] for region in REGIONS}
        look = self.must(journal, "management", state="read", scope="fleet")
        gone = {"decision": "undo", "reason": "its controller is gone", "watched": look["lock"]}
        fleet = self.must(journal, "management", state="taken_over", scope="fleet", **gone)
        known = {**fleet, "revisions": self.must(journal, "management", state="read", scope="fleet")["revisions"]}
        ends = set()
        for region in REGIONS:
            taken = self.must(journal, region, state="taken_over", fleet=FLEET, watched=locks[region])
            action = recovery_action(taken, known)
            release = taken["release"]
            if action["action"] == "undo":
                self._take_back(region, release)
            elif action["action"] == "finish":
                self.finish(region, release, action["number"], taken["finish"]["fields"])
            ends.add(action["action"])
        if fleet["release"] is not None:
            kept = fleet["decision"]["decision"] == "keep"
            if not kept:
                self.weights_back(fleet["release"])
            ended = {"outcome": "released" if kept else "taken_back", "release": fleet["release"]}
            self.must(journal, "management", state="closed", scope="fleet", **ended)

    # What is seen from outside.
    def state(self) -> State:
        sites = {name: _site(server) for name, server in self.servers.items()}
        return State({region: sites[region] for region in REGIONS}, sites["management"])


_selected_by_term = fakes._selected


def _selected(labels: t.Mapping[str, str], selector: str) -> bool:
    """Both forms of selector that the modules use."""
    return (selected_in if " in " in selector else _selected_by_term)(labels, selector)


def _route(blue: int, green: int) -> Json:
    weights = {"blue": blue, "green": green}
    return accepted(build_route(S, "exchange", weights=weights, port=8080, hostnames=[], parent={"name": "exchange"}))


def _controllers(server: FakeKube) -> None:
    """What a cluster does by itself: pods become ready, the gateway accepts the route."""
    for ref, stored in server.stored.items():
        if ref.kind == "Deployment":
            stored.obj["status"] = {"readyReplicas": stored.obj["spec"].get("replicas", 0)}
        if ref == ROUTE:
            stored.obj = accepted(stored.obj)


def _site(server: FakeKube) -> SiteState:
    objects, holder, opened = {}, "", ""
    for ref, stored in server.stored.items():
        obj = copied(stored.obj)
        if ref.kind == "Lease":
            holder = obj["spec"]["holderIdentity"]
        elif ref.name == _JOURNAL:
            header = body_of(obj["data"].get("release", "{}").encode())
            opened = header["id"] if header.get("state") == "open" else ""
        elif ref.kind not in ("ConfigMap", "Namespace"):
            objects[f"{ref.kind} {ref.name}"] = obj
    weights = {S: weights_of(objects[f"HTTPRoute {S}"])} if f"HTTPRoute {S}" in objects else {}
    return SiteState(objects, weights, holder, opened)


class Sweep:
    """Both references, and one strike after another. `release` is what is struck."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        release: Callable[[SweepWorld], None] = SweepWorld.release,
        kind: Callable[..., SweepWorld] = SweepWorld,
    ) -> None:
        self._monkeypatch = monkeypatch
        self._release = release
        self._kind = kind
        self._start = kind(monkeypatch).memory()
        world = self.world()
        self.old = world.state()
        #: What a kill leaves. A controller that is dead remembers nothing itself: so a kill after one write is a kill
        #: before the next one, and one run shows them all.
        memories = [self._start]
        for server in world.servers.values():
            server.after.append(lambda request: memories.append(world.memory()) if is_write(request) else None)
        world.elsewhere.append(lambda: memories.append(world.memory()))
        release(world)
        self.new, self.writes = world.state(), len(memories) - 1
        self.memories = [(f"after write {number}", memory) for number, memory in enumerate(memories)]

    def world(self, like: Memory | None = None) -> SweepWorld:
        return self._kind(self._monkeypatch, like or self._start)

    def points(self) -> list[tuple[int, str]]:
        return [(number, moment) for number in range(1, self.writes + 1) for moment in ("before", "after")]

    def struck(self, point: tuple[int, str], act: Strike) -> SweepWorld:
        """A release that meets `act` at its point, and then goes on as far as it gets."""
        world = self.world()
        world.number, world.point, world.act = 0, point, act
        with contextlib.suppress(Failed):
            self._release(world)
        world.act = None
        return world

    def judge(self, world: SweepWorld) -> Judgement:
        return judge(world.state(), self.old, self.new, None)


def is_write(request: Request) -> bool:
    return not (request.method == "GET" or fakes._is_dry(request) or "/selfsubject" in request.path)
