# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control flow of a release: every row of the table in `playbooks/release.yml`'s design, and the ways around it."""

from __future__ import annotations

import json

from flow_runner import REGIONS, Flow
from test_flow_recover import state_of

V1 = ("-e", "release_version=v1")
V2 = ("-e", "release_version=v2")


def test_deploy_again_and_roll_back(flow: Flow) -> None:
    first = flow.run("deploy", *V1)
    assert first.code == 0, first.output
    assert set(first.versions().values()) == {"v1"}

    again = flow.run("deploy", *V1)
    assert again.code == 0, again.output
    assert "nothing to do" in again.output
    assert "changed=1" not in again.output
    assert again.regions == first.regions

    check = flow.run("deploy", *V2, "--check")
    assert check.code == 0, check.output
    assert check.regions == first.regions

    second = flow.run("deploy", *V2)
    assert second.code == 0, second.output
    assert set(second.verdicts().values()) == {"released"}
    assert set(second.versions().values()) == {"v2"}
    for state in second.regions.values():
        assert state["open"] is None
        assert state["objects"]["Deployment/core-api-blue"]["spec"]["replicas"] == 0

    back = flow.run("rollback")
    assert back.code == 0, back.output
    assert set(back.versions().values()) == {"v1"}
    shifts = [call for call in back.calls if call["module"] == "k8s_traffic" and call["state"] == "shifted"]
    # All services and all regions at once: nobody waits for the end of another.
    assert [call["step"] for call in shifts] == ["core-api, reference-data 100 %"] * len(REGIONS)
    first = next(number for number, call in enumerate(back.calls) if call["step"] == shifts[0]["step"])
    prepared = {call["region"] for call in back.calls[:first] if call["step"] == "prepare core-api, reference-data"}
    assert prepared == set(REGIONS)


def test_pods_that_the_load_has_asked_for_since_are_waited_for_before_the_shift(stands: Flow) -> None:
    step = "core-api 25 %"
    done = stands.run("deploy", *V2, faults={"us-east-1": {"grown": step}})
    assert done.code == 0, done.output

    def modules(region: str) -> list[str]:
        return [call["module"] for call in done.calls if (call["region"], call["step"]) == (region, step)]

    assert modules("eu-west-1") == ["k8s_revision", "k8s_traffic", "k8s_rollout_gate"]
    assert modules("us-east-1") == ["k8s_revision", "k8s_rollout_gate", "k8s_traffic", "k8s_rollout_gate"]


def test_a_refusal_anywhere_and_nobody_starts(flow: Flow) -> None:
    done = flow.run("deploy", *V1, faults={"eu-west-1": {"open": "us: release x of ann is not finished"}})
    assert done.code == 2, done.output
    assert not [call for call in done.calls if call["module"] == "k8s_traffic"]
    assert [state["open"] for state in done.regions.values()] == [None, None, None]
    assert "the release was refused: eu-west-1" in done.output


def test_bad_input_is_one_sentence_before_anything(flow: Flow) -> None:
    done = flow.run("deploy", "-e", "release_version=v2", "--limit", "us-east-1,mars-1")
    assert done.code == 2, done.output
    assert "--limit: unknown region mars-1" in done.output
    assert done.calls == []


def test_first_wave_bad_leaves_the_others_untouched(stands: Flow) -> None:
    done = stands.run("deploy", *V2, faults={"us-east-1": {"gate": "core-api 10 %"}})
    assert done.code == 2, done.output
    assert done.verdicts() == {"us-east-1": "taken_back", "eu-west-1": "untouched", "ap-northeast-1": "untouched"}
    assert set(done.versions().values()) == {"v1"}
    assert [state["open"] for state in done.regions.values()] == [None, None, None]
    sentence = "the release was taken back: us-east-1: core-api error rate is 20 %, above 5 % for 1 s"
    assert done.report is not None
    assert done.report["sentence"] == sentence
    # Traffic first, then the fleet, then the rest.
    assert done.way_back("us-east-1", "fleet")[:4] == [
        ("us-east-1", "k8s_traffic", "restored"),
        ("fleet", "release_journal", "decided"),
        ("us-east-1", "k8s_traffic", "restored"),
        ("us-east-1", "k8s_revision", "restored"),
    ]
    assert len([line for line in done.output.splitlines() if "FAILED!" in line and sentence in line]) == 1


