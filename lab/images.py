# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the exchange: v1 to v6 from one base, written as OCI blobs and pushed without any image builder.

Every version is the same two layers: Debian's Python with the packages (built once, kept in the user's cache) and the
source of lab/exchange. With FIX there is a third one between them, QuickFIX: it takes minutes to compile on a cold
machine, and nobody else needs it. The versions differ in the image's configuration alone, so a node that has one has
them all.
`v7` is never pushed: it is the tag that does not exist.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import pathlib
import py_compile
import shutil
import sys
import tarfile
import tempfile
import typing as t

from lab import quickfix_build
from lab.binaries import cache_home
from lab.errors import LabError
from lab.model import Lab
from lab.registry import Registry
from lab.shell import run

SOURCE = pathlib.Path(__file__).parent / "exchange"
REPOSITORY = "pincex/exchange"
VERSIONS = ("v1", "v2", "v3", "v4", "v5", "v6")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
# Not compressed: the registry is on this machine, and the nodes would only have to uncompress it, each on its own.
LAYER = "application/vnd.oci.image.layer.v1.tar"

#: Python and what it links to, and one static program for `sh` and `sleep`. A whole Debian would be five times as much.
DEBIAN_PACKAGES = (
    "busybox-static",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
)
#: Folders of those packages that no service of the exchange opens.
UNUSED = (
    "usr/lib/python3.11/curses",
    "usr/lib/python3.11/dbm",
    "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/sqlite3",
    "usr/lib/python3.11/turtledemo",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/share",
    "var",
)
#: Debian 12 has merged /usr, but its packages still ship files in /bin and /lib: the links have to be there first.
MERGED = ("bin", "lib", "lib64", "sbin")
#: Changes the key of the cached base when what _build_base() does changes.
RECIPE = 1

USER = 65532
IMAGE_PYTHON = (3, 11)
_PACKAGES = "usr/local/lib/python3.11/dist-packages"


@dataclasses.dataclass(frozen=True)
class Blob:
    """Bytes of a known digest: in memory, or in a file."""

    digest: str
    size: int
    content: bytes | pathlib.Path

    def descriptor(self, media_type: str) -> dict[str, t.Any]:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


def blob(content: bytes) -> Blob:
    return Blob("sha256:" + hashlib.sha256(content).hexdigest(), len(content), content)


def base_key(requirements: bytes) -> str:
    """Key of everything that decides what the base layer is."""
    digest = hashlib.sha256(json.dumps([RECIPE, DEBIAN_PACKAGES, UNUSED, USER]).encode())
    digest.update(requirements)
    return digest.hexdigest()[:20]


def image_config(version: str, layers: c.Sequence[Blob], module: str = "exchange") -> bytes:
    """The image's configuration: the only place where the versions differ. `module` is what a container runs."""
    return _canonical(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": f"{USER}:{USER}",
                "WorkingDir": "/app",
                "Entrypoint": ["python3", "-m", module],
                "ExposedPorts": {"8080/tcp": {}},
                "Env": [
                    "PATH=/usr/local/bin:/usr/bin:/bin",
                    "PYTHONPATH=/app",
                    "PYTHONUNBUFFERED=1",
                    "PYTHONDONTWRITEBYTECODE=1",
                    f"PINCEX_VERSION={version}",
                ],
                "Labels": {"org.opencontainers.image.version": version},
            },
            # The layers are not compressed, so a layer's digest is also that of its content.
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )


def manifest(config: Blob, layers: c.Sequence[Blob]) -> bytes:
    return _canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": [layer.descriptor(LAYER) for layer in layers],
        }
    )


def app_layer(packages: c.Mapping[str, c.Sequence[pathlib.Path]]) -> Blob:
    """Packages (`exchange`, or below another one `lab/exchange`) of these files as a layer; the same files give the
    same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        _add_folder(tar, "app")
        for package, files in packages.items():
            _add_folder(tar, f"app/{package}")
            for path in files:
                _add_file(tar, f"app/{package}/{path.name}", path.read_bytes())
            if sys.version_info[:2] == IMAGE_PYTHON:
                # Pods cannot write what Python compiles; without it, every start of a pod compiles everything again.
                _add_folder(tar, f"app/{package}/__pycache__")
                for path in files:
                    name = f"{path.stem}.cpython-311.pyc"
                    compiled = _compiled(path, f"/app/{package}/{path.name}")
                    _add_file(tar, f"app/{package}/__pycache__/{name}", compiled)
    return blob(out.getvalue())


def sources(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.py"))


def fix_layer(library: pathlib.Path) -> Blob:
    """QuickFIX out of the folder that quickfix_build.py has made."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("_quickfix.so", "LICENSE", "quickfix.py"):
            target = "quickfix-LICENSE" if name == "LICENSE" else name
            _add_file(tar, f"{_PACKAGES}/{target}", (library / name).read_bytes())
        if sys.version_info[:2] == IMAGE_PYTHON:
            # Two megabytes, which no start should have to compile.
            compiled = _compiled(library / "quickfix.py", f"/{_PACKAGES}/quickfix.py")
            _add_file(tar, f"{_PACKAGES}/__pycache__/quickfix.cpython-311.pyc", compiled)
    return blob(out.getvalue())


