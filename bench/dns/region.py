# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of regions with names: orders that follow them, region.yml, a Prometheus outside of the regions, and death."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing as t

import yaml

from bench.results import ROOT
from bench.rollback.ours import kill, lab_command
from lab import binaries, monitoring, pki, programs
from lab.demo.playbook import Playbooks
from lab.errors import LabError
from lab.model import Lab, Site
from lab.steps import Steps

Json = dict[str, t.Any]

REPORTS: t.Final = ROOT / "reports" / "bench"
RATE: t.Final = 200.0
#: Seconds before an evacuation in which its baseline is seen.
BASELINE_S: t.Final = 20.0
#: How long each step of a ramp is watched, in seconds: longer than 4,000 answers take, the module's and the bench's.
HOLD_S: t.Final = 20
_CALLBACKS: t.Final = ROOT / "bench" / "callbacks"
_OUTSIDE: t.Final = "prometheus-outside"
_BREATH_S: t.Final = 3
_END_S: t.Final = 120
_PATIENCE_S: t.Final = 600
#: New orders alone: what rests in an evacuated region is cancelled there, by its own name.
_QUERY: t.Final = 'sum(rate(http_requests_total{region="%s",service="core-api",route="/orders"}[5s]))'


@dataclasses.dataclass(frozen=True)
class Orders:
    """What a flow saw that followed the name. `failed` has unix time and region of each new order that failed."""

    failed: list[tuple[float, str]]
    acknowledged: int
    lost: int
    duplicated: int
    #: Unix time, resolver, and the region that it gave then and not before.
    answers: list[tuple[float, str, str]]

    def failed_in(self, since: float, until: float) -> list[float]:
        return [at for at, _region in self.failed if since <= at < until]


def read_orders(report: t.Mapping[str, t.Any]) -> Orders:
    """The figures of a flow's report. What is not known counts as all of them. Raises LabError when the report does not
    tell each failed order."""
    totals, resolved = report["totals"], report["resolved"]
    failed = [
        (float(at), str(region)) for at, region, _version, _code, kind in report["bad_answers"] if kind == "order"
    ]
    if len(failed) != resolved["failed_orders"]["number"]:
        raise LabError(f"the flow tells {len(failed)} of {resolved['failed_orders']['number']} failed orders")
    unknown = totals["acknowledged"]
    return Orders(
        failed,
        totals["acknowledged"],
        unknown if totals["lost"] is None else totals["lost"],
        unknown if totals["duplicated"] is None else totals["duplicated"],
        [(float(at), str(resolver), str(region)) for at, resolver, region in resolved["answers"]],
    )


@dataclasses.dataclass
class Flow:
    """`orders` is there when the block has ended."""

    orders: Orders | None = None

    def good(self) -> Orders:
        if self.orders is None:
            raise LabError("the order flow has not ended")
        return self.orders


@contextlib.contextmanager
def flowing(lab: Lab) -> c.Iterator[Flow]:
    """Orders where the name points to while the block runs, and for some seconds before and after it."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    out = REPORTS / "dns-flow.json"
    out.unlink(missing_ok=True)
    words = ["run", "--name", lab.name, "--rate", f"{RATE:g}", "--resolve", "--out", str(out)]
    # The flow's clock is the measure: it must not wait for what is measured on a small machine.
    command = ["nice", "-n", "-5", sys.executable, "-m", "lab.flow", *words]
    found = Flow()
    with (REPORTS / "dns-flow.log").open("wb") as log:
        flow = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        time.sleep(_BREATH_S)
        yield found
        time.sleep(_BREATH_S)
    finally:
        flow.send_signal(signal.SIGTERM)
        try:
            flow.wait(_END_S)
        except subprocess.TimeoutExpired:
            flow.kill()
            flow.wait()
    if not out.exists():
        raise LabError(f"the order flow left no figures; see {REPORTS / 'dns-flow.log'}")
    found.orders = read_orders(json.loads(out.read_text(encoding="utf-8")))


@dataclasses.dataclass(frozen=True)
class Done:
    """One task of a playbook. `result` of dns_weight alone."""

    task: str
    seconds: float
    result: Json | None


@dataclasses.dataclass(frozen=True)
class Ran:
    """One playbook, in unix seconds."""

    entered: float
    ended: float
    tasks: list[Done]

    def of(self, begin: str) -> list[Done]:
        """The tasks whose name begins so."""
        return [one for one in self.tasks if one.task.startswith(begin)]


class Regions:
    """region.yml on the lab, as an operator runs it, with a Prometheus outside of the regions."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.names: Json = json.loads((lab.home / "state.json").read_text(encoding="utf-8"))["dns"]
        self._playbooks = Playbooks(lab.name, REPORTS)

    def site(self, region: str) -> Site:
        return next(site for site in self.lab.regions if site.name == region)

    def dns(self) -> Json:
        """What the inventory says, and how the drain of each region is seen."""
        server = {key: self.names[key] for key in ("url", "zone", "api_key_file", "authority")}
        return {
            "name": self.names["name"],
            "provider": "powerdns",
            "powerdns": server,
            **{key: self.names[key] for key in ("ttl", "full", "members")},
            "verify": {"queries": 2000, "resolvers": self.names["resolvers"]},
            "prometheus": {"url": f"http://{self.lab.management.address}:{monitoring.PORT}"},
            "observe": {
                "queries": {site.name: _QUERY % site.name for site in self.lab.regions},
                "baseline_s": BASELINE_S,
            },
        }

    def run(self, state: str, region: str) -> Ran:
        """Raises LabError when the playbook fails."""
        REPORTS.mkdir(parents=True, exist_ok=True)
        told, log = REPORTS / f"region-{state}.jsonl", REPORTS / f"region-{state}.log"
        told.unlink(missing_ok=True)
        variables = {"state": state, "region": region, "dns": self.dns(), "dns_ramp_hold_s": HOLD_S}
        environment = {
            **self._playbooks.environment(),
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "pincex.zero_downtime.release_board,bench_tasks",
            "PINCEX_BENCH_TASKS": str(told),
        }
        command = self._playbooks.command("region", "-e", json.dumps(variables))
        entered = time.time()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code: int | str = process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = f"nothing after {_PATIENCE_S} s"
        finally:
            kill(process)
        ended = time.time()
        if code != 0:
            raise LabError(f"region.yml -e state={state} -e region={region} ended with {code}; see {log}")
        return Ran(entered, ended, read_tasks(told.read_text(encoding="utf-8")))


