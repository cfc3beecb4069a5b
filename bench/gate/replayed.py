# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded canaries, healthy and bad, judged by the gate and by the rules of others.

Ours is the gate itself on a pretended clock, with the error rate and the counters of the profile `critical`.
`bench.gate.series` says what is in a series; everybody judges the same ones for the same time.
"""

from __future__ import annotations

import collections.abc as c
import copy
import dataclasses
import math
import typing as t

import numpy as np
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import quiet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import counter_check
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    Evidence,
    Interval,
    OneSample,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.options import (
    ARGUMENT_SPEC,
    metric_checkers_of,
    question_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.replay import EndOfReplay, ReplayClock

from bench.gate import series
from bench.gate.intervals import fixed_sample, interval
from bench.gate.part import Measured, Options, Row
from bench.gate.peer_rules import Answer, Argo, Flagger, Said
from bench.gate.series import Recorded
from bench.results import OURS, ROOT, Goal, row

SEED: t.Final = 20_260_106
#: How long everybody watches, and how long ours waits for enough requests.
WATCH_S: t.Final = 600.0
EVIDENCE_S: t.Final = 900.0
LENGTH_S: t.Final = EVIDENCE_S + 60.0
CONFIDENCE: t.Final = 0.95

#: Requests a minute. With the first there are fewer than the minimum when the time is over.
TRAFFIC: t.Final = (5, 50, 200, 1000, 5000)
HEALTHY: t.Final = (0.001, 0.005, 0.01)
BAD: t.Final = (0.06, 0.08, 0.1, 0.2, 0.5)
_WINDOWS: t.Final = 200
_PROFILES: t.Final = ROOT / "plugins" / "plugin_utils" / "gate_profiles.yml"

LIMIT_ALONE: t.Final = f"{OURS}, limit alone"
PROOF_ALONE: t.Final = f"{OURS}, counters alone"
IDEAL: t.Final = "ideal fixed sample"

Params = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What somebody said of one window, and when the rule that is spoken of was true on the observed data."""

    truth: series.Truth
    verdict: str
    at: float
    true_at: float | None = None


def options_of(profile: c.Mapping[str, t.Any]) -> Params:
    """The gate's options: error rate and counters of a profile, asked of a recorded window."""
    rate = next(check for check in profile["metrics"] if check["name"] == "error rate")
    (counter,) = profile["counters"]
    # A recorded answer is of the samples of its minute: without any there is none, and it is never old.
    asked = {"query": series.SHARE, "min_samples_query": series.COUNT, "age_query": None}
    given = {
        "metrics": [{**rate, **asked}],
        "counters": [{**counter, "requests": series.REQUESTS, "failures": series.FAILURES}],
        "prometheus": {"url": "http://recorded.invalid", "stale_s": 2 * series.SCRAPE_S},
        **{option: profile[option] for option in ("interval_s", "deadline_s", "blind_s")},
        "observe_s": WATCH_S,
        "evidence_max_s": EVIDENCE_S,
        # Too little to judge is to be seen as what it is, and not as the failure that somebody makes of it.
        "on_thin_evidence": "ask",
        "context": "recorded",
        "namespace": "recorded",
    }
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(copy.deepcopy(given))
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    found: Params = checked.validated_parameters
    return found


class _Provider:
    """A recorded window with a clock: a metric provider for the gate."""

    def __init__(self, recorded: Recorded, clock: ReplayClock) -> None:
        self.read = recorded.read
        self.raw = recorded.raw
        self._clock = clock

    def tick(self) -> float:
        return self._clock.now()


def gate(params: Params, recorded: Recorded) -> Said:
    """What the gate says of a window."""
    clock = ReplayClock(0.0, LENGTH_S)
    provider = _Provider(recorded, clock)
    judge = Gate(
        question_of(params),
        # The canary gets its first request when the window begins.
        metric_checkers_of(params, provider, 0.0),
        cluster=None,
        provider=provider,
        guard=None,
        clock=clock,
        progress=quiet,
    )
    try:
        judgement, _evidence = judge.judge()
    except EndOfReplay:
        return Said("hold", LENGTH_S, 0)
    return Said(judgement.verdict or "hold", clock.monotonic(), 0)


def limit_true_at(check: c.Mapping[str, t.Any], recorded: Recorded) -> float | None:
    """When the limit was exceeded for as long as it takes, looked at after every scrape; None for never.

    As the rule is described: what is missing or has too few requests is a gap, whose time does not count and which
    proves nothing and clears nothing.
    """
    outside_s, before, was_outside = 0.0, -math.inf, False
    for at in recorded.instants:
        counted = recorded.counted(at - series.WINDOW_S, at)
        if counted is None or counted[0] < max(1, check["min_requests"]):
            before = -math.inf
            continue
        requests, failures = counted
        outside = failures > check["max"] * requests
        step = at - before if at - before <= 2 * series.SCRAPE_S else 0.0
        outside_s = outside_s + step if outside and was_outside else 0.0
        if outside and outside_s >= check["for_s"]:
            return at
        before, was_outside = at, outside
    return None


