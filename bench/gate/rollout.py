# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a rollout is called good or bad, and by whom: the gate, kubectl, Helm and kubernetes.core, at their defaults.

Healthy rollouts alternate, one at a time. Of the others each peer judges one, all of them beside each other, because
most of them do nothing but wait for their deadline; the gate judges doomed ones again and again while they wait.
"""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import copy
import dataclasses
import functools
import importlib.metadata
import pathlib
import statistics
import tempfile
import threading
import time
import typing as t

from bench.gate import cases, peers, region, tools
from bench.gate.cases import CASES, NAME, Case
from bench.gate.part import Measured, Options, Row
from bench.gate.peers import DEADLINES_S, HELM, KUBECTL, OUR_TASK, PEERS, SOONER, Ran, Target, Tools
from bench.results import OURS, Goal, row, verdict_row
from lab.kube import Kube, Object
from lab.model import Site
from lab.steps import Steps

HEALTHY: t.Final = "healthy rollout"
_ROUNDS: t.Final = 5
_WITHIN_S: t.Final = 0.3
#: Longer than the longest deadline. Who still waits then would wait for ever.
_PATIENCE_S: t.Final = 660.0
#: Between two starts, so that two cores are not what is measured; and before the gate's own rounds begin.
_STAGGER_S: t.Final = 3.0
_SETTLE_S: t.Final = 20.0
_READY_S: t.Final = 120.0


@dataclasses.dataclass(frozen=True)
class Healthy:
    """One healthy rollout: seconds from the last pod ready to the verdict.

    Of ours also from the start of the process or task to the first look, and from the last pod ready to the decision.
    """

    subject: str
    late_s: float | None
    start_s: float | None = None
    decided_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One judgement: seconds from the change to the verdict, None where there was none."""

    case: str
    subject: str
    seconds: float | None
    verdict: str
    sentence: str
    #: With the log lines that came along.
    text: str = ""


class _Bench:
    """One lab with its subjects. Used from several threads: each opens a client of its own."""

    def __init__(self, site: Site, programs: Tools, folder: pathlib.Path) -> None:
        self.site = site
        self._programs = programs
        self._folder = folder
        self._number = 0
        self._lock = threading.Lock()

    def target(self, kind: str) -> Target:
        """A namespace that nobody has used before."""
        with self._lock:
            self._number += 1
            space = f"rollout-{self._number}"
        folder = self._folder / space
        folder.mkdir()
        Kube(self.site.admin_kubeconfig).apply(region.namespace(space))
        return Target(self.site, kind, space, folder)

    def run(self, subject: str, target: Target, case: Case, patience_s: float) -> Ran:
        return peers.execute(peers.command(subject, self._programs, target, case), patience_s)

    def prepare(self, subject: str, target: Target, case: Case) -> None:
        """What is there before the change, by the hand that will change it."""
        kube = Kube(self.site.admin_kubeconfig)
        kube.apply(*placed(case.settings, target.space))
        for quota in case.settings:
            kube.wait("quota in force", functools.partial(_in_force, kube, quota, target.space), _READY_S)
        if not case.before:
            return
        if subject == HELM:
            installed = peers.execute(peers.helm(self._programs, target, case.before, "install"), _READY_S)
            if installed.code != 0:
                raise RuntimeError(f"{case.name}: {peers.answer(HELM, installed)[1]}")
        else:
            kube.apply(*placed(case.before, target.space))
        region.wait_until_complete(kube, target.kind, NAME, target.space)

    def change(self, target: Target, case: Case) -> None:
        Kube(self.site.admin_kubeconfig).apply(*placed(case.after, target.space))

    def judge(self, case: Case, subject: str) -> Outcome:
        """One case from its preparation to the verdict."""
        target = self.target(case.kind)
        self.prepare(subject, target, case)
        began = time.time()
        if not peers.applies(subject):
            self.change(target, case)
        ran = self.run(subject, target, case, _PATIENCE_S)
        verdict, sentence = peers.answer(subject, ran)
        seconds = None if ran.code is None else ran.said_at - began
        shown = "no verdict" if seconds is None else f"{verdict} after {seconds:.1f} s"
        print(f"{case.name:<24} {subject:<24} {shown}: {sentence[:140]}", flush=True)
        return Outcome(case.name, subject, seconds, verdict, sentence, "\n".join(line for _at, line in ran.lines))


