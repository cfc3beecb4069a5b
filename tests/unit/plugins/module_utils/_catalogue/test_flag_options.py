# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of its flags for a release."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.filter.release import request_judgement
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.flag_options import (
    flag_changes,
    flag_problems,
    flag_warnings,
    flags_of_release,
)

SET: dict[str, t.Any] = {"name": "pincex-test", "stores": []}
HOSTS = ["us-east-1", "eu-west-1"]
SWITCH: dict[str, t.Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


@pytest.mark.parametrize(
    ("flags", "wanted", "said"),
    [
        ({}, {}, []),
        (None, None, []),
        (SET, {"margin_trading": True}, []),
        ({"maker-fee": {"enabled": False}}, {}, ["flags.maker-fee: unknown option", "flags.name: missing"]),
        ({}, {"margin_trading": True}, ["flags: empty; this environment has no flag set"]),
        (SET, "margin_trading", ["release_flags: 'margin_trading' is no mapping; name each flag"]),
    ],
)
def test_problems_name_the_option(flags: t.Any, wanted: t.Any, said: list[str]) -> None:
    found = flag_problems({"flags": flags, "release_flags": wanted})
    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True)), found


def test_a_deploy_of_some_regions_is_told_that_it_sets_none() -> None:
    asked = {"kind": "deploy", "hosts": HOSTS, "regions": HOSTS[:1], "release_flags": {"margin_trading": True}}
    (told,) = flag_warnings(asked)
    assert told.startswith(
        "release_flags: they are not set, because this deploy goes without eu-west-1; toggle_feature"
    )
    (told,) = flag_warnings({**asked, "regions": HOSTS, "without": "us-east-1, eu-west-1"})
    assert told.startswith("release_flags: they are not set, because this deploy goes without us-east-1, eu-west-1; ")
    others: list[dict[str, t.Any]] = [{"regions": HOSTS}, {"release_flags": {}}, {"kind": "rollback"}]
    assert [flag_warnings({**asked, **one}) for one in others] == [[], [], []]


def test_a_wrong_variable_refuses_a_deploy_and_no_way_back() -> None:
    asked = {"services": {}, "gate_profiles": {}, "waves": [1], "hosts": HOSTS, "regions": HOSTS, "flags": "margin"}
    sentence = "flags: use a mapping with name and stores."
    assert sentence in request_judgement({**asked, "kind": "deploy"})["problems"]
    assert sentence not in request_judgement({**asked, "kind": "rollback"})["problems"]


def test_what_a_release_has_changed_in_words() -> None:
    both = {"before": {**SWITCH, "defaultVariant": "off"}, "after": SWITCH}
    done = {"flags": {"margin_trading": both, "more": {"before": None, "after": SWITCH}}}
    assert flag_changes(done) == {"margin_trading": "off -> on for everybody", "more": "absent -> on for everybody"}
    assert flag_changes({}) == {}


def test_what_a_release_has_changed_in_all_is_in_the_history_of_the_set() -> None:
    off = {**SWITCH, "defaultVariant": "off"}
    mine: dict[str, t.Any] = {"release": "r1"}
    kill = {"release": None, "flags": {"a": {"before": {"killed": False}, "after": {"killed": True}}}}
    past = {
        "history": [
            {**mine, "flags": {"b": {"before": SWITCH, "after": None}}},
            kill,
            {"release": "r2", "flags": {"c": {"before": off, "after": SWITCH}}},
            {**mine, "flags": {"a": {"before": off, "after": SWITCH}, "b": {"before": None, "after": SWITCH}}},
        ]
    }
    assert flags_of_release(past, "r1") == {"a": "off -> on for everybody"}
    assert flags_of_release(past, "r3") == flags_of_release({}, "r1") == {}