def proof_at(check: c.Mapping[str, t.Any], recorded: Recorded) -> float | None:
    """When the counters were proof, looked at after every scrape; None for never."""
    evidence, before = Evidence(OneSample(check["healthy_below"]), counter_check._RESTART_S), (0, 0)
    proof = -math.log(check["false_alarm"] / check["tests"])
    for at in recorded.instants:
        requests, failures = recorded.total(at)
        evidence.add(at, Interval(failures - before[1], requests - before[0]))
        before = (requests, failures)
        if evidence.log > proof:
            return at
    return None


def ideal(recorded: Recorded, null: float, alpha: float) -> Said:
    """The most powerful test of everything that was seen after the version turned bad, at the end. It knows when."""
    requests, failures = recorded.total(WATCH_S)
    earlier, failed_earlier = recorded.total(recorded.truth.turns_s)
    requests, failures = requests - earlier, failures - failed_earlier
    bad = failures >= fixed_sample(requests, null, alpha)
    return Said("fail" if bad else "pass", WATCH_S, 1)


ARGO_10: t.Final = Argo(10.0, success=0.05)
ARGO_60: t.Final = Argo(60.0, success=0.05)
FLAGGER_10: t.Final = Flagger(10.0, 0.05)
FLAGGER_60: t.Final = Flagger(60.0, 0.05)
_PEERS: t.Final[dict[str, Argo | Flagger]] = {
    "Argo Rollouts, 10 s": ARGO_10,
    "Argo Rollouts, 60 s": ARGO_60,
    "Flagger, 10 s": FLAGGER_10,
    "Flagger, 60 s": FLAGGER_60,
}


def _answer(recorded: Recorded, at: float) -> Answer:
    reading = recorded.read(series.SHARE, at)
    return "no_data" if reading.kind == "no_data" else reading.value


def judge(params: Params, recorded: Recorded) -> dict[str, Outcome]:
    """Everybody over one window."""
    truth = recorded.truth
    (limit,), (counter,) = params["metrics"], params["counters"]
    true_at = limit_true_at(limit, recorded) if truth.bad else None

    def outcome(said: Said, of: float | None) -> Outcome:
        return Outcome(truth, said.verdict, said.at, of)

    found = {
        OURS: outcome(gate(params, recorded), true_at),
        LIMIT_ALONE: outcome(gate({**params, "counters": []}, recorded), true_at),
    }
    if truth.bad:
        found[PROOF_ALONE] = outcome(gate({**params, "metrics": []}, recorded), proof_at(counter, recorded))
    alpha = counter["false_alarm"] / counter["tests"]
    found[IDEAL] = outcome(ideal(recorded, counter["healthy_below"], alpha), None)
    for name, rule in _PEERS.items():
        said = rule.judge(lambda at: _answer(recorded, at), rule.interval_s, WATCH_S)
        found[name] = outcome(said, true_at)
    return found


def windows(count: int) -> c.Iterator[Recorded]:
    """So many healthy ones and so many bad ones for each traffic, the shares of failures in turn."""
    for per_min in TRAFFIC:
        for bad, shares in ((False, HEALTHY), (True, BAD)):
            rng = np.random.default_rng([SEED, per_min, int(bad)])
            for number in range(count):
                yield series.generate(rng, per_min, shares[number % len(shares)], bad=bad, length_s=LENGTH_S)


def share_row(
    case: str, metric: str, subject: str, hits: int, runs: int, *, least: float | None = None, most: float | None = None
) -> Row:
    """A share in percent with its exact interval, and the one that it has to reach or may not exceed."""
    value = 100 * hits / runs
    low, high = (round(100 * bound, 3) for bound in interval(hits, runs, CONFIDENCE))
    goal = most if least is None else least
    met = None if goal is None else value <= goal if least is None else value >= goal
    made = row(case, metric, [value], Goal(), "%", subject=subject)
    return {**made, "goal": goal, "met": met, "rounds": runs, "count": hits, "low": low, "high": high}


def lateness_row(case: str, subject: str, found: c.Sequence[Outcome], interval_s: float) -> Row | None:
    """From when the rule was true to the verdict, of the windows in which it was true while everybody watched.

    A negative one came before. None where there is no such window. A rule alone has its goal: what it takes longer than
    until the next look is the gate's fault.
    """
    late = [
        each.at - each.true_at
        for each in found
        if each.true_at is not None and each.true_at <= WATCH_S and each.verdict == "fail"
    ]
    if not late:
        return None
    goal = Goal(interval_s if subject in (LIMIT_ALONE, PROOF_ALONE) else None, of="median")
    return {**row(case, "lateness", late, goal, subject=subject), "earliest": round(min(late), 3)}


