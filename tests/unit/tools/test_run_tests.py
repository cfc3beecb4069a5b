# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test` tells the truth at its end: the counts of pytest, the stages that failed and those that never ran."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import types

import pytest


@pytest.fixture(scope="module")
def run_tests() -> types.ModuleType:
    path = pathlib.Path(__file__).parents[3] / "tools" / "run_tests.py"
    spec = importlib.util.spec_from_file_location("run_tests", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_tests"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "closing"),
    [
        ("12 passed in 3.45s\n", "12 passed in 3.45s"),
        ("===== 1 failed, 12 passed in 63.45s (0:01:03) =====\n", "1 failed, 12 passed in 63.45s (0:01:03)"),
        (
            "\x1b[32m\x1b[32m\x1b[1m7 passed\x1b[0m, \x1b[33m2 skipped\x1b[0m\x1b[32m in 0.12s\x1b[0m\x1b[0m",
            "7 passed, 2 skipped in 0.12s",
        ),
        ("2 errors in 0.40s", "2 errors in 0.40s"),
        ("the gate passed in 3.4s", None),
        ("12 passed the gate in 3.4s", None),
        ("", None),
    ],
)
def test_closing_line(run_tests: types.ModuleType, line: str, closing: str | None) -> None:
    assert run_tests.closing_line(line) == closing


def test_summary_of_a_good_run(run_tests: types.ModuleType) -> None:
    results = [run_tests.Result("lint", 0, 30.0, []), run_tests.Result("test-unit", 0, 30.0, ["12 passed in 3.45s"])]
    lines = run_tests.summary(results, ["lint", "test-unit"])
    assert lines[-1] == "tests ok (1.0 min)"
    assert any("test-unit" in line and "12 passed in 3.45s" in line for line in lines)


def test_summary_names_what_failed_and_what_never_ran(run_tests: types.ModuleType) -> None:
    lines = run_tests.summary([run_tests.Result("lint", 2, 30.0, [])], ["lint", "test-unit"])
    assert lines[-1] == "tests failed: lint, test-unit (0.5 min)"
    assert any("lint" in line and "FAILED (2)" in line for line in lines)
    assert any("test-unit" in line and "not run" in line for line in lines)


def test_only_what_the_stages_need_is_made_and_waited_for(
    run_tests: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = run_tests.Build("good", "good", "import time; time.sleep(0.2)", ("test-lab",))
    bad = run_tests.Build("bad", "bad", "raise SystemExit(3)", ("test-models",))
    monkeypatch.setattr(run_tests, "BUILDS", (good, bad))
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    children = run_tests.Children()
    assert run_tests.start_builds(children, ["lint"]) == {}
    builds = run_tests.start_builds(children, ["lint", "test-models", "test-lab"])
    run_tests.wait_for(builds, "lint")
    assert set(builds) == {good, bad}
    run_tests.wait_for(builds, "test-models")
    assert list(builds) == [good]
    assert "building bad failed, see .build/bad-build.log" in capsys.readouterr().out
    process = builds[good]
    run_tests.wait_for(builds, "test-lab")
    assert process.poll() == 0


def test_what_is_made_is_for_stages_that_there_are(run_tests: types.ModuleType) -> None:
    assert {stage for build in run_tests.BUILDS for stage in build.stages} <= set(run_tests.STAGES)
