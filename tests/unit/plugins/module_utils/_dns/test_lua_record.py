# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the LUA record of a set, and what may not."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import lua_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.lua_record import Edited, compose, kind_of, read
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member
from hypothesis import given, settings
from hypothesis import strategies as st

US = Member("us-east-1", 70, ("198.18.1.2",), health="http://198.18.1.2/ready")
EU = Member("eu-west-1", 30, ("198.18.2.2", "198.18.2.3"), health="http://198.18.2.2/ready")

REGIONS = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}\Z").filter(lambda text: "\n" not in text)
ADDRESSES = {
    "A": st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number))),
    "AAAA": st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number))),
    "CNAME": st.from_regex(r"\A([a-z0-9_]{1,10}\.){1,4}\Z").filter(lambda text: "\n" not in text),
}


@st.composite
def sets(draw: st.DrawFn) -> tuple[str, tuple[Member, ...]]:
    kind = draw(st.sampled_from(lua_record.KINDS))
    names = draw(st.lists(REGIONS, min_size=1, max_size=6, unique=True))
    each = 1 if kind == "CNAME" else 3
    targets = draw(st.lists(ADDRESSES[kind], min_size=each * len(names), max_size=each * len(names), unique=True))
    path = draw(st.text("abcXYZ019-._~/?[]!$&()*+,;=%", max_size=20))
    asked = draw(st.booleans())
    members = tuple(
        Member(
            name,
            draw(st.integers(0, lua_record.LARGEST_WEIGHT)),
            tuple(targets[place * each : place * each + draw(st.integers(1, each))]),
            health=f"https://region-{place}.example:8443/{path}" if asked else None,
        )
        for place, name in enumerate(names)
    )
    return kind, members


@settings(max_examples=100, deadline=None)
@given(sets())
def test_what_was_composed_is_read_back(made: tuple[str, tuple[Member, ...]]) -> None:
    kind, members = made
    if not any(member.weight for member in members):
        members = (dataclasses.replace(members[0], weight=1), *members[1:])
    content = compose(kind, members)
    assert (kind_of(content), read(content)) == (kind, members)
    assert content.count('"') == 2, "a quote inside would end the content of the record"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["region", "target", "health"]), st.text(min_size=1, max_size=30))
def test_nothing_ends_a_string_of_lua_or_the_record(field: str, text: str) -> None:
    changes: dict[str, t.Any] = {
        "region": {"region": text},
        "target": {"targets": (text,)},
        "health": {"health": f"http://198.18.1.2/{text}"},
    }[field]
    for kind in lua_record.KINDS:
        member = dataclasses.replace(US, **changes)
        if kind != "A" and field != "target":
            member = dataclasses.replace(member, targets=("2001:db8::1" if kind == "AAAA" else "a.example.",))
        try:
            content = compose(kind, (member,))
        except OptionError:
            continue
        assert read(content) == (member,)
        data = content.partition("local m=")[2].partition("} local k")[0]
        assert re.fullmatch(r"\{\{'[^'\"\\\s]+',\d+,'[^'\"\\\s]*',\{'[^'\"\\\s]+'\}\}", data), data


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_record_that_was_edited_is_never_read_as_another_set(data: st.DataObject) -> None:
    content = compose("A", (US, EU))
    place = data.draw(st.integers(0, len(content) - 1))
    edited = content[:place] + data.draw(st.text("019'{},\"; ax", max_size=2)) + content[place + 1 :]
    try:
        members = read(edited)
    except Edited:
        return
    assert members is None or compose(kind_of(edited), members) == edited


def test_weights_that_were_edited_in_the_table_count() -> None:
    content = compose("A", (US, EU))
    assert [member.weight for member in read(content.replace("',70,'", "',0,'")) or ()] == [0, 30]
    nobody = content.replace("',70,'", "',0,'").replace("',30,'", "',0,'")
    assert [member.weight for member in read(nobody) or ()] == [0, 0], "so that it can be mended"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#t==0", "#t==1"),
        ("',70,'", "', 70,'"),
        ("',70,'", "',070,'"),
        ("',70,'", "',-1,'"),
        ("',70,'", "',9999999,'"),
        ("'198.18.1.2'", "'us.example.'"),
        ("'198.18.1.2'", "'198.18.2.3'"),
        ("http://198.18.1.2/ready", ""),
        ("us-east-1", "eu-west-1"),
    ],
)
def test_what_else_was_edited_is_told(old: str, new: str) -> None:
    content = compose("A", (US, EU))
    assert old in content
    with pytest.raises(Edited, match="edited by hand"):
        read(content.replace(old, new))


def test_a_record_of_somebody_else_is_not_ours() -> None:
    assert read("A \"pickwrandom({ {70,'127.0.1.1'}, {20,'127.0.2.1'} })\"") is None


@pytest.mark.parametrize(
    ("kind", "changes", "option"),
    [
        ("MX", {}, "type"),
        ("A", {"region": "us'east"}, "members"),
        ("A", {"region": ""}, "members"),
        ("A", {"weight": -1}, "weights.us-east-1"),
        ("A", {"weight": True}, "weights.us-east-1"),
        ("A", {"weight": 1_000_001}, "weights.us-east-1"),
        ("A", {"targets": ()}, "members.us-east-1.targets"),
        ("A", {"targets": ("198.18.1.2\n",)}, "members.us-east-1.targets"),
        ("A", {"targets": ("2001:db8::1",)}, "members.us-east-1.targets"),
        ("AAAA", {"targets": ("fe80::1%eth0",)}, "members.us-east-1.targets"),
        ("AAAA", {"targets": ("2001:DB8::1",)}, "members.us-east-1.targets"),
        ("CNAME", {"targets": ("a.example",)}, "members.us-east-1.targets"),
        ("CNAME", {"targets": ("a.example.", "b.example.")}, "members.us-east-1.targets"),
        ("CNAME", {"targets": (f"{'a' * 64}.example.",)}, "members.us-east-1.targets"),
        ("A", {"alias": "lb.example."}, "members.us-east-1"),
        ("A", {"health": "ftp://198.18.1.2/"}, "members.us-east-1.health"),
        ("A", {"health": "http://user:secret@198.18.1.2/"}, "members.us-east-1.health"),
        ("A", {"health": "http://198.18.1.2/'..os.exit()..'"}, "members.us-east-1.health"),
        ("A", {"health": "http://198.18.1.2:x/"}, "members.us-east-1.health"),
        ("A", {"health": "http://[::1/"}, "members.us-east-1.health"),
        ("A", {"health": None}, "members.us-east-1.health"),
        ("A", {"health": EU.health}, "members"),
        ("A", {"targets": EU.targets}, "members"),
        ("A", {"region": "eu-west-1"}, "members"),
    ],
)
def test_what_may_not_stand_in_a_record_is_named(kind: str, changes: dict[str, t.Any], option: str) -> None:
    member = dataclasses.replace(US, **changes)
    other = EU
    if kind == "AAAA":
        other = dataclasses.replace(EU, targets=("2001:db8::2",))
    if kind == "CNAME":
        other = dataclasses.replace(EU, targets=("eu.example.",))
    with pytest.raises(OptionError) as caught:
        compose(kind, (member, other))
    assert caught.value.option == option


def test_weights_of_nothing_but_zero_are_never_written() -> None:
    with pytest.raises(OptionError, match="SERVFAIL"):
        compose("A", (dataclasses.replace(US, weight=0), dataclasses.replace(EU, weight=0)))


def test_a_set_has_regions() -> None:
    with pytest.raises(OptionError, match="1 to 250 regions, not 0"):
        compose("A", ())
