# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process around a service: how it starts and how it ends."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[4]


def start(service: str, version: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exchange"],
        env={
            "PYTHONPATH": str(ROOT / "lab"),
            "PINCEX_SERVICE": service,
            "PINCEX_VERSION": version,
            "PORT": "0",
            "LINGER_S": "0",
            "ENGINE_URL": "http://127.0.0.1:1",
            "REFERENCE_DATA_URL": "http://127.0.0.1:1",
            **env,
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def test_v5_dies_with_a_traceback() -> None:
    process = start("core-api", "v5")
    _, text = process.communicate(timeout=20)
    assert process.returncode == 1
    assert text.startswith("Traceback")
    assert "RuntimeError" in text.splitlines()[-1]


def test_sigterm_ends_with_0_and_the_engine_keeps_its_state(tmp_path: pathlib.Path) -> None:
    engine = start("matching-engine", "v1", DATA_DIR=str(tmp_path))
    assert engine.stderr is not None
    for line in engine.stderr:
        if "listens on" in line:
            break
    engine.send_signal(signal.SIGTERM)
    engine.communicate(timeout=20)
    assert engine.returncode == 0
    assert (tmp_path / "snapshot.jsonl").exists()


def test_a_broken_journal_is_one_sentence(tmp_path: pathlib.Path) -> None:
    (tmp_path / "journal.jsonl").write_text("{}\n{}\n")
    engine = start("matching-engine", "v1", DATA_DIR=str(tmp_path))
    _, text = engine.communicate(timeout=20)
    assert engine.returncode == 1
    assert text.count("\n") == 1
    assert "line at byte 0 is broken" in text
