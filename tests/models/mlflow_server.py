# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real MLflow on loopback, with its database in a folder of its own: open to everybody, or with users and TLS.

It is the same that the lab runs, see lab/models/registry_server.py.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import typing as t

from powerdns_server import LOOPBACK, free_ports

from lab import pki
from lab.models import registry_server

ADMIN: t.Final = "admin"
PASSWORD: t.Final = "password-of-the-tests"
#: Its database is made by dozens of migrations, one after the other.
_PATIENCE_S: t.Final = 300.0

Json = dict[str, t.Any]


class MlflowServer:
    """`options` are those of the registry. `secured`: TLS, and users: `admin` may do everything, others what they are
    given."""

    def __init__(self, folder: pathlib.Path, secured: bool = False) -> None:
        self.folder = folder
        self.secured = secured
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text(f"{PASSWORD}\n")
        if secured:
            pki.authority(folder, "ca", "authority of the tests")
            pki.issue(folder, "server", "mlflow", addresses=[LOOPBACK])
            self._write_users()

    @property
    def options(self) -> Json:
        if not self.secured:
            return {"url": f"http://{LOOPBACK}:{self.port}"}
        files = {"password_file": str(self.folder / "password"), "ca_cert": str(self.folder / "ca.crt")}
        return {"url": f"https://{LOOPBACK}:{self.port}", "username": ADMIN, **files}

    def start(self) -> None:
        command = registry_server.command(self.folder, LOOPBACK, self.port)
        if self.secured:
            files = f"--ssl-certfile {self.folder}/server.crt --ssl-keyfile {self.folder}/server.key"
            command += ["--app-name", "basic-auth", "--uvicorn-opts", files]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self.folder,
                # Its workers are processes of their own, which outlive it.
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"mlflow does not answer: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """With everything that it has started."""
        if self._process is None:
            return
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._process = None

    # -- as somebody else would change it

    def ask(self, method: str, what: str, body: Json | None = None) -> tuple[int, Json]:
        """Status and answer."""
        tls = ssl.create_default_context(cafile=self.options["ca_cert"]) if self.secured else None
        connection = (
            http.client.HTTPSConnection(LOOPBACK, self.port, timeout=30, context=tls)
            if tls
            else http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        )
        headers = {"Content-Type": "application/json"}
        if self.secured:
            headers["Authorization"] = f"Basic {_basic(ADMIN, PASSWORD)}"
        with contextlib.closing(connection):
            connection.request(method, f"/api/2.0/mlflow/{what}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else {}

    def must(self, method: str, what: str, body: Json | None = None) -> Json:
        status, answer = self.ask(method, what, body)
        assert status == 200, (status, answer)
        return answer

    def make(self, model: str, *names: str) -> None:
        """A model with a version of each name."""
        self.must("POST", "registered-models/create", {"name": model})
        for name in names:
            tags = [{"key": "version", "value": name}] if name else []
            # A source on this machine is refused.
            self.must("POST", "model-versions/create", {"name": model, "source": "s3://models/one", "tags": tags})

    def point(self, model: str, alias: str, version: str) -> None:
        self.must("POST", "registered-models/alias", {"name": model, "alias": alias, "version": version})

    # -- what starting needs

    def _environment(self) -> dict[str, str]:
        own = registry_server.environment(os.environ.get("PATH", ""))
        if self.secured:
            own |= {
                "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "users.ini"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": "key-of-the-tests",
            }
        return {**{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}, **own}

    def _write_users(self) -> None:
        users = configparser.ConfigParser(interpolation=None)
        users["mlflow"] = {
            "default_permission": "READ",
            "database_uri": f"sqlite:///{self.folder}/users.db",
            "admin_username": ADMIN,
            "admin_password": PASSWORD,
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        }
        with (self.folder / "users.ini").open("w") as file:
            users.write(file)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "registered-models/search")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
