# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on a real API server with the shipped roles and nothing else, and every rule of them used.

Four releases go over both regions: a bad one that is taken back, one that is killed and recovered, a good one, and a
rollback. Before the last one the playbooks that only read have a look. Then the lab is as it was before: the same
version, the same history.

Two more have the engine in the catalogue and its role beside the others. Both are taken back, so the book stays with
the engine that the lab has installed, in its format.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
import yaml
from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import NotFoundError
from lab_run import BIN, CHECKOUT, PROFILES, AuditLogs, Ended, LabRun, lab_services, lab_state, playbook

Json = dict[str, t.Any]
#: Site, API group, resource, verb.
Right = tuple[str, str, str, str]

EXAMPLES = CHECKOUT / "docs" / "examples"
USER = "pincex-releaser"
NAMESPACE = "exchange"
FLEET = "pincex-fleet"
MANAGEMENT = "management"
REGIONS = ("us-east-1", "eu-west-1")
#: Released for the first time here, so that everything a service consists of is made and removed.
NEW = "rbac-probe"
CONFIG = {"RBAC_PROBE": "1"}
KINDS = {
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "ConfigMap": "v1",
}
#: So many revisions the fleet's history keeps.
KEPT = 50


def catalogue() -> Json:
    """The lab's services without the canary's patience, and a new one."""
    services = lab_services()
    services["core-api"] = {**services["core-api"], "strategy": "blue_green", "depends_on": ["reference-data", NEW]}
    services[NEW] = {
        **services["reference-data"],
        "env": {"PINCEX_SERVICE": "reference-data"},
        "config": CONFIG,
        "replicas": 1,
        "hpa": {"min": 1, "max": 2, "cpu": 70, "memory": 80},
        "hostnames": [f"{NEW}.exchange.lab"],
        "grace_s": 5,
    }
    return services


