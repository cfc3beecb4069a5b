# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the binaries' cache key is made of, and whose programs win."""

from __future__ import annotations

import pathlib

import pytest

from lab import binaries, packages, pause, toolchain
from lab.errors import LabError


def _module(folder: pathlib.Path) -> pathlib.Path:
    (folder / "pause").mkdir(parents=True)
    for name in ("go.mod", "go.sum", "main.go", "pause/main.go"):
        (folder / name).write_text(name)
    return folder


def test_the_key_is_the_same_in_every_clone(tmp_path: pathlib.Path) -> None:
    keys = {binaries.cache_key(_module(tmp_path / clone), ("-trimpath",), "go1") for clone in ("a", "b")}
    assert len(keys) == 1


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "main.go", "pause/main.go", "flags", "version"])
def test_every_input_changes_the_key(tmp_path: pathlib.Path, changed: str) -> None:
    before = binaries.cache_key(_module(tmp_path / "a"), ("-trimpath",), "go1")
    if (tmp_path / "a" / changed).exists():
        (tmp_path / "a" / changed).write_text("other")
    flags = ("-race",) if changed == "flags" else ("-trimpath",)
    version = "go2" if changed == "version" else "go1"
    assert binaries.cache_key(tmp_path / "a", flags, version) != before


def test_own_programs_win(tmp_path: pathlib.Path) -> None:
    for folder, names in (("kubebuilder", ("etcd", "kube-apiserver", "kubectl")), ("mine", ("etcd",))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch(mode=0o755)
    found = binaries.overridden(
        {"KUBEBUILDER_ASSETS": str(tmp_path / "kubebuilder"), "LAB_BIN_DIR": str(tmp_path / "mine")}
    )
    assert found == {
        "etcd": tmp_path / "mine" / "etcd",
        "kube-apiserver": tmp_path / "kubebuilder" / "kube-apiserver",
    }


def test_an_override_that_is_no_folder_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LabError, match=r"LAB_BIN_DIR=.*no such folder"):
        binaries.overridden({"LAB_BIN_DIR": str(tmp_path / "absent")})


def test_an_unknown_program_is_named() -> None:
    with pytest.raises(LabError, match="kubectl: not a program of the lab"):
        binaries.Binaries({}).path("kubectl")


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("go version go1.27 linux/amd64", (1, 27)), ("?", ())],
)
def test_go_versions(text: str, version: tuple[int, ...]) -> None:
    assert toolchain.parse_version(text) == version


def test_packages_are_read_from_dpkg() -> None:
    status = (
        "Package: runc\nStatus: install ok installed\nVersion: 1\n\n"
        "Package: kmod\nStatus: deinstall ok config-files\n\nPackage: procps\nStatus: install ok installed\n"
    )
    assert packages.installed(status) == {"runc", "procps"}


def test_the_pause_image_is_the_same_for_the_same_program(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pause").write_bytes(b"\x7fELF")
    archives = [pause.write_archive(tmp_path / "pause", tmp_path / name).read_bytes() for name in ("a", "b")]
    assert archives[0] == archives[1]
