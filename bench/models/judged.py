# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""100,000 pairs from their records to the verdict, each round in a process of its own: seconds and memory."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules, compare
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    match,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Answer, Label, Observation

from bench.gate.part import Measured, Options
from bench.results import ROOT, Goal, row

PAIRS: t.Final = 100_000
SEGMENTS: t.Final = 50
_ROUNDS: t.Final = 5
_SECONDS: t.Final = 5.0
_MEGABYTES: t.Final = 300.0


def records(pairs: int, seed: int) -> tuple[list[Observation], list[Label]]:
    """Two answers and a label for each request, ten requests a second."""
    rng = random.Random(seed)
    observations: list[Observation] = []
    labels: list[Label] = []
    for number in range(pairs):
        name, at, value = f"request-{number:012d}", 1e9 + number / 10, rng.choice(("up", "down"))
        segment = f"symbol-{rng.randrange(SEGMENTS)}"
        for role, accuracy in (("champion", 0.87), ("challenger", 0.90)):
            output = value if rng.random() < accuracy else "flat"
            answer = Answer(
                output, rng.random(), rng.lognormvariate(2.0, 0.5), "" if rng.random() < 0.999 else "timeout"
            )
            observations.append(
                Observation(name, t.cast(t.Literal["champion", "challenger"], role), at, segment, answer)
            )
        labels.append(Label(name, value, at + 60))
    return observations, labels


def once(pairs: int, seed: int) -> dict[str, float]:
    """Processor seconds of matching and judging, and the most memory of the whole process, its records included."""
    observations, labels = records(pairs, seed)
    scores = random.Random(seed + 1)
    reference = [scores.random() for _number in range(pairs)]
    now = 1e9 + pairs
    begun, clock = time.process_time(), time.monotonic()
    matched = match(observations, labels, now)
    verdict = compare(matched, Rules(CoverageRule(1.0), LabelRule(60.0)), now, reference).verdict
    if verdict.word != "pass":
        raise AssertionError(f"it is better, and was not passed: {verdict.reason}")
    return {
        "processor_s": time.process_time() - begun,
        "clock_s": time.monotonic() - clock,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(options: Options) -> Measured:
    """The whole part; a round is one process."""
    found = []
    for seed in range(options.rounds or _ROUNDS):
        command = [sys.executable, "-m", "bench.models.judged", str(PAIRS), str(seed)]
        ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        found.append(json.loads(ran.stdout))
        told = ", ".join(f"{name} {value:.3g}" for name, value in found[-1].items())
        print(f"round {seed + 1}: {told}", flush=True)
    case = f"{PAIRS:,} pairs"
    return Measured(
        [
            row(case, "processor time", [one["processor_s"] for one in found], Goal(_SECONDS)),
            row(case, "by the clock", [one["clock_s"] for one in found], Goal()),
            row(case, "memory", [one["megabytes"] for one in found], Goal(_MEGABYTES), "MB"),
        ],
        {"python": sys.version.split()[0]},
    )


if __name__ == "__main__":
    print(json.dumps(once(int(sys.argv[1]), int(sys.argv[2]))))
