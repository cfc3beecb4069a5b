# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab.models.drive --rate 50 --seconds 60`: asks the models about the orders of the flow, through a region's
gateway, and tells the recorder later what was right.

Open loop: a request is sent when it is due, however long the others take.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import pathlib
import random
import secrets
import signal
import sys
import time
import typing as t

import uvloop

from lab.errors import LabError
from lab.exchange.http_client import HttpClient, HttpFailure
from lab.flow.mix import client_order_id
from lab.flow.tally import NO_VERSION, latency_figures
from lab.model import BLOCKS, plan_lab
from lab.models import truth
from lab.models.service.kinds import KINDS
from lab.models.service.records import label_line
from lab.models.up import read_state

#: What an A/B test is sticky by.
BUCKET_HEADER: t.Final = "x-bucket"
#: Labels leave together.
_LABELS_EVERY_S: t.Final = 0.5
_TIMEOUT_S: t.Final = 5.0
_IN_FLIGHT: t.Final = 800


class DriveError(ValueError):
    """An option is missing or wrong; the text names it."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run. `rate`: requests per second over all `models`, which take turns. `hosts`: the name of each model at the
    gateway. `label_s`: how long after its answer a label is known, give or take half of it; 0 is at once."""

    gateway: str
    recorder: str
    region: str
    hosts: t.Mapping[str, str]
    models: tuple[str, ...]
    rate: float
    seconds: float | None
    label_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One request that has ended. `due_at`: unix seconds; `took_s`: from then to its end. `version` is NO_VERSION where
    no answer of one came."""

    model: str
    version: str
    due_at: float
    took_s: float
    failed: bool


class Drive:
    """Requests and labels of one run."""

    def __init__(self, plan: Plan, run_id: str) -> None:
        self.plan = plan
        #: In the order in which they ended.
        self.asked: list[Asked] = []
        self._run_id = run_id
        #: What unix time is ahead of the clock that latencies are taken from.
        self._ahead_s = time.time() - time.monotonic()
        self._sent = dict.fromkeys(plan.models, 0)
        self._labelled = dict.fromkeys(plan.models, 0)
        self._unlabelled = dict.fromkeys(plan.models, 0)
        self._clients = {model: HttpClient(plan.gateway, plan.hosts[model]) for model in plan.models}
        self._recorder = HttpClient(plan.recorder)
        #: Labels by when they become known (unix seconds), the model and the order.
        self._waiting: list[tuple[float, str, str]] = []
        self._chance = random.Random(run_id)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask nothing more."""
        self._stop.set()

    async def run(self) -> None:
        """Ask by the time table until its end or `stop`, then wait for the answers and for the last label."""
        labelling = asyncio.get_running_loop().create_task(self._label())
        await self._ask()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_TIMEOUT_S + 1)
        self.stop()
        await labelling
        for client in (*self._clients.values(), self._recorder):
            client.close()

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        number = 0
        while not self._stop.is_set():
            offset_s = number / self.plan.rate
            if self.plan.seconds is not None and offset_s >= self.plan.seconds:
                return
            wait_s = began + offset_s - loop.time()
            if wait_s > 0 or len(self._tasks) >= _IN_FLIGHT:
                # In pieces, so that a signal is noticed.
                await asyncio.sleep(min(max(wait_s, 0.005), 0.2))
                continue
            model = self.plan.models[number % len(self.plan.models)]
            order = client_order_id(self.plan.region, self._run_id, number)
            self._sent[model] += 1
            task = loop.create_task(self._predict(model, order, began + offset_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            number += 1

    async def _predict(self, model: str, order: str, due: float) -> None:
        """One request; its latency counts from when it was due."""
        request = truth.request_of(KINDS[model], order)
        body = json.dumps(dataclasses.asdict(request), separators=(",", ":")).encode()
        header = f"{BUCKET_HEADER}: {truth.bucket_of(order)}\r\n".encode()
        version, failed = NO_VERSION, True
        try:
            answer = await self._clients[model].request("POST", "/predict", body, _TIMEOUT_S, header)
            version, failed = answer.headers.get("x-version", NO_VERSION), answer.status != 200
        except HttpFailure:
            pass
        # The loop's own clock, of the same base, is one of whole milliseconds with uvloop.
        took_s = time.monotonic() - due
        self.asked.append(Asked(model, version, self._ahead_s + due, took_s, failed))
        # An answer that failed has a label as well: the truth does not wait for the model.
        known_at = time.time() + self.plan.label_s * (0.5 + self._chance.random())
        self._waiting.append((known_at, model, order))

    async def _label(self) -> None:
        """Send what has become known, until the run is over and nothing waits."""
        while self._waiting or self._tasks or not self._stop.is_set():
            await asyncio.sleep(_LABELS_EVERY_S)
            now = time.time()
            due = [one for one in self._waiting if one[0] <= now]
            self._waiting = [one for one in self._waiting if one[0] > now]
            for model in self.plan.models:
                known = [(at, order) for at, name, order in due if name == model]
                if known:
                    await self._send(model, known)

    async def _send(self, model: str, known: list[tuple[float, str]]) -> None:
        kind = KINDS[model]
        lines = [
            label_line(truth.request_of(kind, order).id, truth.label_of(kind, order), at) for at, order in sorted(known)
        ]
        try:
            answer = await self._recorder.request("POST", f"/labels/{model}", b"\n".join(lines), _TIMEOUT_S)
            taken = answer.status == 204
        except HttpFailure:
            taken = False
        (self._labelled if taken else self._unlabelled)[model] += len(known)

    def report(self) -> dict[str, t.Any]:
        """Counts, and latencies in milliseconds, by model and version. `none` is what got no answer of a version."""
        seen: dict[tuple[str, str], list[Asked]] = {}
        for one in self.asked:
            seen.setdefault((one.model, one.version), []).append(one)
        return {
            model: {
                "sent": self._sent[model],
                "failed": sum(one.failed for one in self.asked if one.model == model),
                "labels": self._labelled[model],
                "labels_lost": self._unlabelled[model],
                "versions": {
                    version: {
                        "answers": len(own),
                        "failed": sum(one.failed for one in own),
                        "latency_ms": latency_figures(one.took_s for one in own),
                    }
                    for (name, version), own in sorted(seen.items())
                    if name == model
                },
            }
            for model in self.plan.models
        }


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m lab.models.drive", description="Requests to the models, and labels.")
    top.add_argument("--name", default="demo", choices=sorted(BLOCKS), help="the lab to send to (default demo)")
    top.add_argument("--region", help="the region whose gateway is asked (default: the first one of the lab)")
    top.add_argument("--model", action="append", choices=sorted(KINDS), help="only this one; may be given again")
    top.add_argument("--rate", type=float, default=50, help="requests per second over all models (default 50)")
    top.add_argument("--seconds", type=float, help="end after so long (default: on a signal)")
    top.add_argument("--label-delay", type=float, default=2, help="seconds until a label is known (default 2)")
    top.add_argument("--out", type=pathlib.Path, help="write the figures into this JSON file")
    top.add_argument("--each", type=pathlib.Path, help="write every request into this file, a line of JSON each")
    return top


def make_plan(options: argparse.Namespace, state: t.Mapping[str, t.Any]) -> Plan:
    """Options and what the lab has written about its models; raises DriveError."""
    if not 0 < options.rate <= 2000:
        raise DriveError(f"--rate {options.rate:g}: use more than 0 and at most 2000")
    if options.seconds is not None and options.seconds <= 0:
        raise DriveError(f"--seconds {options.seconds:g}: use more than 0")
    if not 0 <= options.label_delay <= 3600:
        raise DriveError(f"--label-delay {options.label_delay:g}: use 0 to 3600")
    region = options.region or next(iter(state["gateways"]))
    if region not in state["gateways"]:
        raise DriveError(f"--region {region}: use one of {', '.join(state['gateways'])}")
    models = tuple(dict.fromkeys(options.model or KINDS))
    return Plan(
        gateway=state["gateways"][region],
        recorder=state["recorder"],
        region=region,
        hosts=state["hosts"],
        models=models,
        rate=options.rate,
        seconds=options.seconds,
        label_s=options.label_delay,
    )


def summary(report: t.Mapping[str, t.Any]) -> list[str]:
    """One line for each version of each model."""
    lines = []
    for model, seen in report.items():
        lines.append(f"{model}: sent {seen['sent']}, failed {seen['failed']}, labels {seen['labels']}")
        for version, one in seen["versions"].items():
            times = "  ".join(f"{name} {value:g} ms" for name, value in one["latency_ms"].items())
            lines.append(f"  {version}: {one['answers']} answers, {one['failed']} failed, {times}")
    return lines


async def drive(plan: Plan) -> Drive:
    """One run, until its end or a signal."""
    running = Drive(plan, secrets.token_hex(4))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    await running.run()
    return running


def main() -> int:
    options = parser().parse_args()
    try:
        plan = make_plan(options, read_state(plan_lab(options.name)))
        for option, path in (("--out", options.out), ("--each", options.each)):
            if path is not None and not path.parent.is_dir():
                raise DriveError(f"{option} {path}: there is no such folder")
    except (LabError, DriveError) as error:
        print(error, file=sys.stderr)
        return 2
    ran = uvloop.run(drive(plan))
    report = ran.report()
    if options.each is not None:
        lines = (json.dumps(dataclasses.asdict(one), separators=(",", ":")) for one in ran.asked)
        options.each.write_text("".join(f"{line}\n" for line in lines))
    if options.out is not None:
        options.out.write_text(json.dumps(report, separators=(",", ":")) + "\n")
    print("\n".join(summary(report)))
    return 0 if not any(seen["failed"] for seen in report.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