def placed(objects: c.Iterable[Object], space: str) -> list[Object]:
    """Copies of the objects in that namespace."""
    made = copy.deepcopy(list(objects))
    for obj in made:
        obj["metadata"]["namespace"] = space
    return made


def _in_force(kube: Kube, quota: Object, space: str) -> bool:
    found = kube.get("v1", "ResourceQuota", quota["metadata"]["name"], space) or {}
    return bool((found.get("status") or {}).get("hard"))


def _healthy_rounds(bench: _Bench, rounds: int) -> list[Healthy]:
    """Everybody in turn, one at a time, each with a Deployment of its own that goes from revision to revision."""
    subjects = (OURS, OUR_TASK, *PEERS)
    targets = {subject: bench.target("Deployment") for subject in subjects}
    for subject in subjects:
        bench.prepare(subject, targets[subject], Case(HEALTHY, "pass", "", before=(cases.healthy(0, 0),)))
    found = []
    for number in range(1, rounds + 1):
        turn = number % len(subjects)
        for subject in (*subjects[turn:], *subjects[:turn]):
            # Another second in each round: who looks every five seconds is sometimes early and sometimes late.
            after = cases.healthy(number, 4 + number % 5)
            case = Case(HEALTHY, "pass", "", after=(after,), before=(after,))
            found.append(_healthy_round(bench, subject, targets[subject], case, str(number)))
            late = found[-1].late_s
            print(f"{HEALTHY} {number} {subject:<28} {'-' if late is None else f'{late:.2f} s'}", flush=True)
    return found


def _healthy_round(bench: _Bench, subject: str, target: Target, case: Case, revision: str) -> Healthy:
    def all_ready(pods: c.Collection[Object]) -> bool:
        newest = [pod for pod in pods if pod["metadata"]["labels"].get(cases.REVISION) == revision]
        return len(newest) == 2 and all(region.is_ready(pod) for pod in newest)

    path = f"/api/v1/namespaces/{target.space}/pods"
    with region.observed(bench.site, path, all_ready) as seen:
        if not peers.applies(subject):
            bench.change(target, case)
        ran = bench.run(subject, target, case, _READY_S)
        ready_at = seen.wait(1)
    kube = Kube(bench.site.admin_kubeconfig)
    # Pods that still end would take the cores of the next one.
    kube.wait("old pods gone", lambda: len(kube.list("v1", "Pod", target.space)) == 2, _READY_S)
    time.sleep(1)
    if ready_at is None or peers.answer(subject, ran)[0] != "pass":
        print("\n".join(line for _at, line in ran.lines[-5:]), flush=True)
        return Healthy(subject, None)
    late_s = ran.said_at - ready_at
    if subject == OURS:
        result, began = peers.result_of(ran), ran.began
    elif subject == OUR_TASK:
        result = peers.result_of_task([line for _at, line in ran.lines])[1]
        began = next(at for at, line in ran.lines if line.startswith("TASK ["))
    else:
        return Healthy(subject, late_s)
    return Healthy(subject, late_s, result["started_at"] - began, result["decided_at"] - ready_at)


