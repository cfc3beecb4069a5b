# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole environment back: v2 stands in both regions, and v1 is wanted again, under live orders.

Four subjects alternate, each with an exchange of its own: `rollback.yml` while the old slots are warm and with the old
slots gone, `abort.yml` of a release that has all traffic and no decision, kubectl, and Helm.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import pathlib
import statistics
import tempfile
import time
import typing as t

from bench.gate import tools
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, ROOT, Goal, row
from bench.rollback.marks import Marks
from bench.rollback.orders import Orders, flowing
from bench.rollback.ours import Environment, lab_up
from bench.rollback.peers import HELM, KUBECTL, Peer, host
from lab.flow.plan import CORE_API_HOST
from lab.model import plan_lab
from lab.steps import Steps

WARM: t.Final = "rollback.yml, old slots on standby"
GONE: t.Final = "rollback.yml, old slots gone"
ABORT: t.Final = "abort.yml before the decision"
CASES: t.Final = (WARM, GONE, ABORT)
PEERS: t.Final = (KUBECTL, HELM)
#: Seconds, the worst round.
GOALS_S: t.Final = {WARM: 5.0, GONE: 30.0, ABORT: 5.0}
#: From which instant to which, and whether the goal is for it. An abort is judged from its decision.
_SPANS: t.Final = (
    ("Enter to decision", "entered", "decided", ()),
    ("decision to weights", "decided", "weights", CASES),
    ("decision to verified", "decided", "verified", CASES),
    ("Enter to verified", "entered", "verified", (WARM, GONE)),
)
_ROUNDS: t.Final = 5
_OLD: t.Final = "v1"
_NEW: t.Final = "v2"
_RATE: t.Final = 200.0


@dataclasses.dataclass(frozen=True)
class Round:
    """One way back. `seconds`: Enter to the end of whoever was asked; `marks` of ours only."""

    subject: str
    seconds: float | None
    last_new_s: float | None
    orders: Orders
    marks: Marks | None = None


def last_answer(orders: Orders, entered: float) -> float | None:
    """Seconds from Enter to the last answer of the version that is left; None when it answered nothing at all."""
    at = orders.last_of.get(_NEW)
    return None if at is None else max(0.0, at - entered)


def _ours(environment: Environment, case: str, folder: pathlib.Path) -> Round:
    slots = environment.slots()
    known = environment.newest()
    if case == GONE:
        environment.deploy(_NEW)
        forward: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    else:
        forward = environment.warm(_NEW) if case == WARM else environment.baking(_NEW)
    kind, name = ("deploy", "abort") if case == ABORT else ("rollback", "rollback")
    variables = {"reason": "measured"} if case == ABORT else {"release_standby_s": 0}
    with forward, flowing(environment.lab.name, CORE_API_HOST, _RATE, folder / "flow.json") as orders:
        known = known if case == ABORT else environment.newest()
        marks = environment.back(kind, name, slots, known, **variables)
    environment.wait_for_pods()
    return Round(case, marks.between("entered", "verified"), last_answer(orders, marks.entered), orders, marks)


def _theirs(peer: Peer, lab: str, folder: pathlib.Path) -> Round:
    peer.release(_NEW)
    with flowing(lab, host(peer.subject), _RATE, folder / "flow.json") as orders:
        entered = time.time()
        seconds = peer.back()
        peer.wait()
    return Round(peer.subject, seconds, last_answer(orders, entered), orders)


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    programs = tools.programs(("kubectl", "helm"), Steps())
    lab = plan_lab(options.lab)
    found: list[Round] = []
    with lab_up(options.lab, len(lab.regions)), tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        environment = Environment(lab, ROOT / "reports" / "bench")
        environment.deploy(_OLD)
        peers = [
            Peer(KUBECTL, programs["kubectl"], lab, folder),
            Peer(HELM, programs["helm"], lab, folder),
        ]
        for peer in peers:
            peer.release(_OLD)
        for number in range(1, (options.rounds or _ROUNDS) + 1):
            print(f"\n=== round {number}", flush=True)
            found += [_told(_ours(environment, case, folder)) for case in CASES]
            found += [_told(_theirs(peer, lab.name, folder)) for peer in peers]
    return Measured(rows(found), {"ansible-core": importlib.metadata.version("ansible-core"), **tools.versions()})


def _told(one: Round) -> Round:
    shown = "-" if one.seconds is None else f"{one.seconds:.2f} s"
    print(f"{one.subject:<36} {shown:>9}  failed {one.orders.failed}", flush=True)
    return one


def rows(found: c.Sequence[Round]) -> list[Row]:
    """Every case of ours with its spans, then what all subjects have in common."""
    best = min((known for peer in PEERS if (known := _median(found, peer)) is not None), default=None)
    made: list[Row] = []
    for case in CASES:
        own = [one for one in found if one.subject == case]
        if not own:
            continue
        for metric, start, end, judged in _SPANS:
            values = [one.marks.between(start, end) if one.marks else None for one in own]
            goal = Goal(
                GOALS_S[case] if case in judged else None,
                best if metric == "Enter to verified" else None,
            )
            made.append(row(case, metric, values, goal))
    for subject in (*CASES, *PEERS):
        of_subject = [one for one in found if one.subject == subject]
        if of_subject:
            made += _common(subject, of_subject)
    return made


def _common(subject: str, own: c.Sequence[Round]) -> list[Row]:
    ours = subject in CASES
    case = subject if ours else "whole environment back"
    who = OURS if ours else subject
    made = [] if ours else [row(case, "Enter to verified", [one.seconds for one in own], Goal(), subject=who)]
    made.append(row(case, "Enter to last answer of v2", [one.last_new_s for one in own], Goal(), subject=who))
    for metric in ("failed", "lost", "duplicated"):
        values = [float(getattr(one.orders, metric)) for one in own]
        goal = Goal(0.5) if ours else Goal()
        made.append(row(case, f"{metric} requests", values, goal, "count", subject=who))
    return made


def _median(found: c.Sequence[Round], subject: str) -> float | None:
    known = [one.seconds for one in found if one.subject == subject and one.seconds is not None]
    return statistics.median(known) if known else None
