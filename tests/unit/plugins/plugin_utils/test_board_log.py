# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log file of a run: its name, who may read it, and what is never in it."""

from __future__ import annotations

import datetime
import os
import pathlib
import stat

import pytest
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board_log import RunLog

AT = datetime.datetime(2026, 11, 21, 9, 20, 0, 7000, tzinfo=datetime.UTC)


def test_lines_with_their_time_for_the_owner_only(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        log = RunLog(tmp_path / "new" / "logs", "deploy", AT)
    finally:
        os.umask(before)
    log.write(AT, "us-east-1", "released")
    log.write_table(["a  b", "1  2"])
    # Nothing waits in a buffer for a run that may be killed.
    text = log.path.read_text()
    log.close()
    assert text == "2026-11-21T09:20:00.007Z us-east-1: released\n\na  b\n1  2\n"
    assert log.path == tmp_path / "new/logs/20261121T092000Z-deploy.log"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def test_secrets_and_line_ends_stay_outside(tmp_path: pathlib.Path) -> None:
    log = RunLog(tmp_path, "deploy", AT)
    log.write(AT, "us\x1b[2J", "failed:\npassword=hunter2")
    log.write_table(["token: hunter2"])
    log.close()
    text = log.path.read_text()
    assert "hunter2" not in text
    assert text.splitlines()[0].endswith("us [2J: failed: password=***")


def test_two_runs_of_one_second_and_a_name_from_elsewhere(tmp_path: pathlib.Path) -> None:
    logs = [RunLog(tmp_path, "../my play", AT) for _ in range(2)]
    assert [log.path.name for log in logs] == [
        "20261121T092000Z-..-my-play.log",
        f"20261121T092000Z-..-my-play-{os.getpid()}.log",
    ]
    for log in logs:
        log.close()


def test_a_file_that_lies_there_is_never_written_to(tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for suffix in ("", f"-{os.getpid()}"):
        (tmp_path / f"20261121T092000Z-deploy{suffix}.log").symlink_to(elsewhere)
    with pytest.raises(OSError, match="exists"):
        RunLog(tmp_path, "deploy", AT)
    assert not elsewhere.exists()
