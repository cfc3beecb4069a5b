# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib

import pytest

from lab import model
from lab.flow.names import Resolving
from lab.flow.plan import Plan, PlanError, make_plan, parser

GATEWAY = ("--gateway", "eu=http://g:1/", "--engine", "eu=http://e:1")


def plan(*options: str) -> Plan:
    return make_plan(parser().parse_args(["run", *options]))


def test_options_alone_are_enough() -> None:
    made = plan(*GATEWAY, "--rate", "50", "--bad", "v4,v5")
    assert made.gateways == {"eu": "http://g:1"}
    assert made.engines == {"eu": "http://e:1"}
    assert (made.rate, made.seconds, made.kubeconfig, made.bad_versions) == (50, None, None, ("v4", "v5"))


def test_the_lab_says_the_rest(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    (tmp_path / "test").mkdir()
    state = {"kubeconfig": "/k", "regions": {"us": {"gateway_url": "http://u"}, "eu": {"gateway_url": "http://e"}}}
    (tmp_path / "test" / "state.json").write_text(json.dumps(state))
    made = plan("--name", "test")
    assert list(made.gateways.items()) == [("eu", "http://e"), ("us", "http://u")]
    assert made.kubeconfig == pathlib.Path("/k")
    made = plan("--name", "test", "--gateway", "eu=http://other")
    assert (made.gateways, made.kubeconfig) == ({"eu": "http://other"}, pathlib.Path("/k"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((*GATEWAY, "--rate", "0"), "--rate"),
        ((*GATEWAY, "--rate", "nan"), "--rate"),
        ((*GATEWAY, "--seconds", "-1"), "--seconds"),
        ((*GATEWAY, "--in-flight", "0"), "--in-flight"),
        (("--gateway", "eu"), "--gateway eu"),
        (("--gateway", "eu=ftp://x"), "--gateway eu=ftp://x"),
        ((*GATEWAY, "--engine", "us=http://e:1"), "--engine us"),
        (("--name", "test"), "--name test"),
    ],
)
def test_bad_options_are_named(
    options: tuple[str, ...], named: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    with pytest.raises(PlanError) as caught:
        plan(*options)
    assert str(caught.value).startswith(named)


def test_names_are_the_labs_or_given(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    (tmp_path / "test").mkdir()
    state = {"kubeconfig": "/k", "regions": {"us": {"gateway_url": "http://u"}}}
    state_file = tmp_path / "test" / "state.json"
    state_file.write_text(json.dumps(state))
    assert plan("--name", "test").resolving is None
    with pytest.raises(PlanError, match="has no names"):
        plan("--name", "test", "--resolve")
    state_file.write_text(json.dumps({**state, "dns": {"name": "api.pincex.test.", "resolvers": ["r:1", "r:2"]}}))
    assert plan("--name", "test", "--resolve").resolving == Resolving("api.pincex.test.", ("r:1", "r:2"))
    given = ("--resolve", "x.test.", "--resolver", "q:1")
    assert plan("--name", "test", *given).resolving == Resolving("x.test.", ("q:1",))
    assert plan(*GATEWAY, *given).resolving == Resolving("x.test.", ("q:1",))


@pytest.mark.parametrize("options", [("--resolver", "q:1"), ("--resolve", "x.", "--resolver", "q")])
def test_a_resolver_needs_a_name_and_a_port(options: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match="--resolver"):
        plan(*GATEWAY, *options)