class World:
    """The lab, the administrator's client of each site, and the kubeconfig of the user who has the shipped roles."""

    def __init__(self, folder: pathlib.Path, reports: pathlib.Path) -> None:
        self.folder = folder
        self.reports = reports
        self.admin = lab_state()["kubeconfig"]
        self.apis = {
            site: dynamic.DynamicClient(config.new_client_from_config(self.admin, context=site))
            for site in (*REGIONS, MANAGEMENT)
        }
        self.shipped = {site: shipped("fleet" if site == MANAGEMENT else "region") for site in self.apis}
        for site in self.apis:
            for obj in self.shipped[site]:
                self.put(site, obj)
        self.kubeconfig = self._kubeconfig()
        self.history = {site: self._revisions(site) for site in self.apis}
        self.before = self.versions()

    def _kubeconfig(self) -> pathlib.Path:
        """One context for each site, each with the token of its own user."""
        whole = yaml.safe_load(pathlib.Path(self.admin).read_text(encoding="utf-8"))
        users = []
        for context in whole["contexts"]:
            site = context["name"]
            core = client.CoreV1Api(config.new_client_from_config(self.admin, context=site))
            token = core.create_namespaced_service_account_token(USER, space(site), {"spec": {}}).status.token
            users.append({"name": f"{USER}@{site}", "user": {"token": token}})
            context["context"]["user"] = f"{USER}@{site}"
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump({**whole, "users": users}), encoding="utf-8")
        return path

    def api(self, site: str, api_version: str, kind: str) -> t.Any:
        return self.apis[site].resources.get(api_version=api_version, kind=kind)

    def put(self, site: str, obj: Json) -> None:
        self.api(site, obj["apiVersion"], obj["kind"]).create(body=obj, namespace=obj["metadata"]["namespace"])

    def remove(self, site: str, api_version: str, kind: str, name: str) -> None:
        try:
            self.api(site, api_version, kind).delete(name=name, namespace=space(site))
        except NotFoundError:
            return

    def exists(self, site: str, kind: str, name: str) -> bool:
        try:
            self.api(site, KINDS[kind], kind).get(name=name, namespace=space(site))
        except NotFoundError:
            return False
        return True

    def versions(self) -> dict[str, str]:
        """The version of core-api that has the traffic, by region."""
        found = {}
        for site in REGIONS:
            refs = self.api(site, KINDS["HTTPRoute"], "HTTPRoute").get(name="core-api", namespace=NAMESPACE)
            live = max(refs.spec.rules[0].backendRefs, key=lambda ref: ref.weight).name
            slot = self.api(site, KINDS["Deployment"], "Deployment").get(name=live, namespace=NAMESPACE)
            found[site] = slot.metadata.labels["app.kubernetes.io/version"]
        return found

    def _revisions(self, site: str) -> set[str]:
        maps = self.api(site, "v1", "ConfigMap").get(namespace=space(site)).items
        return {one.metadata.name for one in maps if one.metadata.name.startswith("pincex-revision-")}

    def fill_history(self) -> None:
        """One revision less than the fleet keeps, so that the second release that ends here prunes."""
        maps = self.api(MANAGEMENT, "v1", "ConfigMap")
        counter = maps.get(name="pincex-release-revisions", namespace=FLEET)
        last = int(counter.data["counter"])
        missing = max(0, KEPT - 1 - len(self._headers()))
        for number in range(last + 1, last + 1 + missing):
            header = {"number": number, "id": f"rbac-{number}", "kind": "deploy", "by": USER, "outcome": "refused"}
            header |= {"opened_at": "", "closed_at": "", "came_from": None}
            meta = {
                "name": f"pincex-revision-{number}",
                "namespace": FLEET,
                "labels": {"pincex.io/revision": str(number)},
            }
            data = {"header": json.dumps(header)}
            self.put(MANAGEMENT, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        wanted = {"data": {"counter": str(last + missing)}}
        maps.patch(
            name="pincex-release-revisions", namespace=FLEET, body=wanted, content_type="application/merge-patch+json"
        )

    def _headers(self) -> list[t.Any]:
        maps = self.api(MANAGEMENT, "v1", "ConfigMap")
        return list(maps.get(namespace=FLEET, label_selector="pincex.io/revision").items)

    def forget_lock_and_journal(self) -> None:
        """As before the first release of all."""
        for site in self.apis:
            self.remove(site, "v1", "ConfigMap", "pincex-release-journal")
            self.remove(site, "coordination.k8s.io/v1", "Lease", "pincex-release")

    def put_back(self) -> None:
        """The lab as it was found, but for the oldest revisions of the fleet's history."""
        for site in REGIONS:
            for kind, api_version in KINDS.items():
                found = self.api(site, api_version, kind)
                labels = f"app.kubernetes.io/name={NEW}"
                for obj in found.get(namespace=NAMESPACE, label_selector=labels).items:
                    self.remove(site, api_version, kind, obj.metadata.name)
        for site in self.apis:
            for name in self._revisions(site) - self.history[site]:
                self.remove(site, "v1", "ConfigMap", name)
            for obj in reversed(self.shipped[site]):
                self.remove(site, obj["apiVersion"], obj["kind"], obj["metadata"]["name"])

    def release(self, name: str, **variables: t.Any) -> Ended:
        return playbook(name, reports=self.reports, **self.variables(**variables))

    def variables(self, **more: t.Any) -> Json:
        given = {"services": catalogue(), "gate_profiles": PROFILES, "release_waves": ["100%"]}
        given |= {"release_standby_s": 1, "release_probe_requests": 20, "cluster_kubeconfig": str(self.kubeconfig)}
        return {**given, **more}


def space(site: str) -> str:
    return FLEET if site == MANAGEMENT else NAMESPACE


def shipped(which: str) -> list[Json]:
    """The manifests as an operator applies them."""
    items: list[Json] = yaml.safe_load((EXAMPLES / f"rbac-{which}.yml").read_text(encoding="utf-8"))["items"]
    return items


def granted(*which: str) -> set[Right]:
    """What these roles allow. That of an engine is for regions as well."""
    return {
        ("fleet" if one == "fleet" else "region", group, resource, verb)
        for one in which
        for obj in shipped(one)
        if obj["kind"] == "Role"
        for rule in obj["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(events: t.Iterable[Json]) -> set[Right]:
    found = set()
    for event in events:
        ref = event.get("objectRef") or {}
        if not ref or event["responseStatus"]["code"] >= 400:
            continue
        which = "fleet" if event["site"] == MANAGEMENT else "region"
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        verbs = {event["verb"]}
        if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
            # A server-side apply of what is not there yet is asked for both rights.
            verbs.add("create")
        found |= {(which, ref.get("apiGroup", ""), resource, verb) for verb in verbs}
    return found


def config_name() -> str:
    text = json.dumps(CONFIG, sort_keys=True, separators=(",", ":"))
    return f"{NEW}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def foreign_objects() -> list[Json]:
    """What somebody else had made under the new service's names: a way back leaves it as it was."""

    def meta(name: str) -> Json:
        return {"name": name, "namespace": NAMESPACE}

    selector = {"app.kubernetes.io/name": NEW, "pincex.io/slot": "blue"}
    port = {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(NEW), "automountServiceAccountToken": False},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(f"{NEW}-blue"),
            "spec": {"selector": selector, "ports": [port]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta(f"{NEW}-blue"),
            "spec": {"selector": {"matchLabels": selector}, "maxUnavailable": 1},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(config_name()), "immutable": True, "data": CONFIG},
    ]


def kill_in_the_middle(world: World, versions: t.Mapping[str, str]) -> None:
    """A deploy that is killed, with all of its processes, when the new service has its route."""
    variables = world.variables(release_versions=versions, release_reports=str(world.reports))
    command = [str(BIN / "ansible-playbook"), "pincex.zero_downtime.deploy", "-i", "inventories/lab"]
    collections = str(CHECKOUT / ".venv" / "collections")
    environment = {**os.environ, "PINCEX_LAB": "test", "ANSIBLE_COLLECTIONS_PATH": collections}
    with (world.folder / "killed.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-e", json.dumps(variables)],
            cwd=CHECKOUT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + 60
            while not world.exists(REGIONS[0], "HTTPRoute", NEW):
                assert process.poll() is None, (world.folder / "killed.log").read_text(encoding="utf-8")[-2000:]
                assert time.monotonic() < end, "the new service got no route"
                time.sleep(0.2)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def world(demo: LabRun, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    made = World(tmp_path_factory.mktemp("rbac"), demo.reports)
    try:
        yield made
    finally:
        made.put_back()


def test_the_shipped_roles_are_enough_and_every_rule_of_them_is_used(world: World) -> None:
    stands = world.before["us-east-1"]
    assert set(world.before.values()) == {stands}
    other = "v1" if stands == "v2" else "v2"
    world.forget_lock_and_journal()
    world.fill_history()
    for site in REGIONS:
        for obj in foreign_objects():
            world.put(site, obj)
    audit = AuditLogs()

    bad = world.release("deploy", release_versions={NEW: "v2", "core-api": "v5"})
    assert bad.code != 0
    assert "taken_back" in bad.output
    assert not world.exists("us-east-1", "Deployment", f"{NEW}-blue")
    for site in REGIONS:
        for obj in foreign_objects():
            # Put back as it was, so without our labels; from now on nobody else has made it.
            world.remove(site, obj["apiVersion"], obj["kind"], obj["metadata"]["name"])

    kill_in_the_middle(world, {NEW: "v2", "core-api": other})
    assert world.release("recover").code == 0
    assert not world.exists("us-east-1", "HTTPRoute", NEW)
    assert world.versions() == world.before

    assert world.release("deploy", release_versions={NEW: "v2", "core-api": other}).code == 0
    assert set(world.versions().values()) == {other}

    # Without the option a region that could not be read is only told.
    assert world.release("status", fail_on_drift=True).code == 0
    assert world.release("history").code == 0
    assert world.release("validate").code == 0

    assert world.release("rollback").code == 0
    assert world.versions() == world.before

    events = asked(audit)
    assert refused(events) == []
    assert granted("region", "fleet") - used(events) == set()


ENGINE = "matching-engine"
#: The slot that waits, and a version that no registry has.
IDLE, NONE = f"{ENGINE}-green", "v404"


def asked(audit: AuditLogs) -> list[Json]:
    """What came as the user who has the shipped roles."""
    users = {f"system:serviceaccount:{name}:{USER}" for name in (NAMESPACE, FLEET)}
    return [event for event in audit.events(USER) if event["user"]["username"] in users]


def refused(events: t.Iterable[Json]) -> list[str]:
    return [
        f"{event['site']} {event['verb']} {event['requestURI']}"
        for event in events
        if event["responseStatus"]["code"] == 403
    ]


def with_engine(world: World, version: str) -> Json:
    """A deploy of the engine that cannot end well: nobody listens where its gate looks once the book is handed over.
    Clients are told of the handover, and afterwards that it is over."""
    text = (CHECKOUT / "inventories" / "lab-engine.yml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    services[ENGINE]["gate_profile"] = "never"
    services[ENGINE]["handover"]["announce_s"] = 1
    closed = {"name": "port", "tcp": "127.0.0.1:1", "consecutive": 1}
    never = {**PROFILES["default"], "deadline_s": 45, "health": [closed]}
    profiles = {**PROFILES, "never": never}
    return world.variables(services=services, gate_profiles=profiles, release_versions={ENGINE: version})


def owner(world: World) -> str:
    """Who trades in the first region."""
    record = world.api(REGIONS[0], "v1", "ConfigMap").get(name=f"{ENGINE}-epoch", namespace=NAMESPACE)
    return str(json.loads(record.data["record"])["owner"])


def left_behind(world: World) -> Json:
    """The idle slot as an earlier release leaves it: without a pod, and managed by releases."""
    sets = world.api(REGIONS[0], "apps/v1", "StatefulSet")
    found = sets.get(name=f"{ENGINE}-blue", namespace=NAMESPACE).to_dict()
    kept = {"labels": found["metadata"]["labels"], "name": f"{ENGINE}-blue", "namespace": NAMESPACE}
    slot = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": kept, "spec": {**found["spec"], "replicas": 0}}
    return t.cast("Json", json.loads(json.dumps(slot).replace("blue", "green")))


@pytest.fixture
def engine_role(world: World) -> t.Iterator[None]:
    """The role in the first region, and no idle slot before and afterwards. Its volume stays, as after any release."""
    site, items = REGIONS[0], shipped("engine")
    for obj in items:
        world.put(site, obj)
    try:
        yield
    finally:
        world.remove(site, "apps/v1", "StatefulSet", IDLE)
        for obj in reversed(items):
            world.remove(site, obj["apiVersion"], obj["kind"], obj["metadata"]["name"])


@pytest.mark.usefixtures("engine_role")
def test_the_role_of_an_engine_is_enough_and_every_rule_of_it_is_used(world: World) -> None:
    site, only = REGIONS[0], ("--limit", REGIONS[0])
    leader = owner(world)
    assert leader == f"{ENGINE}-blue"
    audit = AuditLogs()

    # The slot is made, its image is nowhere, and it is removed again.
    absent = playbook("deploy", *only, reports=world.reports, **with_engine(world, NONE))
    assert absent.code != 0
    assert "taken_back" in absent.output
    sets = world.api(site, "apps/v1", "StatefulSet")
    labels = f"app.kubernetes.io/name={ENGINE}"
    assert [one.metadata.name for one in sets.get(namespace=NAMESPACE, label_selector=labels).items] == [leader]

    # The slot is there, the book is handed over and back, and the slot becomes what it was.
    was = left_behind(world)
    sets.server_side_apply(body=was, name=IDLE, namespace=NAMESPACE, field_manager="pincex-zero-downtime")
    bad = playbook("deploy", *only, reports=world.reports, **with_engine(world, "v2"))
    assert bad.code != 0
    assert "taken_back" in bad.output
    assert owner(world) == leader
    now = sets.get(name=IDLE, namespace=NAMESPACE)
    assert (now.spec.replicas, now.metadata.labels["app.kubernetes.io/version"]) == (
        0,
        was["metadata"]["labels"]["app.kubernetes.io/version"],
    )

    events = asked(audit)
    assert refused(events) == []
    assert granted("engine") - used(events) == set()
