# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QuickFIX, which PyPI has as source only: compiled once, and kept in the user's cache under a key made of its inputs.

Not by its own setup.py, which takes 55 files one after the other. One file is what SWIG has made (160,000 lines); all
the others are compiled as one, meanwhile, on the second core. The large one is not optimised: it only hands arguments
over, and with -O1 it alone would take longer than everything else together.
"""

from __future__ import annotations

import concurrent.futures
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import sys
import sysconfig
import tarfile
import tempfile
import typing as t

from lab import packages
from lab.binaries import cache_home
from lab.errors import LabError
from lab.shell import run
from lab.steps import Steps

VERSION: t.Final = "1.16.0"
SHA256: t.Final = "825aceb72cfd69c30fbbf5b380b66f464abe1fe3188374f13d8c9987dd8eb4e9"
#: pip asks every source for its metadata, for which this one needs setuptools.
_SETUPTOOLS: t.Final = "setuptools==80.9.0"
_FLAGS: t.Final = ("-std=c++17", "-w", "-fPIC", "-g0", "-D__cpp_noexcept_function_type")
_SWIG_FLAGS: t.Final = ("-O0",)
_OTHER_FLAGS: t.Final = ("-O1",)
#: The image of the exchange has no libstdc++.
_LINK: t.Final = ("-shared", "-s", "-static-libstdc++", "-static-libgcc", "-lpthread")
_SWIG: t.Final = "QuickfixPython.cpp"
#: Changes the key when what _build() does changes.
_RECIPE: t.Final = 1

Python = tuple[int, int]


def library(python: Python | None = None) -> pathlib.Path:
    """The folder with the module `quickfix` for that Python (default: this one), built when the cache has none.

    Raises LabError.
    """
    python = python or sys.version_info[:2]
    compiler = os.environ.get("CXX") or "g++"
    folder = cache_home() / "quickfix"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / key(python, _compiler_version(compiler))
    # Two labs may come up at once: the second one waits and then finds what the first one built.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                new = _build(pathlib.Path(scratch), compiler, _headers(pathlib.Path(scratch), python))
                new.rename(made)
    return made


def key(python: Python, compiler: str) -> str:
    """Key of everything that decides what the library is."""
    inputs = [_RECIPE, VERSION, SHA256, python, compiler, _FLAGS, _SWIG_FLAGS, _OTHER_FLAGS, _LINK]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]


def use() -> pathlib.Path:
    """Make `import quickfix` work in this process; returns the folder, for PYTHONPATH of others."""
    folder = library()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return folder


def _compiler_version(compiler: str) -> str:
    if shutil.which(compiler) is None and os.geteuid() == 0:
        packages.install(Steps(), packages.COMPILER)
    if shutil.which(compiler) is None:
        raise LabError(f"{compiler}: no C++ compiler, and QuickFIX has to be compiled; install g++")
    return run([compiler, "--version"]).splitlines()[0]


def _headers(scratch: pathlib.Path, python: Python) -> pathlib.Path:
    """Python.h and the others: of this Python, or out of Debian's package for that of the image."""
    own = pathlib.Path(sysconfig.get_paths()["include"])
    if python == sys.version_info[:2] and (own / "Python.h").exists():
        return own
    name = "python{}.{}".format(*python)
    debs = scratch / "debs"
    debs.mkdir()
    # apt drops its rights to a user of its own, who cannot write in root's cache directory.
    script = 'cd "$1" && apt-get download -q -oAPT::Sandbox::User=root "$2"'
    run(["sh", "-c", script, "download", debs, f"lib{name}-dev"], timeout_s=300)
    for deb in debs.glob("*.deb"):
        run(["dpkg-deb", "-x", deb, scratch / "dev"])
    return scratch / "dev/usr/include" / name


def _source(scratch: pathlib.Path) -> pathlib.Path:
    requirement, constraint = scratch / "requirement.txt", scratch / "constraint.txt"
    requirement.write_text(f"quickfix=={VERSION} --hash=sha256:{SHA256}\n")
    constraint.write_text(f"{_SETUPTOOLS}\n")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    only = ["--no-binary=:all:", f"--dest={scratch}", f"--requirement={requirement}"]
    # The one name is for pip up to 25.2, the other for the later ones.
    run(
        [*pip, *only], timeout_s=300, env={name: str(constraint) for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")}
    )
    with tarfile.open(scratch / f"quickfix-{VERSION}.tar.gz") as tar:
        tar.extractall(scratch, filter="data")
    return scratch / f"quickfix-{VERSION}"


def _build(scratch: pathlib.Path, compiler: str, headers: pathlib.Path) -> pathlib.Path:
    source = _source(scratch)
    folder = source / "C++"
    others = folder / "others.cc"
    others.write_text("".join(f'#include "{one.name}"\n' for one in sorted(folder.glob("*.cpp")) if one.name != _SWIG))
    include = [f"-I{folder}", f"-I{source / 'swig'}", f"-I{headers}"]

    def compile_one(path: pathlib.Path, flags: t.Sequence[str]) -> pathlib.Path:
        out = path.with_suffix(".o")
        run([compiler, *flags, *_FLAGS, *include, "-c", path, "-o", out], timeout_s=3600)
        return out

    with concurrent.futures.ThreadPoolExecutor() as pool:
        work = [(folder / _SWIG, _SWIG_FLAGS), (others, _OTHER_FLAGS)]
        objects = list(pool.map(lambda one: compile_one(*one), work))
    made = scratch / "made"
    made.mkdir()
    run([compiler, "-o", made / "_quickfix.so", *objects, *_LINK], timeout_s=300)
    shutil.copy(source / "quickfix.py", made)
    shutil.copy(source / "LICENSE", made)
    return made
