# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import sys

import pytest

from lab import images, quickfix_build
from lab.errors import LabError


def test_another_python_or_compiler_is_another_library() -> None:
    keys = {quickfix_build.key(python, compiler) for python in ((3, 11), (3, 12)) for compiler in ("g++ 12", "g++ 13")}
    assert len(keys) == 4
    assert quickfix_build.key((3, 11), "g++ 12") in keys


def test_without_a_compiler_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(LabError, match="install g\\+\\+"):
        quickfix_build.library()


def test_what_the_cache_has_is_not_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(quickfix_build, "_compiler_version", lambda compiler: "g++ 12")
    built = []

    def build(scratch: pathlib.Path, compiler: str, headers: pathlib.Path) -> pathlib.Path:
        built.append(headers)
        (scratch / "made").mkdir()
        return scratch / "made"

    monkeypatch.setattr(quickfix_build, "_build", build)
    monkeypatch.setattr(quickfix_build, "_headers", lambda scratch, python: scratch)
    assert quickfix_build.library() == quickfix_build.library() != quickfix_build.library((3, 99))
    assert len(built) == 2
    assert sorted(path.name for path in (tmp_path / "pincex-zero-downtime/quickfix").glob("new-*")) == []


def test_the_layer_is_the_same_for_the_same_library(tmp_path: pathlib.Path) -> None:
    for name in ("_quickfix.so", "LICENSE", "quickfix.py"):
        (tmp_path / name).write_text("# nothing\n")
    layer = images.fix_layer(tmp_path)
    assert layer.digest == images.fix_layer(tmp_path).digest
    assert isinstance(layer.content, bytes)
    assert b"quickfix.cpython-311.pyc" in layer.content or sys.version_info[:2] != (3, 11)