def test_first_wave_stuck_and_the_fleet_still_decides(stands: Flow) -> None:
    done = stands.run("deploy", *V2, faults={"us-east-1": {"gate": "core-api 10 %", "restore": True}})
    assert done.code == 2, done.output
    assert done.verdicts() == {"us-east-1": "stuck", "eu-west-1": "untouched", "ap-northeast-1": "untouched"}
    assert done.report is not None
    assert done.report["decision"] == "undo"
    assert done.regions["us-east-1"]["open"] is not None
    # The others learn of it before the traffic is tried again.
    assert done.way_back("us-east-1", "fleet")[:3] == [
        ("us-east-1", "k8s_traffic", "restored"),
        ("fleet", "release_journal", "decided"),
        ("us-east-1", "k8s_traffic", "restored"),
    ]
    refused = stands.run("deploy", *V2)
    assert refused.code == 2
    assert "is unfinished since" in refused.output
    assert "run recover.yml first" in refused.output


def test_second_wave_bad_takes_everything_back(stands: Flow) -> None:
    """One region of the wave is bad at once while its neighbour is busy: the bad one is back before that one ends."""
    done = stands.run("deploy", *V2, faults={"eu-west-1": {"gate": "prepare core-api"}, "ap-northeast-1": {"slow": 2}})
    assert done.code == 2, done.output
    assert done.verdicts() == {"us-east-1": "taken_back", "eu-west-1": "taken_back", "ap-northeast-1": "taken_back"}
    assert set(done.versions().values()) == {"v1"}
    back = min(
        call["at"]
        for call in done.calls
        if call["region"] == "eu-west-1" and call["module"] == "k8s_revision" and call["state"] == "restored"
    )
    busy = max(
        call["at"]
        for call in done.calls
        if call["region"] == "ap-northeast-1" and call["module"] == "k8s_rollout_gate" and call["step"] != "judge"
    )
    assert back < busy


def test_a_region_that_is_lost_in_the_middle_is_stuck_and_the_others_are_taken_back(stands: Flow) -> None:
    kept = "HTTPRoute core-api weights.blue is 90, as somebody else has it"
    faults = {"eu-west-1": {"away_from": "core-api 25 %"}, "us-east-1": {"kept": kept}}
    done = stands.run("deploy", *V2, faults=faults)
    assert done.code == 2, done.output
    assert done.verdicts() == {"us-east-1": "taken_back", "eu-west-1": "stuck", "ap-northeast-1": "taken_back"}
    assert (done.versions()["us-east-1"], done.versions()["ap-northeast-1"]) == ("v1", "v1")
    lost = done.regions["eu-west-1"]
    assert lost["open"] is not None
    assert lost["weights"]["core-api"] == {"blue": 90, "green": 10}
    assert done.report is not None
    sentence = str(done.report["sentence"])
    assert sentence.startswith("the release is stuck in eu-west-1: the API server is away; the way back failed: ")
    assert "us-east-1 is taken_back" in sentence
    assert sentence.endswith("; run recover.yml")
    assert f"kept: {kept}" in done.output
    assert state_of(stands, "fleet")["open"] is not None

    # It answers again.
    recovered = stands.run("recover")
    assert recovered.code == 0, recovered.output
    assert set(recovered.versions().values()) == {"v1"}


def test_a_released_region_that_turns_bad_stops_the_next_wave(stands: Flow) -> None:
    done = stands.run("deploy", *V2, faults={"us-east-1": {"gate": "judge"}})
    assert done.code == 2, done.output
    assert done.verdicts()["us-east-1"] == "taken_back"
    assert set(done.versions().values()) == {"v1"}


