# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Redis servers on loopback, each in a folder of its own: alone, behind TLS, or of a cluster."""

from __future__ import annotations

import datetime
import ipaddress
import os
import pathlib
import re
import shutil
import time
import typing as t

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from powerdns_server import LOOPBACK, Server, free_ports

from lab import packages
from lab.errors import LabError
from lab.steps import Steps

USER: t.Final = "flags"
PASSWORD: t.Final = "password-of-the-tests"
_ADMIN: t.Final = "admin"
_PATIENCE_S: t.Final = 20.0
_DOCUMENTED: t.Final = pathlib.Path(__file__).parents[2] / "docs" / "flags.md"

Json = dict[str, t.Any]


def install() -> None:
    """The package, where this user may install it. Raises LabError with what to install."""
    if shutil.which("redis-server"):
        return
    if os.geteuid() != 0:
        raise LabError("no redis-server: install it, or run the tests once as root")
    packages.install(Steps(), packages.REDIS)


def documented_rights(cluster: bool = False) -> str:
    """What a user of a store needs and nothing else, as the documentation says."""
    found = re.search(r"That user\s+needs\s+`([^`]+)`, and\s+in a cluster `([^`]+)` as well", _DOCUMENTED.read_text())
    assert found is not None
    return f"{found[1]} {found[2]}" if cluster else found[1]


class RedisServer:
    """`options` are those of a store. With `rights` it takes the user `flags`, who has them, with `secured` TLS alone;
    with `cluster` it is the only node of one."""

    def __init__(
        self, folder: pathlib.Path, secured: bool = False, cluster: bool = False, rights: str | None = None
    ) -> None:
        install()
        self.folder = folder
        self.secured = secured
        self.cluster = cluster
        self.rights = rights
        self.port, bus_port = free_ports(2)
        self._server: Server | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"bind {LOOPBACK}", f"dir {folder}", "save ''", "appendonly no", "daemonize no"]
        if cluster:
            lines += ["cluster-enabled yes", f"cluster-port {bus_port}", f"cluster-announce-ip {LOOPBACK}"]
        if rights is not None:
            (folder / "password").write_text(f"{PASSWORD}\n")
            lines += ["user default off", f"user {USER} on >{PASSWORD} {rights}"]
            lines.append(f"user {_ADMIN} on >{PASSWORD} ~* &* +@all")
        if secured:
            _certificate(folder)
            lines += ["port 0", f"tls-port {self.port}", "tls-auth-clients no"]
            lines += [f"tls-cert-file {folder}/cert.pem", f"tls-key-file {folder}/key.pem"]
            lines += [f"tls-ca-cert-file {folder}/cert.pem"]
        else:
            lines.append(f"port {self.port}")
        (folder / "redis.conf").write_text("\n".join(lines) + "\n")

    @property
    def options(self) -> Json:
        scheme, mode = "rediss" if self.secured else "redis", "cluster" if self.cluster else "single"
        made = {"url": f"{scheme}://{LOOPBACK}:{self.port}", "mode": mode}
        if self.rights is not None:
            made |= {"username": USER, "password_file": str(self.folder / "password")}
        return {**made, "ca_cert": str(self.folder / "cert.pem")} if self.secured else made

    def client(self) -> redis.Redis:
        """As somebody else would reach it, who may do everything."""
        made: Json = {"username": _ADMIN, "password": PASSWORD} if self.rights is not None else {}
        if self.secured:
            made |= {"ssl": True, "ssl_ca_certs": str(self.folder / "cert.pem")}
        return redis.Redis(LOOPBACK, self.port, **made)

    def start(self) -> None:
        self._server = Server(["redis-server", str(self.folder / "redis.conf")], self.folder / "log")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self.client().ping()
                if self.cluster:
                    # One node that has everything.
                    self.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                    self._await_cluster(deadline)
                return
            except redis.ConnectionError:
                if self._server.dead is not None or time.monotonic() > deadline:
                    raise AssertionError(f"redis-server does not answer: {self._server.dead}") from None
                time.sleep(0.02)

    def _await_cluster(self, deadline: float) -> None:
        while b"cluster_state:ok" not in t.cast("bytes", self.client().execute_command("CLUSTER", "INFO")):
            if time.monotonic() > deadline:
                raise AssertionError("the cluster does not come up")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


class Sentinel:
    """Watches one server as `flags-master`. `options` are those of a store."""

    def __init__(self, folder: pathlib.Path, master: RedisServer) -> None:
        self.port = free_ports(1)[0]
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._master = master
        self._server: Server | None = None
        lines = [f"bind {LOOPBACK}", f"port {self.port}", f"dir {folder}"]
        lines.append(f"sentinel monitor flags-master {LOOPBACK} {master.port} 1")
        if master.rights is not None:
            lines += [f"sentinel auth-user flags-master {_ADMIN}", f"sentinel auth-pass flags-master {PASSWORD}"]
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    @property
    def options(self) -> Json:
        url = f"redis://{LOOPBACK}:{self.port}"
        return {**self._master.options, "url": url, "mode": "sentinel", "service": "flags-master"}

    def start(self) -> None:
        command = ["redis-server", str(self._folder / "sentinel.conf"), "--sentinel"]
        self._server = Server(command, self._folder / "log")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                redis.Redis(LOOPBACK, self.port).ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise AssertionError(f"the sentinel does not answer: {self._server.dead}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


def _certificate(folder: pathlib.Path) -> None:
    """One that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
