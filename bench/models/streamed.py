# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""100,000 pairs from a real Redis to the verdict and the report, each round in a process of its own: seconds and
memory. That of the Redis itself is not in it."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import CoverageRule, LabelRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Ladder, Position
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Window
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import evidence_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.judge import judged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.redis_stream import FIELD, PREFIX
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report import Subject, page
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.sources import sources_of

from bench.gate.part import Measured, Options
from bench.models.judged import PAIRS, records
from bench.results import ROOT, Goal, row

MODEL: t.Final = "price-prediction"
VERSIONS: t.Final = {"champion": "v2.0.0", "challenger": "v2.1.0"}
_ROUNDS: t.Final = 5
_SECONDS: t.Final = 5.0
_MEGABYTES: t.Final = 300.0
_AT_ONCE: t.Final = 1000
#: When the first of the requests came, and how far apart they are.
_BEGUN: t.Final = 1e9
_APART_S: t.Final = 0.1
_PATIENCE_S: t.Final = 300.0


def lines(pairs: int, seed: int) -> Iterator[tuple[str, float, str]]:
    """Stream, unix seconds of arrival and record, by the time of arrival in each stream."""
    observations, labels = records(pairs, seed)
    for one in observations:
        answer = one.answer
        record = {
            "id": one.request_id,
            "ts": one.at,
            "segment": one.segment,
            "version": VERSIONS[one.role],
            "out": answer.output,
            "score": round(answer.score or 0.0, 6),
            "ms": round(answer.latency_ms, 3),
            "err": answer.error,
        }
        yield "answers", one.at, json.dumps(record)
    for label in labels:
        yield "labels", label.at, json.dumps({"id": label.request_id, "label": label.value, "ts": label.at})


def fill(client: t.Any, pairs: int, seed: int) -> None:
    """The streams of the model anew. Ids are those that Redis would have given."""
    pipe = client.pipeline(transaction=False)
    pipe.delete(*(f"{PREFIX}:{MODEL}:{stream}" for stream in ("answers", "labels")))
    for number, (stream, at, record) in enumerate(lines(pairs, seed)):
        pipe.xadd(f"{PREFIX}:{MODEL}:{stream}", {FIELD: record}, id=f"{int(1000 * at)}-*")
        if number % _AT_ONCE == 0:
            pipe.execute()
    pipe.execute()


def once(options: t.Mapping[str, t.Any], pairs: int) -> dict[str, float]:
    """Processor seconds from the first question to the page, and the most memory of the whole process."""
    clock = SystemClock()
    given = [{"name": "market", "redis": {**options, "prefix": PREFIX}}]
    now = _BEGUN + pairs * _APART_S + 120
    rules = Rules(CoverageRule(1.0), LabelRule(60.0))
    begun, started = time.process_time(), time.monotonic()
    window = Window(_BEGUN, now)
    end = clock.monotonic() + _PATIENCE_S
    evidence = evidence_of(
        sources_of(given, MODEL, clock), VERSIONS["champion"], VERSIONS["challenger"], window, clock=clock, end=end
    )
    judgement = judged(evidence, rules, Ladder("shadow", (0,)), Position(0, now - _BEGUN), now)
    decided = time.process_time()
    if judgement.said != "pass" or len(evidence.matched.pairs) != pairs:
        raise AssertionError(f"it is better, and was not passed: {judgement.comparison.verdict.reason}")
    subject = Subject(MODEL, *VERSIONS.values(), "shadow", 0, "bench", window.since, now)
    written = page(subject, evidence, rules, judgement)
    return {
        "processor_s": decided - begun,
        "report_s": time.process_time() - decided,
        "clock_s": time.monotonic() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "report_kilobytes": len(written.encode()) / 1000,
    }


def measure(options: Options) -> Measured:
    """The whole part; a round is one process."""
    # A helper of the tests: only this part needs a Redis.
    import redis_server  # noqa: PLC0415 - of the tests, not on every path

    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = redis_server.RedisServer(pathlib.Path(folder))
        server.start()
        try:
            for seed in range(options.rounds or _ROUNDS):
                fill(server.client(), PAIRS, seed)
                command = [sys.executable, "-m", "bench.models.streamed", json.dumps(server.options), str(PAIRS)]
                ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
                found.append(json.loads(ran.stdout))
                told = ", ".join(f"{name} {value:.3g}" for name, value in found[-1].items())
                print(f"round {seed + 1}: {told}", flush=True)
        finally:
            server.stop()
    case = f"{PAIRS:,} pairs out of Redis"
    return Measured(
        [
            row(case, "processor time to the verdict", [one["processor_s"] for one in found], Goal(_SECONDS)),
            row(case, "processor time of the report", [one["report_s"] for one in found], Goal()),
            row(case, "by the clock", [one["clock_s"] for one in found], Goal()),
            row(case, "memory", [one["megabytes"] for one in found], Goal(_MEGABYTES), "MB"),
        ],
        {"python": sys.version.split()[0], "redis": importlib.metadata.version("redis")},
    )


if __name__ == "__main__":
    print(json.dumps(once(json.loads(sys.argv[1]), int(sys.argv[2]))))
