# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run is disturbed at its point. Each variant has two halves: what happens while the request waits in the proxy
(`strike`), and what the sweep does then, until it is time to recover (`follow`)."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import threading
import typing as t

from chaos.controller import Controller
from chaos.points import Point
from chaos.proxy import NAMES, Counted, Fate, Tap
from chaos.subjects import ENGINE, LEAVING, PLAIN, Subject

#: Longer than any release of one service in the lab takes, with every retry of a way back; the longest is one for which
#: two regions leave the traffic, because each of eight changes of the weights is proved by 2,000 answers.
PATIENCE_S: t.Final = 600
_DEAD_S: t.Final = 20
_GRACE_S: t.Final = 30
#: A lease of the lab (6 s) and a margin.
_PAST_LEASE_S: t.Final = 8
SKEW_S: t.Final = 120
#: The site that has the journal of the fleet.
FLEET: t.Final = "management"


class Run:
    """One disturbed run: the controller, the point, and what is said about it."""

    def __init__(self, tap: Tap, second: c.Callable[[float], Controller]) -> None:
        self.tap = tap
        self.controller: Controller | None = None
        self.rival: Controller | None = None
        self.resumed = threading.Event()
        #: Sentences that the state of the environment cannot say.
        self.violations: list[str] = []
        self._second = second

    @property
    def first(self) -> Controller:
        assert self.controller is not None, "the run has not begun"
        return self.controller

    def race(self, skew_s: float) -> None:
        self.rival = self._second(skew_s)

    def until_reached(self) -> None:
        """Until the point was met or the run ended without it."""
        for _tick in range(PATIENCE_S * 20):
            if self.tap.reached.wait(0.05) or self.first.ended:
                return

    def end(self, timeout_s: float = PATIENCE_S) -> int | None:
        """The controller's exit code; it is killed when it does not end."""
        code = self.first.wait(timeout_s)
        if code is None:
            self.first.kill_tree()
        return code


Strike = c.Callable[[Run, Point], Fate]
Follow = c.Callable[[Run], None]


Writes = c.Sequence[Counted]


def _every(writes: Writes) -> Writes:
    return writes


@dataclasses.dataclass(frozen=True)
class Variant:
    """`playbook` is what is killed, at those of its writes that `struck` picks. `resume` is done between both
    recoveries."""

    name: str
    strike: Strike
    follow: Follow
    resume: Follow | None = None
    playbook: t.Literal["deploy", "rollback", "recover"] = "deploy"
    #: Clock of the controller, ahead of the machine's.
    skew_s: float = 0
    whole: bool = False
    subject: Subject = PLAIN
    struck: c.Callable[[Writes], Writes] = _every


def kill_tree(run: Run, _point: Point) -> Fate:
    """SIGKILL to everything; nobody hears of the request again."""
    run.first.kill_tree()
    return Fate.DROP


def _kill_group(run: Run, _point: Point) -> Fate:
    """The request is answered: the orphaned module runs on with it."""
    run.first.kill_group()
    return Fate.PASS


def _stop(run: Run, _point: Point) -> Fate:
    """The request, or its answer, is held as well: it arrives when somebody else has taken over."""
    run.first.stop()
    run.resumed.wait(PATIENCE_S)
    return Fate.PASS


def _terminate(run: Run, _point: Point) -> Fate:
    run.first.terminate()
    return Fate.PASS


def _refuse(run: Run, point: Point) -> Fate:
    run.tap.refuse(point.site, _DEAD_S)
    return Fate.DROP


def _race(run: Run, _point: Point) -> Fate:
    run.race(0)
    return Fate.PASS


def _skew(run: Run, point: Point) -> Fate:
    """Before: the controller's clock was ahead, and it dies. After: it lives, and a second one is ahead of it."""
    if point.moment == "before":
        return kill_tree(run, point)
    run.race(2 * SKEW_S)
    return Fate.PASS


def _until_end(run: Run) -> None:
    if run.end() is None:
        run.violations.append(f"the controller had not ended after {PATIENCE_S} s")


def _until_reached(run: Run) -> None:
    run.until_reached()


def _past_the_lease(run: Run) -> None:
    run.until_reached()
    run.resumed.wait(_PAST_LEASE_S)


def _go_on(run: Run) -> None:
    run.first.resume()
    run.resumed.set()
    _until_end(run)


def _cancelled(run: Run) -> None:
    run.until_reached()
    run.end(_GRACE_S)


def _both(run: Run) -> None:
    """Exactly one of two may release. The second does nothing when the first had ended before it came."""
    first = run.end()
    if run.rival is None:
        return
    second = run.rival.wait(PATIENCE_S)
    if second is None:
        run.rival.kill_tree()
        run.violations.append(f"the second controller had not ended after {PATIENCE_S} s")
    elif first == 0 and second == 0 and run.rival.released() is not None:
        run.violations.append("two controllers released at the same time")
    elif first != 0 and second != 0:
        run.violations.append(f"of two controllers none released (exit codes {first} and {second})")


def _either(run: Run) -> None:
    run.until_reached()
    if run.tap.target is not None and run.tap.target.moment == "after":
        _both(run)
    else:
        _until_end(run)


def _by_weights(writes: Writes) -> Writes:
    """Every write to the name server; every entry of the fleet's journal, which is where they are recorded; and the
    shift of a route, before and after which a region that is out of the traffic is half changed. What writes nothing
    into the journal only proves the lock, and is of the same step as the write before it. The rest is what `tree`
    strikes at."""
    kept, step = [], ""
    for counted in writes:
        is_entry = counted.site == FLEET and counted.write.step != step
        if is_entry:
            step = counted.write.step
        if is_entry or counted.site == NAMES or counted.write.what.startswith("httproutes/"):
            kept.append(counted)
    return kept


VARIANTS: t.Final = {
    variant.name: variant
    for variant in (
        Variant("tree", kill_tree, _until_end, whole=True),
        Variant("group", _kill_group, _until_reached, resume=_until_end, whole=True),
        Variant("stop", _stop, _past_the_lease, resume=_go_on, whole=True),
        Variant("term", _terminate, _cancelled),
        Variant("api", _refuse, _until_end),
        Variant("race", _race, _both),
        Variant("skew", _skew, _either, skew_s=SKEW_S),
        Variant("rollback", kill_tree, _until_end, playbook="rollback"),
        Variant("recover", kill_tree, _until_end, playbook="recover"),
        Variant("dns", kill_tree, _until_end, whole=True, subject=LEAVING, struck=_by_weights),
        # Last: it leaves engines behind that v1 cannot follow.
        Variant("drain", kill_tree, _until_end, whole=True, subject=ENGINE),
    )
}
