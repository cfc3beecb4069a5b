# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`deploy --check --diff` with the real modules: the fields that would change are shown, and nothing is written."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
import yaml
from fakes import FakeKube
from flow_runner import ROOT
from kube_over_http import served

REGION = "us-east-1"
SERVICES = {"core-api": {"image": "registry.example/exchange", "strategy": "blue_green", "hostnames": ["core.example"]}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "exchange"}}


class Environment:
    """One region and the fleet's cluster in memory, and an inventory that names them."""

    def __init__(self, home: pathlib.Path, urls: t.Mapping[str, str]) -> None:
        self.home = home
        names = list(urls)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": urls[name]}} for name in names],
            "users": [{"name": "releaser", "user": {"token": "none"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "releaser"}} for name in names],
        }
        (home / "kubeconfig").write_text(yaml.safe_dump(config))
        settings = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "cluster_kubeconfig": str(home / "kubeconfig"),
            "cluster_context": "{{ inventory_hostname }}",
            "cluster_namespace": "exchange",
            "gateway_url": "http://gateway",
            "prometheus_url": "http://prometheus",
            "release_waves": ["100%"],
            "services": SERVICES,
            "gate_profiles": {"default": {}},
        }
        groups = {"regions": {"hosts": {REGION: None}}, "fleet": {"hosts": {"management": None}}}
        inventory = {"all": {"children": groups, "vars": settings}}
        (home / "inventory.json").write_text(json.dumps(inventory))

    def check(self, version: str, *more: str) -> str:
        """The output of `deploy --check`."""
        done = subprocess.run(
            [
                *(str(ROOT / ".venv/bin/ansible-playbook"), "pincex.zero_downtime.deploy"),
                *("-i", str(self.home / "inventory.json"), "-e", f"release_version={version}", "--check", *more),
            ],
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv/collections"),
                "ANSIBLE_NOCOLOR": "1",
                # As the shipped ansible.cfg has it.
                "ANSIBLE_DISPLAY_OK_HOSTS": "0",
                "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
                "no_proxy": "*",
            },
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def region() -> FakeKube:
    kube = FakeKube()
    kube.put(NAMESPACE)
    return kube


@pytest.fixture
def environment(tmp_path: pathlib.Path, region: FakeKube) -> t.Iterator[Environment]:
    with contextlib.ExitStack() as stack:
        servers = {REGION: region, "management": FakeKube()}
        yield Environment(tmp_path, {name: stack.enter_context(served(kube)) for name, kube in servers.items()})


def test_a_check_shows_each_field_that_would_change_and_writes_nothing(
    environment: Environment, region: FakeKube
) -> None:
    first = environment.check("v1", "--diff")
    assert "registry.example/exchange:v1" in first
    tried = [request for request in region.requests if request.query.get("dryRun") and request.method == "PATCH"]
    assert region.writes() == []
    # What was only tried is there now, as an earlier release would have left it.
    for request in tried:
        query = {key: value for key, value in request.query.items() if key != "dryRun"}
        region.request(dataclasses.replace(request, query=query), 1.0)
    stands = len(region.writes())
    assert stands > 0

    shown = environment.check("v2", "--diff")
    assert len(region.writes()) == stands
    changed = [line[0] + line[1:].strip().rstrip(",") for line in shown.splitlines() if re.match(r"[-+] ", line)]
    assert [line for line in changed if "manifest-digest" not in line] == [
        '-"app.kubernetes.io/version": "v1"',
        '+"app.kubernetes.io/version": "v2"',
        # How many pods it gets is a field of its own, which a release sets and a check does not.
        '+"replicas": 2',
        '-"app.kubernetes.io/version": "v1"',
        '+"app.kubernetes.io/version": "v2"',
        '-"value": "v1"',
        '+"value": "v2"',
        '-"image": "registry.example/exchange:v1"',
        '+"image": "registry.example/exchange:v2"',
    ]
    assert len(changed) - 2 == 9, "the digest of one manifest changes as well"
    # Without --diff nobody is shown manifests.
    assert "registry.example/exchange:v2" not in environment.check("v2")
