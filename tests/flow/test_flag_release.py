# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags in a release: on when the new version is everywhere, back before the regions, told where that cannot be."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest
from feature_flow import FLAG, FeatureFlow, flag_calls, told
from flow_runner import CLUSTER_MODULES, REGIONS, Run
from test_flow_recover import reopen

US, EU, AP = REGIONS
WANTED: t.Final[dict[str, t.Any]] = {FLAG: True, "new_fees": 25}
ON: t.Final = ("-e", json.dumps({"release_flags": WANTED}))
V2 = ("deploy", "-e", "release_version=v2")
STAND_IN = pathlib.Path(__file__).with_name("flag_release_stand_in.py")


class FlagReleaseFlow(FeatureFlow):
    """The regions stand on v1; revision 1 was recorded with the set at its revision 7."""

    def __init__(self, home: pathlib.Path, after_v1: pathlib.Path) -> None:
        super().__init__(home)
        for module in (*CLUSTER_MODULES, "flag_set"):
            action = home / f"collections/ansible_collections/pincex/zero_downtime/plugins/action/{module}.py"
            action.unlink()
            action.symlink_to(STAND_IN)
        the_set = self.the_set()
        for region in (*REGIONS, "fleet"):
            shutil.copy(after_v1 / f"{region}.json", home)
        self.the_set(**the_set)
        fleet = self.fleet()
        fleet["revisions"]["1"]["document"] = {"flags": {"name": "the-set", "revision": 7}}
        self.fleet(**fleet)

    def fleet(self, **keys: t.Any) -> dict[str, t.Any]:
        path = self.home / "fleet.json"
        state: dict[str, t.Any] = {**json.loads(path.read_text()), **keys}
        path.write_text(json.dumps(state))
        return state

    def on(self) -> tuple[str, str]:
        return str(self.definition()["defaultVariant"]), "on" if "targeting" in self.definition("new_fees") else "off"


@pytest.fixture
def flow(tmp_path: pathlib.Path, after_v1: pathlib.Path) -> FlagReleaseFlow:
    return FlagReleaseFlow(tmp_path, after_v1)


def order(done: Run) -> list[str]:
    """What happened to flags, traffic and the decision, each once."""
    names = []
    for call in done.calls:
        what = call["action"] if call["module"] == "flag_set" else call["state"] or call["step"]
        if not call["check"] and what in ("apply", "undo", "shifted", "restored", "judge", "decided", "reconcile"):
            names.append(f"{call['module']} {what}")
    return [name for number, name in enumerate(names) if name not in names[:number]]


def test_flags_go_on_when_the_version_is_everywhere_and_off_before_it_goes(flow: FlagReleaseFlow) -> None:
    checked = flow.run(*V2, *ON, "--check")
    assert checked.code == 0, checked.output
    assert "check mode, nothing was written; it would be: margin_trading: off -> on for everybody" in told(checked)
    assert (flow.on(), flag_calls(checked)) == (("off", "off"), [])

    done = flow.run(*V2, *ON)
    assert done.code == 0, done.output
    assert flow.on() == ("on", "on")
    assert "margin_trading: off -> on for everybody" in told(done)
    assert order(done) == ["k8s_traffic shifted", "k8s_rollout_gate judge", "flag_set apply", "release_journal decided"]
    states = [(call["module"], call["region"], call["action"] or call["step"]) for call in done.calls]
    assert states.index(("flag_set", "fleet", "apply")) < states.index(("k8s_rollout_gate", AP, "judge"))
    fleet = flow.fleet()
    assert fleet["document"]["flags"]["revision"] == 7 and fleet["document"]["flags"]["killed"] == []
    assert fleet["revisions"]["2"]["document"]["flags"]["revision"] == 8
    assert fleet["revisions"]["2"]["flags"] == {
        FLAG: "off -> on for everybody",
        "new_fees": "off -> on for 25 %",
    }

    # A person goes on with one of them before the release is rolled back.
    assert flow.run("toggle_feature", "-e", "feature=new_fees", "-e", "value=50").code == 0
    back = flow.run("rollback")
    assert back.code == 0, back.output
    assert set(back.versions().values()) == {"v1"}
    assert flow.on() == ("off", "on")
    assert order(back)[:2] == ["flag_set undo", "k8s_traffic shifted"]
    assert [call["since"] for call in back.calls if call["action"] == "undo"] == [7]
    assert "kept: new_fees: somebody else has made it on for 50 % since, and it stays" in told(back)
    assert flow.fleet()["revisions"]["3"]["document"]["flags"]["revision"] == 10
    assert flow.fleet()["revisions"]["3"]["flags"] == {FLAG: "on for everybody -> off"}


