# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the lab: built from pinned Go modules, kept in the user's cache under a key made of their inputs.

All of them are one Go module (lab/go): Kubernetes, Envoy Gateway, Prometheus and metrics-server share hundreds of
packages, and a cold machine compiles each of them once. A clean clone on the same machine finds the same key and
builds nothing. `LAB_BIN_DIR` or `KUBEBUILDER_ASSETS` name folders whose programs are taken instead.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import subprocess
import threading
import time

from lab import toolchain
from lab.errors import LabError
from lab.steps import Steps

MODULE = pathlib.Path(__file__).parent / "go"
KUBERNETES_VERSION = "v1.36.3"

#: Programs that are one file: it looks at the name it was called by.
KUBE_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "etcd")

#: What `go build` writes, and from which package.
PACKAGES = {
    "lab": ".",
    "pause": "./pause",
    "envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway",
    "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server",
}

PROGRAMS = (*KUBE_PROGRAMS, "pause", "envoy-gateway", "prometheus", "metrics-server")

FLAGS = (
    "-trimpath",
    "-buildvcs=false",
    # Prometheus with the one service discovery that the lab uses; the others bring every cloud's SDK.
    "-tags=remove_all_sd,enable_kubernetes_sd",
    "-ldflags=-s -w"
    f" -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
    " -X k8s.io/component-base/version.gitMajor=1"
    " -X k8s.io/component-base/version.gitMinor=36"
    f" -X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES_VERSION}",
)


@dataclasses.dataclass(frozen=True)
class Binaries:
    """Where each program lies."""

    paths: c.Mapping[str, pathlib.Path]

    def path(self, name: str) -> pathlib.Path:
        try:
            return self.paths[name]
        except KeyError:
            raise LabError(f"{name}: not a program of the lab; it has {', '.join(sorted(self.paths))}") from None


def cache_home() -> pathlib.Path:
    """The lab's folder in the user's cache directory."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pincex-zero-downtime"


def cache_key(module: pathlib.Path, flags: c.Sequence[str], go_version: str) -> str:
    """Key of everything that decides what the programs are."""
    digest = hashlib.sha256()
    for path in sorted(p for p in module.rglob("*") if p.name in ("go.mod", "go.sum") or p.suffix == ".go"):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(module)} {len(content)}\n".encode())
        digest.update(content)
    digest.update("\0".join((*flags, go_version)).encode())
    return digest.hexdigest()[:20]


def overridden(environ: c.Mapping[str, str]) -> dict[str, pathlib.Path]:
    """Programs that the user's own folders hold. LAB_BIN_DIR wins over KUBEBUILDER_ASSETS."""
    found: dict[str, pathlib.Path] = {}
    for variable in ("KUBEBUILDER_ASSETS", "LAB_BIN_DIR"):
        folder = environ.get(variable)
        if not folder:
            continue
        if not pathlib.Path(folder).is_dir():
            raise LabError(f"{variable}={folder}: no such folder; unset it, or name one that holds the programs")
        for name in PROGRAMS:
            path = pathlib.Path(folder).resolve() / name
            if os.access(path, os.X_OK):
                found[name] = path
    return found


def prepare(steps: Steps) -> Binaries:
    """All programs of the lab, built when the cache does not have them."""
    own = overridden(os.environ)
    missing = [name for name in PROGRAMS if name not in own]
    if not missing:
        return Binaries(own)
    go = toolchain.find_go(cache_home(), steps)
    folder = cache_home() / "bin" / cache_key(MODULE, FLAGS, toolchain.version(go))
    wanted = sorted({"lab" if name in KUBE_PROGRAMS else name for name in missing})
    folder.mkdir(parents=True, exist_ok=True)
    # Two labs may come up at once: the second one waits and then finds what the first one built.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        absent = [name for name in wanted if not (folder / name).exists()]
        if absent:
            with steps.step("binaries", f"built {', '.join(absent)}"):
                _build(go, folder, absent, steps)
        for name in KUBE_PROGRAMS:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to("lab")
    return Binaries({**{name: folder / name for name in missing}, **own})


def _build(go: pathlib.Path, folder: pathlib.Path, names: c.Sequence[str], steps: Steps) -> None:
    """One `go build` for all of them: it downloads and compiles side by side, and links on every core."""
    scratch = folder / "new"
    scratch.mkdir(exist_ok=True)
    command = [str(go), "build", "-v", *FLAGS, "-o", f"{scratch}/", *(PACKAGES[name] for name in names)]
    steps.say("binaries", f"building {', '.join(names)} with {toolchain.version(go)}; a cold machine needs minutes")
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        stopped = threading.Event()

        def report() -> None:
            while not stopped.wait(15):
                compiled = sum(1 for line in lines if "/" in line and " " not in line)
                last = lines[-1][:70] if lines else "-"
                steps.say("binaries", f"{compiled} packages after {time.monotonic() - began:.0f} s, last: {last}")

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        for line in child.stderr:
            lines.append(line.rstrip())  # noqa: PERF401 - the reporter reads along
        code = child.wait()
        stopped.set()
    if code != 0:
        errors = [line for line in lines if " " in line][-8:]
        raise LabError("go build failed; without network, or with too little disk?\n  " + "\n  ".join(errors))
    for name in names:
        (scratch / name).rename(folder / name)
