# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the models of a running lab up, and down again; what they are is written beside the lab's own state file."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import sys
import time
import typing as t

from lab import pki, programs, state
from lab.errors import LabError
from lab.model import Lab, Site
from lab.models import install, recorder, registry_server, streams
from lab.models.service.kinds import KINDS
from lab.models.service.versions import CHAMPION, VERSIONS
from lab.registry import Registry
from lab.steps import Steps

RECORDER: t.Final = "model-recorder"


def state_file(lab: Lab) -> pathlib.Path:
    return lab.home / "models.json"


def described(lab: Lab, *, mlflow: bool) -> dict[str, t.Any]:
    """Where everything is, for the driver and for inventories; no secrets."""
    site = lab.management
    return {
        "lab": lab.name,
        "gateways": {one.name: f"http://{one.address}" for one in lab.regions},
        "hosts": {model: install.host(model) for model in KINDS},
        "recorder": f"http://{site.address}:{recorder.PORT}",
        "redis": f"redis://{site.address}:{streams.PORT}",
        "username": streams.READER,
        "password_file": str(streams.password_file(site, streams.READER)),
        "prefix": streams.PREFIX,
        "mlflow": registry_server.url(site) if mlflow else "",
        "champion": CHAMPION,
        "versions": {version.name: version.summary for version in VERSIONS.values()},
        "tolerances": {kind.name: kind.tolerance for kind in KINDS.values()},
    }


def read_state(lab: Lab) -> dict[str, t.Any]:
    """What `up` has written. Raises LabError where there are no models."""
    found = state.read(state_file(lab))
    if not found:
        raise LabError(f"lab {lab.name} has no models; python -m lab.models up --name {lab.name} brings them up")
    return found


def up(lab: Lab, steps: Steps, *, mlflow: bool = True) -> None:
    """All of the models, or what is missing of them. The lab itself has to run."""
    if not state.complete(lab) or not Registry(lab.management.address).answers():
        raise LabError(f"lab {lab.name} does not run; python -m lab up --name {lab.name} starts it")
    site = lab.management
    with steps.step(site.name, "Redis and the recorder answer"):
        streams.start(site)
        _start_recorder(site)
    with concurrent.futures.ThreadPoolExecutor(len(lab.regions) + 1) as pool:
        # The registry needs minutes on a machine that has never had it.
        tasks = [pool.submit(_registry, site, steps)] if mlflow else []
        with steps.step("registry", "images of the models pushed"):
            install.push_images(lab)
        tasks += [pool.submit(_champions, lab, region, steps) for region in lab.regions]
        for task in tasks:
            task.result()
    mlflow = mlflow or programs.alive(site, registry_server.PROGRAM)
    pki.write(state_file(lab), json.dumps(described(lab, mlflow=mlflow), indent=2) + "\n")


def down(lab: Lab, steps: Steps) -> None:
    """Take the models out of the regions and stop what `up` has started; the lab goes on."""
    for region in lab.regions:
        with steps.step(region.name, "models removed"):
            install.remove(region)
    with steps.step(lab.management.name, "stopped"):
        registry_server.stop(lab.management)
        for name in (RECORDER, streams.PROGRAM):
            programs.stop(lab.management, name)
    state_file(lab).unlink(missing_ok=True)


def _registry(site: Site, steps: Steps) -> None:
    with steps.step(site.name, "MLflow answers, models registered"):
        registry_server.start(site, os.environ.get("PATH", ""))


def _champions(lab: Lab, region: Site, steps: Steps) -> None:
    with steps.step(region.name, f"{len(KINDS)} models ready"):
        install.install_champions(lab, region)


def _start_recorder(site: Site, timeout_s: float = 60) -> None:
    user, file = streams.WRITER, streams.password_file(site, streams.WRITER)
    options = [f"--redis=redis://{user}@{site.address}:{streams.PORT}", f"--password-file={file}"]
    programs.start(site, RECORDER, [sys.executable, "-m", "lab.models.recorder", *options], cwd=state.CHECKOUT)
    deadline = time.monotonic() + timeout_s
    while not _ready(site):
        if not programs.alive(site, RECORDER) or time.monotonic() > deadline:
            tail = programs.tail(site, RECORDER)
            raise LabError(f"the recorder does not answer at {site.address}:{recorder.PORT}\n{tail}")
        time.sleep(0.1)


def _ready(site: Site) -> bool:
    with contextlib.closing(http.client.HTTPConnection(site.address, recorder.PORT, timeout=2)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
