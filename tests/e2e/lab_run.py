# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as an operator types them, and what the API servers' audit logs say that they wrote."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

import yaml

from lab.kube import Kube

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
BIN = CHECKOUT / ".venv" / "bin"
_WRITES = ("create", "update", "patch", "delete", "deletecollection")
#: Reviews ask a question by POST and store nothing.
_QUESTIONS = ("selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews", "selfsubjectreviews")
_ANSIBLE = {
    "PINCEX_LAB": "test",
    "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".venv" / "collections"),
    "ANSIBLE_NOCOLOR": "1",
}
#: For releases without an order flow: pods that are ready are enough.
PROFILES = {
    "default": {
        "interval_s": 0.25,
        "deadline_s": 90,
        "blind_s": 8,
        "step_s": 1,
        "bake_s": 1,
        "judge_s": 1,
        "workload_grace": {"crash_restarts": 1},
        "on_thin_evidence": "pass_on_workloads",
    }
}


@dataclasses.dataclass(frozen=True)
class Ended:
    """A command that ended, with both of its outputs in the order in which they came."""

    code: int
    output: str

    @property
    def last_line(self) -> str:
        return self.output.rstrip().rpartition("\n")[2]


@dataclasses.dataclass(frozen=True)
class LabRun:
    ended: Ended
    reports: pathlib.Path

    @property
    def told(self) -> str:
        """The demo's last line, and below it what it said of refusals, failed orders and problems."""
        last = self.ended.last_line
        wanted = re.compile(r"(lab: |problem: |v\d+ was refused: | +(sent|failed by) )")
        return "\n".join([last, *(line for line in self.ended.output.splitlines() if wanted.match(line))])


def run(command: list[str], timeout_s: float = 600, **environment: str) -> Ended:
    """Run it, show its lines as they come and keep them."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        end = time.monotonic() + timeout_s
        for line in process.stdout:
            sys.stdout.write(line)
            lines.append(line)
            if time.monotonic() > end:
                process.terminate()
                raise AssertionError(f"{command[:4]} ran longer than {timeout_s} s")
    return Ended(process.returncode, "".join(lines))


def playbook(name: str, *more: str, reports: pathlib.Path, **variables: t.Any) -> Ended:
    extra = json.dumps({"release_reports": str(reports), **variables})
    command = [str(BIN / "ansible-playbook"), f"pincex.zero_downtime.{name}", "-i", "inventories/lab", "-e", extra]
    return run([*command, *more], **_ANSIBLE)


def task(module: str, host: str, **options: t.Any) -> Ended:
    """One task of a module of the collection, as `ansible HOST -m MODULE -a OPTIONS` does it."""
    command = [str(BIN / "ansible"), host, "-i", "inventories/lab", "-m", f"pincex.zero_downtime.{module}"]
    return run([*command, "-a", json.dumps(options)], **_ANSIBLE)


def lab_state() -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(pathlib.Path("/var/lib/pincex-lab/test/state.json").read_text()))


def lab_services() -> dict[str, t.Any]:
    """The lab's catalogue as it is written, for tests that ask for something else than it does."""
    text = (CHECKOUT / "inventories" / "lab" / "group_vars" / "all" / "services.yml").read_text(encoding="utf-8")
    return t.cast("dict[str, t.Any]", yaml.safe_load(text)["services"])


def by_hand(kube: Kube, path: str, spec: t.Mapping[str, t.Any]) -> None:
    """What `kubectl scale` and `kubectl patch` send about an object of the exchange, `GROUP/VERSION PLURAL/NAME`."""
    group, _blank, name = path.partition(" ")
    url = f"/apis/{group}/namespaces/exchange/{name}?fieldManager=kubectl"
    kube.request("PATCH", url, {"spec": spec}, "application/merge-patch+json")


class AuditLogs:
    """What the playbooks wrote since this object was made, in every region and in the management cluster.

    They come as the administrator of the kubeconfig; the lab's own machinery is left out of the audit log.
    """

    def __init__(self) -> None:
        state = lab_state()
        logs = {name: region["audit_log"] for name, region in state["regions"].items()}
        logs["management"] = state["management"]["audit_log"]
        self._logs = {name: pathlib.Path(path) for name, path in logs.items()}
        self._from = {name: path.stat().st_size for name, path in self._logs.items()}

    def events(self, account: str = "e2e-reader") -> list[dict[str, t.Any]]:
        """What the administrator and this service account asked and wrote."""
        time.sleep(1.0)  # the API server writes its log in batches
        found = []
        for name, path in self._logs.items():
            with path.open("rb") as log:
                log.seek(self._from[name])
                found += [{"site": name, **json.loads(line)} for line in log if line.endswith(b"\n")]
        return [event for event in found if _is_ours(event, account)]

    def writes(self, account: str = "e2e-reader") -> list[str]:
        """`region verb path` of every write that was not a dry run."""
        return [
            f"{event['site']} {event['verb']} {event['requestURI']}"
            for event in self.events(account)
            if event["verb"] in _WRITES
            and (event.get("objectRef") or {}).get("resource") not in _QUESTIONS
            and not _is_dry_run(event)
        ]


def _is_ours(event: dict[str, t.Any], account: str) -> bool:
    user = event["user"]["username"]
    ours = user == "admin" or (user.startswith("system:serviceaccount:") and user.endswith(f":{account}"))
    return ours and not event.get("userAgent", "").startswith("kube-")


def _is_dry_run(event: dict[str, t.Any]) -> bool:
    # A delete carries its dry run in the body, which the log does not show; no module deletes in check mode.
    return "dryRun=All" in event["requestURI"]


def reader_kubeconfig(region: str, folder: pathlib.Path) -> pathlib.Path:
    """A kubeconfig whose user may read the exchange's namespace and write nothing."""
    from kubernetes import client, config  # noqa: PLC0415 - only here

    api = config.new_client_from_config(lab_state()["kubeconfig"], context=region)
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    role = {"metadata": {"name": "e2e-reader", "namespace": "exchange"}, "rules": rules}
    client.RbacAuthorizationV1Api(api).create_namespaced_role("exchange", role)
    return token_kubeconfig(region, "exchange", "e2e-reader", folder)


def token_kubeconfig(region: str, namespace: str, name: str, folder: pathlib.Path) -> pathlib.Path:
    """A kubeconfig of a new service account that is bound to the role of the same name."""
    from kubernetes import client, config  # noqa: PLC0415 - only here

    api = config.new_client_from_config(lab_state()["kubeconfig"], context=region)
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    meta = {"name": name, "namespace": namespace}
    core.create_namespaced_service_account(namespace, {"metadata": meta})
    subject = {"kind": "ServiceAccount", **meta}
    role = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    rbac.create_namespaced_role_binding(namespace, {"metadata": meta, "roleRef": role, "subjects": [subject]})
    token = core.create_namespaced_service_account_token(name, namespace, {"spec": {}}).status.token
    whole = yaml.safe_load(pathlib.Path(lab_state()["kubeconfig"]).read_text())
    for context in whole["contexts"]:
        context["context"]["user"] = name
    path = folder / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump({**whole, "users": [{"name": name, "user": {"token": token}}]}))
    return path