def _judged_by_all(bench: _Bench, rounds: int) -> list[Outcome]:
    """Every case by every peer once, and by the gate; doomed ones by the gate in as many rounds."""
    asked = [(case, peer) for peer in sorted(PEERS, key=lambda peer: -DEADLINES_S[peer]) for case in CASES]
    # Helm makes what it waits for: it cannot miss a Deployment.
    jobs = [(case, peer) for case, peer in asked if case.after or peer != HELM]
    jobs += [(case, OURS) for case in CASES if not case.doomed]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        running = []
        for case, subject in jobs:
            running.append(pool.submit(bench.judge, case, subject))
            time.sleep(_STAGGER_S)
        time.sleep(_SETTLE_S)
        own = [bench.judge(case, OURS) for _round in range(rounds) for case in CASES if case.doomed]
        print(f"waiting for the peers' deadlines, at most {_PATIENCE_S:.0f} s", flush=True)
        return own + [one.result() for one in running]


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    steps = Steps()
    programs = tools.programs(("kubectl", "helm"), steps)
    peer_tools = Tools(programs["kubectl"], programs["helm"], tools.collections(steps))
    rounds = options.rounds or _ROUNDS
    with region.lab(options.lab) as site, tempfile.TemporaryDirectory() as folder:
        bench = _Bench(site, peer_tools, pathlib.Path(folder))
        healthy = _healthy_rounds(bench, rounds)
        outcomes = _judged_by_all(bench, rounds)
    versions = {name: importlib.metadata.version(name) for name in ("ansible-core", "kubernetes")}
    return Measured([*healthy_rows(healthy), *rows(outcomes)], {**versions, **tools.versions()})


def healthy_rows(found: c.Sequence[Healthy]) -> list[Row]:
    """Seconds from the last pod ready to the verdict: ours beside each of the others."""
    late = {subject: [one.late_s for one in found if one.subject == subject] for subject in (OURS, OUR_TASK, *PEERS)}
    made = [row(HEALTHY, "ready to verdict", late[subject], Goal(), subject=subject) for subject in (OUR_TASK, *PEERS)]
    for peer in PEERS:
        known = [value for value in late[peer] if value is not None]
        median = statistics.median(known) if known else None
        under = median if median is None or peer != KUBECTL else median + _WITHIN_S
        made.append(row(HEALTHY, f"ready to verdict, beside {peer}", late[OURS], Goal(under, median, "median")))
    for subject in (OURS, OUR_TASK):
        own = [one for one in found if one.subject == subject]
        made.append(row(HEALTHY, "start to first look", [one.start_s for one in own], Goal(), subject=subject))
        made.append(row(HEALTHY, "ready to decision", [one.decided_s for one in own], Goal(), subject=subject))
    return made


def rows(outcomes: c.Sequence[Outcome]) -> list[Row]:
    """Each case: who was right, and how soon we were beside each of the others."""
    made = []
    for case in CASES:
        of_case = [one for one in outcomes if one.case == case.name]
        own = [one for one in of_case if one.subject == OURS]
        for subject in (OURS, *PEERS):
            of_subject = [one for one in of_case if one.subject == subject]
            if of_subject:
                said = "/".join(sorted({one.verdict for one in of_subject}))
                made.append(verdict_row(case.name, said, case.expected, of_subject[-1].sentence, subject))
        for one in of_case:
            if one.subject != OURS:
                made.append(row(case.name, "change to verdict", [one.seconds], Goal(), subject=one.subject))
                if case.doomed:
                    made.append(_sooner(case, own, one))
        if not case.doomed:
            made.append(row(case.name, "change to verdict", [one.seconds for one in own], Goal()))
        if case.evidence:
            without = [float(not all(word in one.text for word in case.evidence)) for one in own]
            made.append(row(case.name, "without evidence", [sum(without)], Goal(0.5), "count"))
    return made


def _sooner(case: Case, own: c.Sequence[Outcome], peer: Outcome) -> Row:
    """Our seconds against a share of the peer's. Who says nothing, or something wrong, counts as its deadline."""
    right = peer.seconds is not None and peer.verdict == case.expected
    counts_as = peer.seconds if right and peer.seconds is not None else DEADLINES_S[peer.subject]
    seconds = [one.seconds if one.verdict == case.expected else None for one in own]
    goal = Goal(counts_as / SOONER[peer.subject], counts_as)
    return row(case.name, f"change to verdict, beside {peer.subject}", seconds, goal)
