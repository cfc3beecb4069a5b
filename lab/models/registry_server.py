# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real MLflow, as the registry of the lab's models.

It has an environment of its own in the user's cache, under a key made of its inputs: with what it brings along it is
larger than that of the collection. So it comes only where somebody asks for it.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import hashlib
import http.client
import json
import pathlib
import shutil
import sys
import time
import typing as t
import venv

from lab import programs
from lab.binaries import cache_home
from lab.errors import LabError
from lab.leftovers import identities
from lab.model import Site
from lab.models.service.kinds import KINDS
from lab.models.service.versions import CHAMPION, VERSIONS
from lab.shell import run

PORT: t.Final = 5005
PROGRAM: t.Final = "mlflow"
#: Of a version: what people and images call it.
NAME_TAG: t.Final = "version"
_REQUIREMENTS: t.Final = pathlib.Path(__file__).parent / "mlflow-requirements.txt"
_INSTALL_S: t.Final = 1800.0

Json = dict[str, t.Any]


def python() -> pathlib.Path:
    """The interpreter that has MLflow. The first call on a machine installs it, which takes minutes."""
    inputs = _REQUIREMENTS.read_bytes() + sys.version.encode()
    folder = cache_home() / "mlflow" / hashlib.sha256(inputs).hexdigest()[:20]
    folder.parent.mkdir(parents=True, exist_ok=True)
    found = folder / "bin" / "python"
    # Two may start at once: the second one waits and then finds what the first one installed.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            pip = [str(found), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
            run([*pip, "-r", str(_REQUIREMENTS)], timeout_s=_INSTALL_S)
            (folder / ".ready").touch()
    return found


def command(folder: pathlib.Path, host: str, port: int) -> list[str]:
    """A server whose database lies in the folder."""
    place = f"sqlite:///{folder}/mlflow.db"
    made = [str(python()), "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    return [*made, "--backend-store-uri", place, "--artifacts-destination", str(folder)]


def environment(path: str) -> dict[str, str]:
    """What the server needs to be told besides; `path` is the PATH of whoever starts it."""
    return {
        "PATH": f"{python().parent}:{path}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def url(site: Site) -> str:
    return f"http://{site.address}:{PORT}"


def start(site: Site, path: str, timeout_s: float = 600) -> None:
    """Run the server and register what is missing. Its database is made by dozens of migrations, one by one."""
    folder = site.home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    # Its guard against rebound names knows localhost alone.
    hosts = ["--allowed-hosts", f"{site.address}:{PORT}"]
    programs.start(site, PROGRAM, [*command(folder, site.address, PORT), *hosts], env=environment(path), cwd=folder)
    server = Server(site.address, PORT)
    deadline = time.monotonic() + timeout_s
    while not server.answers():
        if not programs.alive(site, PROGRAM) or time.monotonic() > deadline:
            raise LabError(f"MLflow does not answer at {url(site)}\n{programs.tail(site, PROGRAM)}")
        time.sleep(0.2)
    register(server, KINDS, list(VERSIONS), CHAMPION)


def stop(site: Site) -> None:
    """With its workers, which are processes of their own in its session."""
    leader = programs.find(site, PROGRAM)
    workers = [one for one in identities(_session(leader.pid)) if one != leader] if leader is not None else []
    programs.stop(site, PROGRAM)
    for worker in workers:
        programs.kill(worker, timeout_s=0)


def _session(leader: int) -> c.Iterator[int]:
    """Pids of the processes in the session."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = stat.read_text()
            # The fields behind the name in brackets: state, parent, group, session.
            if int(text[text.rindex(")") + 2 :].split()[3]) == leader:
                yield int(stat.parent.name)


class Server:
    """As much of MLflow's REST API as registering needs."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "registered-models/search")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method: str, what: str, body: Json | None = None) -> tuple[int, Json]:
        """Status and answer."""
        with contextlib.closing(http.client.HTTPConnection(*self._place, timeout=30)) as connection:
            headers = {"Content-Type": "application/json"}
            connection.request(method, f"/api/2.0/mlflow/{what}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else {}

    def must(self, method: str, what: str, body: Json | None = None) -> Json:
        status, answer = self.ask(method, what, body)
        if status != 200:
            raise LabError(f"MLflow: {what} was answered with {status}: {answer.get('message', '')[:200]}")
        return answer


def register(server: Server, models: c.Iterable[str], versions: c.Sequence[str], champion: str) -> None:
    """Each model that is not there, with all its versions, and the champion's alias: what is there is somebody's."""
    for model in models:
        if server.ask("GET", f"registered-models/get?name={model}")[0] == 200:
            continue
        server.must("POST", "registered-models/create", {"name": model})
        for version in versions:
            # A source on this machine would be refused.
            tags = [{"key": NAME_TAG, "value": version}]
            made = {"name": model, "source": f"s3://models/{model}/{version}", "tags": tags}
            number = server.must("POST", "model-versions/create", made)["model_version"]["version"]
            if version == champion:
                alias = {"name": model, "alias": "champion", "version": number}
                server.must("POST", "registered-models/alias", alias)
