# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the challenger of a task: read the evidence, compare, tell, and write the page. Where the task says so, what is
to be taken back goes before it is told."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.at_once import WayBack
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_case import (
    Case,
    case_given,
    case_of_registry,
    case_of_route,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import (
    Evidence,
    evidence_of,
    uncollected,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.judge import Judgement, judged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.region import look
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report import Subject, page, write
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.rules import judging_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import Task


def judge(task: Task) -> None:
    """Tell what the evidence says of the challenger. Raises ReleaseError, also of kind `verdict` for a verdict that the
    task is to fail on."""
    case = _case(task)
    if case is None:
        task.told["next"] = {"action": "wait", "weight": 0, "reason": "there is no challenger", "needs": []}
        return
    task.told["judged"] = {
        "champion": case.champion,
        "challenger": case.challenger,
        "strategy": case.strategy,
        "weight": case.weight,
        "since": clock_time(case.since),
        "promoted": case.promoted,
    }
    way_back = WayBack(task, task.options.take_back) if task.options.take_back is not None else None
    now = task.clock.now()
    share = None if case.strategy == "ab" and not case.promoted else case.weight / 100
    judging = judging_of(task.judge, mirrored=case.mirrored, serves=case.serves, share=share)
    ladder = judging.ladder(case.strategy, case.weights)
    window = judging.window(case.since, now)
    # Not before it is taken back either: a look through a million records takes as long as all of the way back.
    with uncollected():
        evidence = evidence_of(task.sources, case.champion, case.challenger, window, clock=task.clock, end=task.end)
        rules = judging.within(evidence.begin.share)
        judgement = judged(evidence, rules, ladder, case.position(now), now)
        if way_back is not None and judgement.step.action == "roll_back":
            _take_back(task, way_back.go(case.challenger, judgement.step.reason))
    task.warn(*evidence.counts.warnings)
    task.told |= judgement.told()
    task.told["judged"]["evidence_since"] = clock_time(evidence.begin.at)
    newest = f" (of the last {_long(now - evidence.begin.at)} alone)" if evidence.begin.number else ""
    task.told["reason"] = f"{task.title}: {case.challenger}: {task.told['reason']}{newest}"
    task.progress(task.told["reason"])
    if task.options.report:
        subject = Subject(
            task.options.model,
            case.champion,
            case.challenger,
            case.strategy,
            case.weight,
            task.place,
            evidence.begin.at,
            now,
        )
        _write_page(task, subject, evidence, rules, judgement)
    if task.told["verdict"] in task.options.fail_on:
        raise ReleaseError(task.told["reason"], kind="verdict", system="models")


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _take_back(task: Task, done: JsonObject) -> None:
    regions: JsonObject = done["regions"]
    both = {side: {name: one["traffic"][side] for name, one in regions.items()} for side in ("before", "after")}
    task.told |= {"taken_back": done, "diff": {side: {"traffic": traffic} for side, traffic in both.items()}}
    task.told["changed"] = bool(done["fleet"]["release"]) or any(
        one["changed"] or one["release"] for one in regions.values()
    )


def _case(task: Task) -> Case | None:
    """Who is judged; None when nobody is there to be."""
    options = task.options
    if options.in_region:
        found = look(task)
        if found is None or found.note is None:
            return None
        return case_of_route(options, found.note, found.traffic)
    if task.registry is None:
        return case_given(options)
    registered = task.registry.read(options.registered, task.end)
    if not options.version and "challenger" not in registered.aliases:
        task.end_with("none", f"{task.title}: no version has the alias challenger")
        return None
    return case_of_registry(options, registered, task.registry.versions(options.registered, task.end))


def _write_page(task: Task, subject: Subject, evidence: Evidence, rules: Rules, judgement: Judgement) -> None:
    task.told["report"] = task.options.report
    wrote = task.check_mode or write(task.options.report, page(subject, evidence, rules, judgement))
    task.told["changed"] = task.told["changed"] or wrote
