# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feature is switched for real orders: by people, step by step under the gates, and by releases, which take it back.

The tests go on from each other. In the end the feature is off and the exchange runs what it ran before.
"""

from __future__ import annotations

import collections
import json
import pathlib
import typing as t

import pytest
from lab_features import ACCOUNTS, FlagStores, MarginOrders, place_margin_order
from lab_run import AuditLogs, Ended, LabRun, playbook, task

from chaos.sweep import SERVICES, VERSIONS, version_of
from chaos.world import World
from lab.kube import Kube
from lab.model import plan_lab

LAB = plan_lab("test")
SERVICE = "core-api"
FLAG = "margin_trading"
OFF = (403, "margin_trading_off")
TAKEN = (200, "")
#: All regions at once, each step for a second, and the last judgement for as long as a failure takes to be proved.
#: Clients that keep their connections do not hold up the end of the old slot.
QUICK = {
    "release_waves": ["100%"],
    "release_standby_s": 1,
    "release_drain_s": 1,
    "gate_profiles": {
        "default": "{{ 'lab' | pincex.zero_downtime.gate_profile | combine({'step_s': 1, 'bake_s': 1, 'judge_s': 4}) }}"
    },
}
#: What v3 answers to a fifth of the orders that it does not refuse.
BROKEN = (500, "")
DEFINITION = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {"owner": "trading"},
}


@pytest.fixture
def stores(demo: LabRun) -> FlagStores:
    return FlagStores(LAB)


def soon(wanted: tuple[int, str]) -> None:
    """Wait until an order on margin is answered so in every region."""
    for site in LAB.regions:
        what = f"{wanted} of {site.name}"
        Kube(site.admin_kubeconfig).wait(what, lambda site=site: place_margin_order(site)[:2] == wanted, 10)


def switch(demo: LabRun, value: str, *more: str) -> Ended:
    ended = playbook("toggle_feature", *more, reports=demo.reports, feature=FLAG, value=value)
    assert ended.code == 0
    return ended


def running() -> str:
    """The version of core-api that has the traffic."""
    return version_of(World(LAB, SERVICES).read(), SERVICE)


def release(demo: LabRun, version: str) -> Ended:
    """Of core-api alone, with the feature on."""
    wanted = {"release_versions": {SERVICE: version}, "release_flags": {FLAG: True}}
    return playbook("deploy", reports=demo.reports, **wanted, **QUICK)


def with_the_first_step(orders: MarginOrders, region: str) -> set[str]:
    """The accounts of this region that had the feature while others had it not: by most of their answers between the
    first order that was taken and the last that was refused, because pods do not hear of it at the same instant."""
    here = [(account, answer[:2]) for where, account, answer in orders.answers if where == region]
    begin = [answer for _account, answer in here].index(TAKEN)
    end = max(number for number, (_account, answer) in enumerate(here) if answer == OFF)
    votes: collections.Counter[str] = collections.Counter()
    for account, answer in here[begin:end]:
        votes[account] += 1 if answer == TAKEN else -1
    return {account for account, count in votes.items() if count > 0}


def newest(demo: LabRun, folder: pathlib.Path) -> dict[str, t.Any]:
    """The newest revision of the environment."""
    assert playbook("history", reports=demo.reports, output=str(folder / "history.json")).code == 0
    return t.cast("dict[str, t.Any]", json.loads((folder / "history.json").read_text())["revisions"][-1])


def test_a_feature_is_defined_switched_killed_and_restored_for_real_orders(demo: LabRun, stores: FlagStores) -> None:
    soon(OFF)
    defined = task(
        "flag_set",
        "management",
        action="set",
        definitions={FLAG: DEFINITION},
        actor="e2e",
        reason="margin trading is built",
        name="{{ flags.name }}",
        stores="{{ flags.stores }}",
        kubeconfig="{{ cluster_kubeconfig }}",
        context="{{ cluster_context }}",
        namespace="{{ cluster_namespace }}",
    )
    assert defined.code == 0
    assert stores.flag(FLAG) == DEFINITION
    # The lab has defined it, and the set has taken it over.
    assert stores.flag("high_frequency_orders")["defaultVariant"] == "on"
    soon(OFF)

    toggled = switch(demo, "true")
    assert f"{FLAG}: off -> on for everybody (100 % of all users change sides)" in toggled.output
    assert stores.flag(FLAG)["defaultVariant"] == "on"
    soon(TAKEN)

    killed = playbook("kill_feature", reports=demo.reports, feature=FLAG, reason="it loses money")
    assert killed.code == 0
    assert f"{FLAG}: killed in fleet, redis, us-east-1, eu-west-1, backup" in killed.output
    assert (stores.flag(FLAG)["state"], stores.flag(FLAG)["defaultVariant"]) == ("ENABLED", "off")
    soon(OFF)

    assert playbook("restore_feature", reports=demo.reports, feature=FLAG, reason="the fix is live").code == 0
    assert stores.flag(FLAG)["defaultVariant"] == "on"
    soon(TAKEN)


def test_check_mode_of_a_toggle_writes_nothing(demo: LabRun, stores: FlagStores) -> None:
    before, audit = stores.everything(), AuditLogs()
    assert {key.partition(" ")[0] for key in before} >= {"redis", "fleet", "us-east-1", "eu-west-1"}
    checked = switch(demo, "false", "--check", "--diff")
    assert "check mode, nothing was written; it would be:" in checked.output
    assert f"{FLAG}: on for everybody -> off (100 % of all users change sides)" in checked.output
    assert stores.everything() == before
    assert audit.writes() == []
    assert audit.events(), "the audit log shows no request at all, so it proves nothing"
    soon(TAKEN)


def test_a_rollout_goes_on_step_by_step_for_the_same_accounts_everywhere(demo: LabRun, stores: FlagStores) -> None:
    switch(demo, "false")
    soon(OFF)
    with MarginOrders(LAB) as orders:
        ended = playbook(
            "rollout_feature", reports=demo.reports, feature=FLAG, steps="25,100", hold_s="3", reason="it is ready"
        )
        assert set(orders.next_answers(4 * len(ACCOUNTS))) == {TAKEN}
    assert ended.code == 0
    assert f"{FLAG}: every gate passed at 100 %, the last step" in ended.output
    assert stores.flag(FLAG)["defaultVariant"] == "on"
    assert set(orders.counted()) == {OFF, TAKEN}
    first = [with_the_first_step(orders, site.name) for site in LAB.regions]
    assert 0 < len(first[0]) < len(ACCOUNTS)
    assert first == [first[0]] * len(first)


def test_a_version_that_fails_with_the_feature_on_is_taken_back_after_its_flag(
    demo: LabRun, stores: FlagStores, tmp_path: pathlib.Path
) -> None:
    """v3 refuses these orders before it could fail, so its waves pass, until the flag is on."""
    switch(demo, "false")
    soon(OFF)
    before, definition = running(), stores.flag(FLAG)
    with MarginOrders(LAB) as orders:
        ended = release(demo, "v3")
        assert set(orders.next_answers(20)) == {OFF}
    assert ended.code == 2
    assert f"{FLAG}: off -> on for everybody" in ended.output
    told = json.loads(max(demo.reports.glob("2*.json")).read_text())
    assert {one["verdict"] for one in told["regions"]} == {"taken_back"}
    assert f"{SERVICE} errors" in str([one["reason"] for one in told["regions"]])
    assert set(orders.counted()) == {OFF, TAKEN, BROKEN}
    assert {version for _region, _who, (status, _code, version) in orders.answers if status == BROKEN[0]} == {"v3"}
    assert running() == before
    assert stores.flag(FLAG) == definition
    assert newest(demo, tmp_path)["outcome"] == "taken_back"


def test_a_release_has_its_flags_in_the_history_and_a_rollback_takes_them_back(
    demo: LabRun, stores: FlagStores, tmp_path: pathlib.Path
) -> None:
    before = running()
    version = next(version for version in VERSIONS if version != before)
    with MarginOrders(LAB) as orders:
        assert release(demo, version).code == 0
        soon(TAKEN)
        kept = newest(demo, tmp_path)
        assert (kept["kind"], kept["outcome"]) == ("deploy", "released")
        assert (kept["versions"][SERVICE], kept["flags"]) == (version, {FLAG: "off -> on for everybody"})
        assert stores.flag(FLAG)["defaultVariant"] == "on"

        assert playbook("rollback", reports=demo.reports, **QUICK).code == 0
        soon(OFF)
    gone = newest(demo, tmp_path)
    assert (gone["kind"], gone["versions"][SERVICE]) == ("rollback", before)
    assert gone["flags"] == {FLAG: "on for everybody -> off"}
    assert stores.flag(FLAG)["defaultVariant"] == "off"
    assert set(orders.counted()) == {OFF, TAKEN}
    taken = {answer[2] for _region, _who, answer in orders.answers if answer[:2] == TAKEN}
    assert taken == {version}, "on only where the version is everywhere"
