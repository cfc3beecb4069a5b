# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The board beside a whole release, as a CI job would run it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess

import yaml
from flow_runner import ROOT, Flow

REGIONS = ("us-east-1", "eu-west-1")


def test_a_healthy_release_line_by_line_and_in_its_log(flow: Flow) -> None:
    plugins = flow.home / "collections/ansible_collections/pincex/zero_downtime/plugins"
    (plugins / "callback").symlink_to(ROOT / "plugins/callback")
    (flow.home / "faults.json").write_text("{}")
    _keep_it_short(flow)
    done = subprocess.run(
        [
            str(ROOT / ".venv/bin/ansible-playbook"),
            "pincex.zero_downtime.deploy",
            "-i",
            str(flow.home / "inventory"),
            "-e",
            "release_version=v1",
        ],
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(flow.home / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "pincex.zero_downtime.release_board",
            "PINCEX_BOARD_LOG_DIR": str(flow.home / "logs"),
            "NO_COLOR": "1",
            "STAND_IN_HOME": str(flow.home),
        },
        cwd=flow.home,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert "release board is switched off" not in done.stderr

    [log] = (flow.home / "logs").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-deploy\.log", log.name)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    kept = log.read_text()
    for region in REGIONS:
        told = [line for line in done.stdout.splitlines() if line.startswith(f"[{region}] ")]
        steps = int(re.fullmatch(r"\[\S+\] starts, (\d+) steps", told[0])[1])
        for number, line in enumerate(told[1:-1], 1):
            assert re.fullmatch(rf"\[\S+\] {number}/{steps} .+: pass, \d+\.\d s", line), line
        assert len(told) == steps + 2
        assert told[-1] == f"[{region}] released"
        assert f"Z {region}: released\n" in kept
    assert "Z fleet: decision: keep\n" in kept
    assert "Z us-east-1: ok: gate | Gate of prepare reference-data: pass, all checks are good\n" in kept
    # The playbook has printed its closing table; the board does not print another.
    assert done.stdout.count("verdict  ") == 1
    assert kept.count("verdict  ") == 1
    assert kept.endswith("Z end: no failed host\n")


def _keep_it_short(flow: Flow) -> None:
    """Two waves of one service are enough."""
    regions = {"hosts": dict.fromkeys(REGIONS)}
    groups = {"regions": regions, "fleet": {"hosts": {"management": None}}}
    (flow.home / "inventory/hosts.json").write_text(json.dumps({"all": {"children": groups}}))
    catalogue = flow.home / "inventory/group_vars/all/services.yml"
    variables = yaml.safe_load(catalogue.read_text())
    variables["services"] = {"reference-data": variables["services"]["reference-data"]}
    catalogue.unlink()
    catalogue.write_text(yaml.safe_dump(variables))