Judged = c.Sequence[c.Mapping[str, Outcome]]


def _subjects(judged: Judged) -> list[str]:
    return list(dict.fromkeys(name for each in judged for name in each))


def _of(judged: Judged, subject: str) -> list[Outcome]:
    return [each[subject] for each in judged if subject in each]


def cell_rows(case: str, judged: Judged) -> c.Iterator[Row]:
    """Healthy or bad windows of one kind with enough requests. Ours has to be as good as the ideal fixed sample."""
    bad = next(iter(judged[0].values())).truth.bad
    ideal_share = 100 * sum(each[IDEAL].verdict == "fail" for each in judged) / len(judged)
    for subject in _subjects(judged):
        said = [each.verdict for each in _of(judged, subject)]
        goal = ideal_share if subject == OURS else None
        hits, runs = said.count("fail"), len(said)
        if bad:
            made = share_row(case, "detected", subject, hits, runs, least=goal)
        else:
            made = share_row(case, "false alarms", subject, hits, runs, most=goal)
        yield {**made, "passed": said.count("pass"), "held": said.count("hold")}


def late_rows(case: str, judged: Judged, interval_s: float) -> c.Iterator[Row]:
    """How late each verdict was, of bad windows."""
    for subject in _subjects(judged):
        made = lateness_row(case, subject, _of(judged, subject), interval_s)
        if made is not None:
            yield made


def thin_cells(case: str, judged: Judged, interval_s: float) -> dict[str, list[c.Mapping[str, Outcome]]]:
    """Bad windows with too few requests, by whether the counters were proof all the same by the gate's last look, which
    is at most an interval after it stops waiting for evidence."""
    found: dict[str, list[c.Mapping[str, Outcome]]] = {}
    for each in judged:
        proof_at = each[PROOF_ALONE].true_at
        proof = proof_at is not None and proof_at <= EVIDENCE_S + interval_s
        found.setdefault(f"{case}, {'counters are proof' if proof else 'no proof'}", []).append(each)
    return found


def thin_rows(case: str, judged: Judged, *, proof: bool = False) -> c.Iterator[Row]:
    """Too few requests to judge: a limit holds, and so does the gate.

    With `proof` only the limit: a minimum is there to pass nothing on too little, and a version that is proved bad
    would stay in traffic for it. How many fail then is stated.
    """
    for subject in _subjects(judged):
        said = [each.verdict for each in _of(judged, subject)]
        goal = 100.0 if subject == LIMIT_ALONE or (subject in (OURS, PROOF_ALONE) and not proof) else None
        held = share_row(case, "held", subject, said.count("hold"), len(said), least=goal)
        yield {**held, "passed": said.count("pass"), "failed": said.count("fail")}


def rows(judged: Judged, interval_s: float) -> list[Row]:
    """By traffic, by the share of failures, and all together."""

    def of(**wanted: float) -> list[c.Mapping[str, Outcome]]:
        return [
            each for each in judged if all(getattr(each[OURS].truth, name) == value for name, value in wanted.items())
        ]

    made: list[Row] = []
    for bad, shares, word in ((False, HEALTHY, "healthy"), (True, BAD, "bad")):
        case, few = f"{word} at {TRAFFIC[0]}/min", of(bad=bad, per_min=TRAFFIC[0])
        for name, own in sorted((thin_cells(case, few, interval_s) if bad else {case: few}).items()):
            made += thin_rows(name, own, proof=name.endswith("counters are proof"))
        enough = [each for each in of(bad=bad) if each[OURS].truth.per_min > TRAFFIC[0]]
        cells = {f"{word} at {per_min}/min": of(bad=bad, per_min=per_min) for per_min in TRAFFIC[1:]}
        for share in shares:
            cells[f"{word} {100 * share:g} %"] = [each for each in enough if each[OURS].truth.share == share]
        cells[f"{word}, all"] = enough
        for case, own in cells.items():
            made += cell_rows(case, own)
            if bad:
                made += late_rows(case, own, interval_s)
    return made


def measure(options: Options) -> Measured:
    """The whole part; `rounds` is the number of healthy windows of each traffic, and of bad ones."""
    params = options_of(yaml.safe_load(_PROFILES.read_text(encoding="utf-8"))["critical"])
    judged = []
    for number, recorded in enumerate(windows(options.rounds or _WINDOWS), start=1):
        judged.append(judge(params, recorded))
        if number % 100 == 0:
            print(f"{number} windows judged", flush=True)
    return Measured(rows(judged, params["interval_s"]), {"numpy": np.__version__, "seed": str(SEED)})