def build_and_push(lab: Lab, fix: bool = False) -> None:
    """Push v1 to v6, unless the registry has exactly these already. With `fix`, they can be the FIX gateway too."""
    layers = [base_layer(), app_layer({"exchange": sources(SOURCE)})]
    if fix:
        layers.insert(1, fix_layer(quickfix_build.library(IMAGE_PYTHON)))
    registry = Registry(lab.management.address)
    for version in VERSIONS:
        push(registry, REPOSITORY, version, image_config(version, layers), layers)


def push(registry: Registry, repository: str, version: str, configuration: bytes, layers: c.Sequence[Blob]) -> None:
    """One image, unless the registry has exactly this already."""
    config = blob(configuration)
    content = manifest(config, layers)
    if registry.digest(repository, version, MANIFEST) == blob(content).digest:
        return
    for part in (*layers, config):
        registry.push_blob(repository, part.digest, part.content)
    registry.push_manifest(repository, version, content, MANIFEST)


def base_layer() -> Blob:
    """Python and the packages of the exchange, from the cache or built now."""
    folder = cache_home() / "image"
    folder.mkdir(parents=True, exist_ok=True)
    key = base_key((SOURCE / "requirements.txt").read_bytes())
    layer, note = folder / f"base-{key}.tar", folder / f"base-{key}.json"
    # Two labs may come up at once: the second one waits and then finds what the first one built.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                _build_base(pathlib.Path(scratch), layer)
            with layer.open("rb") as file:
                digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
            # The note comes last and at once: who sees it has the whole layer.
            new = note.with_suffix(".new")
            new.write_text(json.dumps({"digest": digest, "size": layer.stat().st_size}))
            new.rename(note)
    known = json.loads(note.read_text())
    return Blob(known["digest"], known["size"], layer)


def _build_base(scratch: pathlib.Path, layer: pathlib.Path) -> None:
    root, debs = scratch / "root", scratch / "debs"
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    debs.mkdir()
    _download(debs)
    for deb in sorted(debs.glob("*.deb")):
        script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink'
        run(["sh", "-c", script, "unpack", deb, root])
    for name in UNUSED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    for name in ("sh", "sleep", "cat", "ls", "env", "ps", "wget"):
        (root / "usr/bin" / name).symlink_to("busybox")
    for name, mode in (("tmp", 0o1777), ("data", 0o777)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\npincex:x:{USER}:{USER}::/:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\npincex:x:{USER}:\n")
    packages = root / _PACKAGES
    _install_requirements(packages)
    # unchecked-hash: the layer's files have no times, by which Python would otherwise know a fresh .pyc.
    compile_all: list[str] = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    folders = ["/usr/lib/python3.11", f"/{_PACKAGES}"]
    run(["chroot", root, *compile_all, *folders], check=False, timeout_s=300)
    # The proof that nothing is missing that the services import.
    modules = "asyncio, ssl, json, fcntl, hashlib, http, zlib, uvloop, prometheus_client, websockets.asyncio.server"
    modules += ", openfeature.contrib.provider.flagd"
    run(["chroot", root, "python3", "-c", f"import {modules}"])
    new = layer.with_suffix(".new")
    _pack(root, new)
    new.rename(layer)


def _download(folder: pathlib.Path) -> None:
    """The newest .debs that the machine's apt knows; its lists are fetched when it has none."""
    script = 'cd "$1" && shift && apt-get download -q "$@"'
    # apt drops its rights to a user of its own, who cannot write in root's cache directory.
    options = ["-oAPT::Sandbox::User=root"]
    command: list[str | os.PathLike[str]] = ["sh", "-c", script, "download", folder, *options, *DEBIAN_PACKAGES]
    try:
        run(command, timeout_s=300)
    except LabError:
        run(["apt-get", "update", "-q"], timeout_s=300)
        run(command, timeout_s=300)


def _install_requirements(target: pathlib.Path) -> None:
    """Wheels for the image's Python, whatever Python runs the lab."""
    platform = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=none"]
    wheels = ["--platform=manylinux2014_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=manylinux_2_28_x86_64"]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    requirements = SOURCE / "requirements.txt"
    run([*pip, *platform, *wheels, f"--target={target}", "-r", requirements], timeout_s=300)


def _pack(root: pathlib.Path, out: pathlib.Path) -> None:
    """A tar without times and owners: the same tree gives the same bytes."""
    same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    run(["tar", "-C", root, "-cf", out, *same, "."], timeout_s=120)


def _compiled(path: pathlib.Path, name: str) -> bytes:
    """`name` is what tracebacks say."""
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "out.pyc"
        py_compile.compile(
            str(path),
            cfile=str(target),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return target.read_bytes()


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(info)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    tar.addfile(info, io.BytesIO(content))


def _canonical(value: t.Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