def read_tasks(text: str) -> list[Done]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [Done(one["task"], one["ended"] - one["began"], one["result"]) for one in lines]


@contextlib.contextmanager
def outside(lab: Lab) -> c.Iterator[None]:
    """A Prometheus in the management site that takes over what those of the regions have. Raises LabError."""
    site, folder = lab.management, lab.management.home / _OUTSIDE
    folder.mkdir(parents=True, exist_ok=True)
    scrape = {
        "job_name": "regions",
        "metrics_path": "/federate",
        "honor_labels": True,
        "params": {"match[]": ['http_requests_total{service="core-api"}']},
        "static_configs": [{"targets": [f"{one.address}:{monitoring.PORT}" for one in lab.regions]}],
    }
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "900ms"}, "scrape_configs": [scrape]}
    pki.write(folder / "prometheus.yaml", yaml.safe_dump(config, sort_keys=False))
    words = [
        binaries.prepare(Steps()).path("prometheus"),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=0.0.0.0:{monitoring.PORT}",
        "--log.level=warn",
    ]
    programs.start(site, _OUTSIDE, words)
    try:
        deadline = time.monotonic() + _END_S
        while not monitoring.ready(site.address):
            if not programs.alive(site, _OUTSIDE) or time.monotonic() > deadline:
                raise LabError(f"no Prometheus outside of the regions\n{programs.tail(site, _OUTSIDE)}")
            time.sleep(0.1)
        yield
    finally:
        programs.stop(site, _OUTSIDE, timeout_s=0)


def die(site: Site) -> float:
    """The region's gateway and API server end without a word. Returns when, in unix seconds."""
    gateway = programs.find(site, "envoy-gateway")
    if gateway is None:
        raise LabError(f"{site.name}: its gateway does not run")
    # Its Envoy would outlive it.
    family = children(gateway.pid)
    at = time.time()
    programs.stop(site, "envoy-gateway", timeout_s=0)
    for one in family:
        programs.kill(one, timeout_s=0)
    programs.stop(site, "kube-apiserver", timeout_s=0)
    return at


def children(pid: int, proc: pathlib.Path = pathlib.Path("/proc")) -> list[programs.Identity]:
    """All processes below this one."""
    parents: dict[int, tuple[int, int]] = {}
    for path in proc.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = path.read_text()
            _state, started = programs.parse_start_time(text)
            parents[int(path.parent.name)] = (int(text[text.rindex(")") + 2 :].split()[1]), started)
    found: list[programs.Identity] = []
    above = {pid}
    while above:
        below = {one for one, (parent, _started) in parents.items() if parent in above}
        found += [programs.Identity(one, parents[one][1]) for one in sorted(below)]
        above = below
    return found


def bring_back(lab: Lab) -> None:
    """`up` starts what does not run. Raises LabError."""
    command = lab_command(lab.name, len(lab.regions))
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise LabError("the region did not come back")


_ROW: t.Final = re.compile(r"\{'([^']+)',(\d+),")


def weights_of(content: str) -> dict[str, int]:
    """Region -> weight in the content of the record."""
    return {region: int(weight) for region, weight in _ROW.findall(content)}


def versions() -> dict[str, str]:
    return {
        "Kubernetes": binaries.KUBERNETES_VERSION,
        "ansible-core": importlib.metadata.version("ansible-core"),
    }