def test_a_rollback_without_changes_of_flags_asks_for_nothing_more(flow: FlagReleaseFlow) -> None:
    done = flow.run(*V2)
    assert done.code == 0, done.output
    assert [call["action"] for call in done.calls if call["module"] == "flag_set"] == ["status"]
    assert flow.fleet()["revisions"]["2"]["document"]["flags"]["revision"] == 7
    back = flow.run("rollback")
    assert back.code == 0, back.output
    assert [call["action"] for call in back.calls if call["module"] == "flag_set"] == ["status"]


def test_a_region_that_fails_with_the_flags_on_has_them_back_before_the_regions(flow: FlagReleaseFlow) -> None:
    done = flow.run(*V2, *ON, faults={AP: {"gate": "judge"}})
    assert done.code == 2, done.output
    assert set(done.versions().values()) == {"v1"}
    assert flow.on() == ("off", "off")
    way_back = ["flag_set undo", "k8s_traffic restored", "k8s_revision restored"]
    assert order(done)[-4:] == ["release_journal decided", *way_back]
    assert "the release was taken back: ap-northeast-1: core-api error rate is 20 %" in told(done)
    # It has changed nothing in the end.
    assert flow.fleet()["revisions"]["2"]["outcome"] == "taken_back"
    assert "flags" not in flow.fleet()["revisions"]["2"]


def test_a_region_that_fails_before_has_no_flags_to_take_back(flow: FlagReleaseFlow) -> None:
    done = flow.run(*V2, *ON, faults={EU: {"gate": "core-api 100 %"}})
    assert done.code == 2, done.output
    assert (flag_calls(done), flow.on()) == ([], ("off", "off"))


def test_flags_that_cannot_be_set_take_the_release_back(flow: FlagReleaseFlow) -> None:
    done = flow.run(*V2, *ON, faults={"fleet": {"flags": {"apply": "fleet: the API server is away"}}})
    assert done.code == 2, done.output
    assert set(done.versions().values()) == {"v1"}
    assert "the release was taken back: the flags are not set: fleet: the API server is away" in told(done)
    assert flow.fleet()["decision"]["reason"] == "the flags are not set: fleet: the API server is away"
    assert flow.fleet()["open"] is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"margin": True}, "flags: there is no flag margin; make it with action set"),
        ("margin_trading", "release_flags: 'margin_trading' is no mapping; name each flag and what it becomes"),
    ],
)
def test_flags_that_are_refused_are_refused_before_the_first_write(
    flow: FlagReleaseFlow, wanted: t.Any, said: str
) -> None:
    done = flow.run(*V2, "-e", json.dumps({"release_flags": wanted}))
    assert done.code == 2, done.output
    assert f"the release was refused: {said}" in told(done).replace("refused: us-east-1: ", "refused: ")
    assert not [call for call in done.calls if call["state"] in ("opened", "applied")]


def test_a_killed_flag_stays_killed_and_the_release_goes_on(flow: FlagReleaseFlow) -> None:
    flow.the_set(killed={"new_fees": {"actor": "ben", "reason": "it loses money", "at": 1.0}})
    passed = "new_fees: was killed by ben (it loses money) and stays killed, so it is passed over; restore_feature.yml"
    checked = flow.run(*V2, *ON, "--check")
    assert checked.code == 0, checked.output
    assert f"warning: {passed}" in told(checked)

    done = flow.run(*V2, *ON)
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v2"}
    assert flow.on() == ("on", "off") and flow.the_set()["killed"].keys() == {"new_fees"}
    # Before the first write, and where the others are set.
    assert f"warning: release_flags: {passed}" in told(done)
    assert told(done).count(passed) == 2, told(done)
    assert flow.fleet()["revisions"]["2"]["flags"] == {FLAG: "off -> on for everybody"}


def test_a_flag_that_is_killed_while_the_release_goes_on_takes_nothing_back(flow: FlagReleaseFlow) -> None:
    """The check before the first write has not seen it."""
    killed = {"new_fees": {"actor": "ben", "reason": "it loses money", "at": 1.0}}
    done = flow.run(*V2, *ON, faults={"fleet": {"killed_before": {"apply": killed}}})
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v2"} and flow.on() == ("on", "off")
    assert "new_fees: was killed by ben (it loses money) and stays killed, so it is passed over" in told(done)


