# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refuses a request before any cluster is asked: windows, confirmation, forks."""

from __future__ import annotations

import datetime
import json

import pytest
from flow_runner import REGIONS, Flow, Run
from test_flow_recover import wrote

V1 = ("-e", "release_version=v1")
V2 = ("-e", "release_version=v2")
REASON = "orders are rejected in eu-west-1"


def extra(**variables: object) -> tuple[str, str]:
    return ("-e", json.dumps(variables))


def frozen() -> tuple[str, str]:
    """A window that holds now, in a zone of its own."""
    today = datetime.datetime.now(tz=datetime.UTC)
    begin, end = (today + datetime.timedelta(days=days) for days in (-2, 2))
    window = {"name": "year-end", "from": f"{begin:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
    return extra(release_windows={"freeze": [{**window, "time_zone": "Europe/London"}]})


def plain(done: Run) -> str:
    """The output with single blanks: a long message is folded."""
    return " ".join(done.output.split())


def test_a_freeze_window_refuses_a_deploy_before_anything_is_asked(stands: Flow) -> None:
    done = stands.run("deploy", *V2, *frozen())
    assert done.code == 2, done.output
    assert "year-end" in done.output
    assert done.calls == []
    assert set(done.versions().values()) == {"v1"}

    # A check tells, and is not refused.
    check = stands.run("deploy", *V2, *frozen(), "--check")
    assert check.code == 0, check.output
    assert "warning: " in check.output
    assert "year-end" in check.output
    assert wrote(check) == []


def test_a_window_of_one_region_refuses_the_release_of_all(stands: Flow) -> None:
    one = stands.home / "inventory/host_vars"
    one.mkdir()
    (one / f"{REGIONS[1]}.json").write_text(frozen()[1])
    done = stands.run("deploy", *V2)
    assert done.code == 2, done.output
    assert REGIONS[1] in done.output
    assert done.calls == []
    # Where it does not hold nobody waits.
    limited = stands.run("deploy", *V2, "--limit", REGIONS[0])
    assert limited.code == 0, limited.output
    assert limited.versions()[REGIONS[0]] == "v2"


@pytest.mark.parametrize("playbook", ["deploy", "rollback"])
# An empty answer of a survey is none.
@pytest.mark.parametrize("given", [(), ("-e", "confirm="), ("-e", "confirm=staging")])
def test_production_asks_for_its_word(flow: Flow, playbook: str, given: tuple[str, ...]) -> None:
    more = V1 if playbook == "deploy" else ()
    refused = flow.run(playbook, *more, *extra(release_confirm="production"), *given)
    assert refused.code == 2, refused.output
    assert f"this environment wants a {playbook} confirmed by -e confirm=production" in plain(refused)
    assert refused.calls == []


def test_fewer_forks_than_the_largest_wave_has_regions_refuse_a_deploy(flow: Flow) -> None:
    refused = flow.run("deploy", *V1, "--forks", "1")
    assert refused.code == 2, refused.output
    assert "--forks: 1 is less than the 2 regions of the largest wave" in plain(refused)
    assert refused.calls == []


def test_an_emergency_without_a_reason_passes_no_window(flow: Flow) -> None:
    refused = flow.run("deploy", *V1, *frozen(), *extra(emergency="broken"))
    assert refused.code == 2, refused.output
    assert "emergency: 'broken' is too short for a reason" in plain(refused)
    assert refused.calls == []


def test_a_reason_and_the_word_pass_and_the_reason_is_kept(flow: Flow) -> None:
    word = extra(emergency=REASON, release_confirm="production", confirm="production")
    done = flow.run("deploy", *V1, *frozen(), *word)
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    assert f"emergency: these windows are passed because: {REASON}" in plain(done)
    (opened,) = [call for call in done.calls if (call["region"], call["state"]) == ("fleet", "opened")]
    assert opened["reason"] == REASON


def test_windows_and_forks_only_warn_a_rollback(released: Flow) -> None:
    done = released.run(
        "rollback", *frozen(), "--forks", "1", *extra(release_confirm="production", confirm="production")
    )
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    told = plain(done)
    assert "warning: " in told
    assert "year-end" in told
    assert "--forks: 1 is less than the 3 regions, so some go back after others." in told
