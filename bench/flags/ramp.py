# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feature for more and more users, from nobody to all in 20 steps: who loses it on the way, and how exact the
percentages are.

Each step is a task of flag_set over all stores. Who has the feature is asked of an OpenFeature client with flagd's
provider, which reads the file that the module writes. Beside it are ways to ramp that are in use, with the same users
and steps in the same client: weights in the order of their size, and a key that is new with each step.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import time
import typing as t

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from bench.flags.task import Json
from bench.flags.world import switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, Goal, row
from lab.errors import LabError

USERS: t.Final = 20_000
STEPS: t.Final = 20
PERCENTS: t.Final = tuple(100 * step / STEPS for step in range(STEPS + 1))
LOST: t.Final = "users who lose the feature"
DEVIATION: t.Final = "largest deviation of a percentage"
BY_SIZE: t.Final = "weights in the order of their size"
NEW_KEY: t.Final = "a new key with each step"
_FLAG: t.Final = "feature"
_ROUNDS: t.Final = 5
_SIGMAS: t.Final = 4.0
_PATIENCE_S: t.Final = 30.0
#: Between two looks at the file.
_LOOK_MS: t.Final = 200
#: In the metadata of a flag that was not written by the module: which step it is.
_STEP: t.Final = "step"


def definition(way: str, percent: float, step: int) -> Json:
    """The flag as these ways ramp it."""
    weights = [["on", round(percent)], ["off", round(100 - percent)]]
    if way == BY_SIZE:
        weights.sort(key=lambda entry: -int(t.cast("int", entry[1])))
        by: list[t.Any] = []
    else:
        by = [{"cat": [f"{_FLAG}-{step}", {"var": "targetingKey"}]}]
    return switch(targeting={"fractional": [*by, *weights]}, metadata={_STEP: step})


def deviation(have: int, users: int, percent: float) -> float:
    """How far the number of those who have it is from its mean, in standard deviations. Nobody and all are exact."""
    share = percent / 100
    sigma = (users * share * (1 - share)) ** 0.5
    if sigma == 0:
        return 0.0 if have == users * share else float(users)
    return abs(have - users * share) / sigma


def lost(steps: c.Sequence[frozenset[str]]) -> int:
    """Users who had it in a step and have it no more in the next one; who loses it twice counts twice."""
    return sum(len(before - after) for before, after in itertools.pairwise(steps))


@dataclasses.dataclass(frozen=True)
class Ramped:
    """One ramp: users who lost the feature on the way, and the largest deviation of a step."""

    lost: int
    deviation: float


def ramped(steps: c.Sequence[frozenset[str]]) -> Ramped:
    """Who has the feature at each of PERCENTS, of USERS."""
    pairs = zip(steps, PERCENTS, strict=True)
    return Ramped(lost(steps), max(deviation(len(have), USERS, percent) for have, percent in pairs))


class Client:
    """An application that evaluates the document in that file."""

    def __init__(self, path: pathlib.Path, name: str) -> None:
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=_LOOK_MS
        )
        api.set_provider_and_wait(provider, name)
        self._client: OpenFeatureClient = api.get_client(name)

    def wait(self, key: str, value: str, flag: str = _FLAG) -> None:
        """Until it sees the flag with that in its metadata. Raises LabError."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = self._client.get_boolean_details(flag, False, EvaluationContext("nobody")).flag_metadata
            if str(found.get(key)) == value:
                return
            if time.monotonic() > deadline:
                raise LabError(f"the client has not seen {key} {value} of {flag} after {_PATIENCE_S:g} s: {found}")
            time.sleep(0.02)

    def have(self, users: c.Iterable[str], flag: str = _FLAG) -> frozenset[str]:
        """Who has it."""
        ask = self._client.get_boolean_value
        return frozenset(user for user in users if ask(flag, False, EvaluationContext(user)))


def _write(path: pathlib.Path, flag: Json) -> None:
    """Whole, and with a time that has grown: the client would not look at it otherwise."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"flags": {_FLAG: flag}}), encoding="utf-8")
    if path.exists():
        at = path.stat().st_mtime_ns + 1_000_000
        os.utime(scratch, ns=(max(at, time.time_ns()), max(at, time.time_ns())))
    scratch.replace(path)


def _naive(folder: pathlib.Path, way: str, users: c.Sequence[str], name: str) -> Ramped:
    path = folder / f"{name}.flagd.json"
    _write(path, definition(way, 0.0, 0))
    client = Client(path, name)
    steps = []
    for step, percent in enumerate(PERCENTS):
        _write(path, definition(way, percent, step))
        client.wait(_STEP, str(step))
        steps.append(client.have(users))
    return ramped(steps)


def measure(options: Options) -> Measured:
    """The whole part, on loopback."""
    rounds = options.rounds or _ROUNDS
    found: dict[str, list[Ramped]] = {OURS: [], BY_SIZE: [], NEW_KEY: []}
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(world())
        stack.callback(api.shutdown)
        place.good("set", definitions={_FLAG: switch()})
        client = Client(place.path, "ours")
        for number in range(rounds):
            users = [f"user-{number}-{one}" for one in range(USERS)]
            steps = []
            for percent in PERCENTS:
                # The next round begins with nobody again: that takes it from everybody, and is not counted.
                result = place.good("rollout", flags=[_FLAG], percent=percent, reshuffle=percent == 0)
                if result["flags"]:
                    client.wait("version", str(result["revision"]["after"]))
                steps.append(client.have(users))
            found[OURS].append(ramped(steps))
            for way in (BY_SIZE, NEW_KEY):
                found[way].append(_naive(place.folder, way, users, f"{way.split()[0]}-{number}"))
            print(f"round {number + 1}: {[every[-1] for every in found.values()]}", flush=True)
    return Measured(rows(found), versions())


def rows(found: t.Mapping[str, c.Sequence[Ramped]]) -> list[Row]:
    """Goals for ours alone. The reference is what is lost by weights in the order of their size."""
    case = f"0 to 100 % in {STEPS} steps, {USERS:,} users"
    reference = max(float(one.lost) for one in found[BY_SIZE])
    made = []
    for way, every in found.items():
        ours = way == OURS
        counts, worst = [float(one.lost) for one in every], [one.deviation for one in every]
        made.append(row(case, LOST, counts, Goal(0.5, reference) if ours else Goal(), "count", subject=way))
        made.append(row(case, DEVIATION, worst, Goal(_SIGMAS) if ours else Goal(), "sigma", subject=way))
    return made