def test_a_part_of_the_regions_gets_no_flags_and_that_is_told(flow: FlagReleaseFlow) -> None:
    done = flow.run(*V2, *ON, "--limit", US)
    assert done.code == 0, done.output
    assert (flag_calls(done), flow.on()) == ([], ("off", "off"))
    assert f"release_flags: they are not set, because this deploy goes without {EU}, {AP}" in told(done)


def test_a_deploy_without_a_region_sets_none_because_it_may_come_back_with_the_old_version(
    flow: FlagReleaseFlow,
) -> None:
    away = ("-e", f"without={EU}")
    checked = flow.run(*V2, *ON, *away, "--check")
    assert checked.code == 0, checked.output
    sentence = f"release_flags: they are not set, because this deploy goes without {EU}; toggle_feature.yml"
    assert sentence in told(checked) and "it would be: margin_trading" not in told(checked)
    done = flow.run(*V2, *ON, *away)
    assert done.code == 0, done.output
    assert done.versions() == {US: "v2", EU: "v1", AP: "v2"}
    assert (flag_calls(done), flow.on()) == ([], ("off", "off")) and sentence in told(done)
    # Once it is back the same deploy brings the version there, and the flags after it.
    again = flow.run(*V2, *ON)
    assert again.code == 0, again.output
    assert set(again.versions().values()) == {"v2"} and flow.on() == ("on", "on")


def test_flags_that_do_not_go_back_keep_the_release_open_and_recover_goes_on(flow: FlagReleaseFlow) -> None:
    away = {"flags": {"undo": "fleet: the API server is away"}}
    done = flow.run(*V2, *ON, faults={AP: {"gate": "judge"}, "fleet": away})
    assert done.code == 2, done.output
    assert set(done.versions().values()) == {"v1"}, "the regions do not wait"
    assert "stuck in fleet: the flags are not back: fleet: the API server is away" in told(done)
    assert flow.fleet()["open"] is not None and flow.on() == ("on", "on")
    again = flow.run("recover")
    assert again.code == 0, again.output
    assert flow.fleet()["open"] is None and flow.on() == ("off", "off")


def test_flags_that_do_not_answer_hold_up_no_way_back(flow: FlagReleaseFlow) -> None:
    assert flow.run(*V2, *ON).code == 0
    done = flow.run("rollback", faults={"fleet": {"flags": {"undo": "fleet: the API server is away"}}})
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"} and flow.on() == ("on", "on")
    assert "warning: the flags stay as they are: fleet: the API server is away" in told(done)


def test_a_playbook_that_was_killed_has_its_flags_taken_back_first(flow: FlagReleaseFlow) -> None:
    assert flow.run(*V2, *ON).code == 0
    reopen(flow, *REGIONS)
    done = flow.run("recover")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    assert flow.on() == ("off", "off")
    assert order(done)[0] == "flag_set undo"
    assert "flags" not in flow.fleet()["revisions"]["2"]


def test_a_release_that_a_recovery_keeps_has_its_flags_kept_and_recorded(flow: FlagReleaseFlow) -> None:
    assert flow.run(*V2, *ON).code == 0
    reopen(flow, *REGIONS, decision="keep")
    done = flow.run("recover")
    assert done.code == 0, done.output
    assert flow.on() == ("on", "on") and order(done)[-1] == "flag_set reconcile"
    recorded = flow.fleet()["revisions"]["2"]
    assert recorded["document"]["flags"]["revision"] == 8
    assert recorded["flags"] == {FLAG: "off -> on for everybody", "new_fees": "off -> on for 25 %"}


def test_flags_that_cannot_be_kept_now_are_recorded_all_the_same(flow: FlagReleaseFlow) -> None:
    assert flow.run(*V2, *ON).code == 0
    reopen(flow, *REGIONS, decision="keep")
    done = flow.run("recover", faults={"fleet": {"flags": {"reconcile": "fleet: the API server is away"}}})
    assert done.code == 0, done.output
    assert "warning: the flags: fleet: the API server is away" in told(done)
    recorded = flow.fleet()["revisions"]["2"]
    assert (recorded["document"]["flags"]["revision"], recorded["flags"][FLAG]) == (8, "off -> on for everybody")


def test_flags_of_a_deploy_that_changes_nothing_are_told(flow: FlagReleaseFlow) -> None:
    done = flow.run("deploy", "-e", "release_version=v1", *ON)
    assert done.code == 0, done.output
    said = " ".join(done.output.split())
    assert (
        "warning: release_flags are not set: every region already runs this" in said
        and "run toggle_feature.yml" in said
    )
    assert flow.on() == ("off", "off")