def test_a_limited_release_follows_the_same_rules(stands: Flow) -> None:
    done = stands.run("deploy", *V2, "--limit", "eu-west-1")
    assert done.code == 0, done.output
    assert done.versions() == {"us-east-1": "v1", "eu-west-1": "v2", "ap-northeast-1": "v1"}


def test_a_way_back_that_fails_is_stuck_and_not_undone(released: Flow) -> None:
    done = released.run("rollback", faults={"eu-west-1": {"gate": "prepare core-api, reference-data"}})
    assert done.code == 2, done.output
    # The region that got back stays back: it is not sent to the version it left.
    assert (done.verdicts()["us-east-1"], done.verdicts()["eu-west-1"]) == ("released", "stuck")
    assert not [call for call in done.calls if call["state"] == "restored"]


def test_all_regions_go_back_to_the_same_revision(stands: Flow) -> None:
    """One region has a revision that the others do not have."""
    stands.run("deploy", *V2, "--limit", "us-east-1")
    refused = stands.run("rollback", "-e", "revision=2")
    assert refused.code == 2, refused.output
    assert "the rollback was refused: revision: 2 is not kept in eu-west-1 (kept: 1)" in refused.output
    assert not [call for call in refused.calls if call["state"] in ("opened", "shifted")]
    back = stands.run("rollback")
    assert back.code == 0, back.output
    assert set(back.versions().values()) == {"v1"}
    read = {call["region"]: call["number"] for call in back.calls if call["number"] and call["state"] == "read"}
    assert read == {"us-east-1": 1, "eu-west-1": 1, "ap-northeast-1": 1}


def test_a_decision_that_stands_is_acted_on_although_its_answer_was_lost(flow: Flow) -> None:
    done = flow.run("deploy", *V1, faults={"fleet": {"decide": "lost"}})
    assert done.code == 0, done.output
    assert set(done.verdicts().values()) == {"released"}
    assert done.report is not None
    assert done.report["decision"] == "keep"


def test_everything_is_tried_before_anything_is_written(flow: Flow) -> None:
    services = {
        "core-api": {"image": "exchange", "strategy": "rolling", "hpa": {"min": 2, "max": 4}},
        "reference-data": {"image": "exchange", "strategy": "blue_green", "hpa": {"min": 2, "max": 4}},
    }
    more = ("--limit", "us-east-1", "-e", json.dumps({"services": services, "gate_profiles": {"default": {}}}))
    first = flow.run("deploy", *V1, *more)
    assert first.code == 0, first.output
    assert first.output.count("gate_profiles.default: it has no metrics, no counters, no health") == 1

    second = flow.run("deploy", *V2, *more)
    assert second.code == 0, second.output
    idle, in_place = [call for call in second.calls if call["step"] == "preflight"]
    assert (idle["check"], in_place["check"]) == (True, True)
    assert idle["services"] == ["reference-data"]
    assert "Deployment/reference-data-green" in idle["objects"]
    assert {
        "Deployment/reference-data-green spec.replicas",
        "HorizontalPodAutoscaler/reference-data-blue spec.minReplicas",
    } <= set(idle["fields"])
    assert "Deployment/core-api-blue" in in_place["objects"]
    assert (in_place["fields"], in_place["allow_live"]) == (["Deployment/core-api-blue spec.replicas"], True)

    refused = flow.run("deploy", "-e", "release_version=v3", *more, faults={"us-east-1": {"routes": True}})
    assert refused.code == 2, refused.output
    assert "us-east-1: context: operator is forbidden to update HTTPRoute exchange/reference-data" in refused.output
    # Asking for a warm standby to end is no lock of this release's.
    assert not [call for call in refused.calls if call["state"] == "opened" and call["kind"] != "standby"]


def test_an_environment_without_flags_asks_nobody_for_them(stands: Flow) -> None:
    """There is no module in this flow that could answer."""
    for playbook in (("deploy", *V2), ("rollback",), ("recover",)):
        done = stands.run(*playbook)
        assert done.code == 0, done.output
        assert "flags" not in (json.loads((stands.home / "fleet.json").read_text()).get("document") or {})
