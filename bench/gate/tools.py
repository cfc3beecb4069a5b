# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate is measured beside: kubectl, Helm, kwok and kubernetes.core, of pinned versions, in the user's cache.

The programs are a Go module of their own (bench/go): in the lab's, they would make every cold test slower.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile

from bench.results import ROOT
from lab import binaries, toolchain
from lab.errors import LabError
from lab.steps import Steps

MODULE: t.Final = ROOT / "bench" / "go"
PACKAGES: t.Final = {
    "kubectl": "./kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
FLAGS: t.Final = (
    "-trimpath",
    "-buildvcs=false",
    f"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={binaries.KUBERNETES_VERSION}"
    " -X k8s.io/component-base/version.gitMajor=1"
    " -X k8s.io/component-base/version.gitMinor=36",
)
#: What makes kwok's nodes and pods ready, in its own module. A node's lease is renewed by kwok itself.
_KWOK_STAGES: t.Final = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)

#: The package from PyPI that carries KUBERNETES_CORE. Its own ansible-core is not installed: ours runs the modules.
ANSIBLE_PACKAGE: t.Final = "ansible==14.3.0"
KUBERNETES_CORE: t.Final = "6.5.0"
_BUILD_S: t.Final = 3600


def versions() -> dict[str, str]:
    """Of the programs, from go.mod, and of the collection."""
    text = (MODULE / "go.mod").read_text(encoding="utf-8")
    found = {
        "kubectl": r"k8s\.io/kubectl (v\S+)",
        "helm": r"helm\.sh/helm/v4 (v\S+)",
        "kwok": r"sigs\.k8s\.io/kwok (v\S+)",
    }
    known = {name: re.search(pattern, text) for name, pattern in found.items()}
    return {
        **{name: match[1] for name, match in known.items() if match},
        "kubernetes.core": KUBERNETES_CORE,
        "Kubernetes": binaries.KUBERNETES_VERSION,
    }


def programs(names: c.Collection[str], steps: Steps) -> dict[str, pathlib.Path]:
    """The programs, built when the cache does not have them. Raises LabError with the compiler's words."""
    go = toolchain.find_go(binaries.cache_home(), steps)
    folder = binaries.cache_home() / "bench" / binaries.cache_key(MODULE, FLAGS, toolchain.version(go))
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        absent = [name for name in names if not (folder / name).exists()]
        if absent:
            with steps.step("tools", f"built {', '.join(absent)}"):
                _build(go, folder, absent)
    return {name: folder / name for name in names}


def _build(go: pathlib.Path, folder: pathlib.Path, names: c.Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [str(go), "build", *FLAGS, "-o", f"{scratch}/", *(PACKAGES[name] for name in names)]
        _go(command)
        for name in names:
            (pathlib.Path(scratch) / name).rename(folder / name)


def _go(command: c.Sequence[str]) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False, timeout=_BUILD_S
    )
    if done.returncode != 0:
        raise LabError(f"`{' '.join(command[:2])}` failed: {done.stderr.strip()[-600:]}")
    return done.stdout


def kwok_stages(steps: Steps) -> str:
    """kwok's configuration: its own fast stages, and nothing of a node that fails."""
    go = toolchain.find_go(binaries.cache_home(), steps)
    module = pathlib.Path(_go([str(go), "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]).strip())
    return "\n---\n".join((module / "kustomize" / "stage" / name).read_text(encoding="utf-8") for name in _KWOK_STAGES)


def collections(steps: Steps) -> pathlib.Path:
    """A collections folder with kubernetes.core and nothing else. Raises LabError when pip cannot bring it.

    By pip and not by ansible-galaxy: a machine that made its environment can reach pip's index.
    """
    folder = binaries.cache_home() / "bench" / f"kubernetes.core-{KUBERNETES_CORE}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent):
        if not folder.exists():
            with steps.step("tools", f"kubernetes.core {KUBERNETES_CORE}"):
                _unpack(folder)
    return folder


def _unpack(folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        # The package wants a newer Python than the bench; only files are taken out of it.
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version=3.13", "--dest", scratch, ANSIBLE_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_S)
        wheels = list(pathlib.Path(scratch).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise LabError(f"pip could not download {ANSIBLE_PACKAGE}: {done.stderr.strip()[-300:]}")
        inside = "ansible_collections/kubernetes/core/"
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith(inside)])
        manifest = (pathlib.Path(scratch) / inside / "MANIFEST.json").read_text(encoding="utf-8")
        if f'"version": "{KUBERNETES_CORE}"' not in manifest:
            raise LabError(f"{ANSIBLE_PACKAGE} carries another kubernetes.core than {KUBERNETES_CORE}")
        new = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        (new / "ansible_collections").mkdir(parents=True)
        (pathlib.Path(scratch) / "ansible_collections" / "kubernetes").rename(
            new / "ansible_collections" / "kubernetes"
        )
        new.rename(folder)


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> c.Iterator[None]:
    """Two benches at once: the second one waits and then finds what the first one made."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
