# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control contract: its default is what is documented, and a mapping is refused by the name of its entry."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import DEFAULT, contract_of

API = pathlib.Path(__file__).parents[5] / "docs" / "control-api.yaml"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engin": {}}, "engin does not exist (there are: engine, gateway, modes)"),
        ({"engine": {"stop": {}}}, "engine.stop does not exist"),
        ({"engine": []}, None),
        ({"engine": [1]}, "engine: is no mapping"),
        ({"engine": {"mode": {"verb": "PUT"}}}, "engine.mode.verb does not exist"),
        ({"engine": {"mode": {"method": "SEND"}}}, "engine.mode.method: SEND is none of GET, POST"),
        ({"engine": {"mode": {"path": "mode"}}}, "engine.mode.path: has to start with /"),
        (
            {"engine": {"mode": {"body": {"to": "{moed}"}}}},
            "engine.mode.body: there is no value {moed} here (there are: {",
        ),
        ({"engine": {"mode": {"answer": {"seq": "s"}}}}, "engine.mode.answer.seq does not exist"),
        ({"engine": {"mode": {"answer": {"mode": "a["}}}}, "engine.mode.answer.mode: 'a[' is no JMESPath expression"),
        ({"engine": {"status": {"answer": {"mode": "lower(a)"}}}}, "there is no function lower()"),
        ({"engine": {"proof": {"root": "a..b"}}}, "engine.proof.root: 'a..b' is no JMESPath expression"),
        ({"engine": {"status": {"offered": False}}}, "engine.status has to be offered"),
        ({"engine": {"cut": {"offered": "no"}}}, "engine.cut.offered: is true or false"),
        ({"modes": {"onlin": "x"}}, "modes.onlin does not exist"),
        ({"modes": {"online": "halted"}}, "modes: two modes have the same word"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, t.Any], said: str | None) -> None:
    if said is None:
        contract_of(given)
        return
    with pytest.raises(OptionError) as error:
        contract_of(given)
    assert error.value.option == "contract"
    assert said in error.value.message


def test_a_mapping_changes_only_what_it_names() -> None:
    contract = contract_of(
        {
            "engine": {
                "mode": {"method": "put", "path": "/admin/{mode}/now", "query": {"why": "{reason}"}, "body": None},
                "status": {"answer": {"sequence": "journal.head"}},
                "finish": {"offered": False},
            },
            "modes": {"online": "OPEN", "halted": 9},
        }
    )
    mode = contract.engine["mode"]
    values = {"mode": "A B/C", "reason": "up & down", "pause_timers": True, "command_id": "x"}
    assert (mode.method, mode.request(values)) == ("PUT", ("/admin/A%20B%2FC/now?why=up+%26+down", None))
    assert mode.writes
    assert contract.engine["status"].read({"journal": {"head": 7}, "mode": "OPEN"})["sequence"] == 7
    assert contract.engine["status"].read([])["mode"] is None
    assert not contract.engine["finish"].offered
    assert (contract.our_mode("OPEN"), contract.our_mode(9), contract.our_mode("online")) == ("online", "halted", None)
    assert contract.gateway == contract_of({}).gateway or contract.gateway["ready"].path == "/control/ready"


def test_a_body_keeps_the_types_of_its_values_and_leaves_out_what_is_none() -> None:
    contract = contract_of(
        {"engine": {"verify": {"body": {"a": ["{sequence}", "at {sequence}"], "b": "{snapshot}", "c": 1}}}}
    )
    values = {"sequence": 5, "snapshot": None, "url": "u", "command_id": "x"}
    assert contract.engine["verify"].request(values)[1] == {"a": [5, "at 5"], "c": 1}
    assert contract.engine["proof"].request({"sequence": None})[0] == "/control/proof"
    assert contract.engine["proof"].request({"sequence": 5})[0] == "/control/proof?sequence=5"


def test_an_answer_that_does_not_fit_is_told_by_its_expression() -> None:
    contract = contract_of({"engine": {"status": {"answer": {"sequence": "length(head)"}}}})
    with pytest.raises(ValueError, match=r"answer\.sequence"):
        contract.engine["status"].read({"head": 7})


def test_the_default_is_the_documented_one() -> None:
    document = yaml.safe_load(API.read_text(encoding="utf-8"))
    assert document["openapi"].startswith("3.1")
    documented = {
        (side, method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for side in operation["tags"]
    }
    calls = {(side, call["method"], call["path"]): call for side, both in DEFAULT.items() for call in both.values()}
    assert documented.keys() == calls.keys()
    for key, call in calls.items():
        operation = documented[key]
        parameters = {one["name"] for one in operation.get("parameters", [])}
        assert parameters == set(call["query"]), key
        body = operation.get("requestBody")
        if body is None:
            assert call["body"] is None, key
            continue
        body = _resolved(document, body)
        assert body["content"]["application/json"]["schema"]["properties"].keys() == call["body"].keys(), key


def test_every_field_that_is_read_is_documented() -> None:
    document = yaml.safe_load(API.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for side, name in (("engine", "EngineStatus"), ("gateway", "GatewayStatus")):
        documented = schemas[name]["properties"]
        for expression in DEFAULT[side]["status"]["answer"].values():
            first, _dot, second = expression.partition(".")
            assert not second or second in documented[first]["properties"], expression
            assert first in documented
    assert DEFAULT["engine"]["proof"]["answer"].keys() == schemas["Proof"]["properties"].keys()


def _resolved(document: t.Any, part: t.Any) -> t.Any:
    while "$ref" in part:
        name = part["$ref"].removeprefix("#/").split("/")
        part = document
        for key in name:
            part = part[key]
    return part
