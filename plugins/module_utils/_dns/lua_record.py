# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerDNS LUA record of a weighted set: composed from the members, and read back. No I/O.

The members stand in the record once, as the table that the code below it works on: a copy of the weights in a comment
of the record set would be a second truth, is lost with a backend that keeps no comments, and does not reach servers
that get the zone by transfer. A weight that somebody changes by hand in the table counts. A change of the code does
not: then nobody can say what the record answers, and it is refused.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
import urllib.parse
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member

KINDS: t.Final = ("A", "AAAA", "CNAME")
#: The server adds the weights up in 32 bits.
LARGEST_WEIGHT: t.Final = 1_000_000
#: Each member has an address of 127.0.0.0/24 as its key.
_MOST_MEMBERS: t.Final = 250

#: The version of the code that follows. A server that answers by another one is read by the rules of that one.
_MARK: t.Final = "--[[dns_weight:v1]]"
#: pickwrandom and ifurlextup of PowerDNS 4.7 know addresses only, so a member goes by one of its own: then a region may
#: have several addresses, or a name. ifurlextup asks the URLs in the background, those of weight 0 too: a region that
#: comes back is known to be up by then. When none is up, or none was asked yet, all are answered.
_CODE: t.Final = (
    "local k,h,s,t={},{},{},{} "
    "for i,v in ipairs(m) do local a='127.0.0.'..i k[a]=v if v[3]~='' then h[a]=v[3] end "
    "if v[2]>0 then s[#s+1]={v[2],a} end end "
    "if next(h) then for _,a in ipairs(ifurlextup({h},{selector='all',backupSelector='all',timeout=2})) do "
    "if k[a][2]>0 then t[#t+1]={k[a][2],a} end end end "
    "if #t==0 then t=s end return k[pickwrandom(t)][4]"
)

_REGION: t.Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# What RFC 3986 allows, without what ends a string of Lua ('), without what begins a fragment, which is never sent (#),
# and without what follows a user and a password (@).
_URL: t.Final = re.compile(r"https?://[A-Za-z0-9\-._~:/?\[\]!$&()*+,;=%]{1,500}")
_NAME: t.Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+")
_STRING: t.Final = r"'([^'\"\\]*)'"
_MEMBER: t.Final = re.compile(rf"\{{{_STRING},([0-9]{{1,7}}),{_STRING},\{{((?:'[^'\"\\]*',?)+)\}}\}}")
_RECORD: t.Final = re.compile(rf'([A-Z]+) ";{re.escape(_MARK)}local m=\{{(.*?)\}} {re.escape(_CODE)}"', re.DOTALL)


class Edited(ValueError):
    """The record has our mark, and something in it was changed that we cannot read."""


def kind_of(content: str) -> str:
    """The type of the answers of a LUA record."""
    return content.partition(" ")[0]


def compose(kind: str, members: Sequence[Member]) -> str:
    """The content of the record. Raises OptionError for what may not stand in it: nothing reaches Lua unchecked."""
    problem = _problem(kind, members)
    if problem is None and not any(member.weight for member in members):
        problem = ("weights", "a set whose weights are all 0 makes PowerDNS answer SERVFAIL")
    if problem is not None:
        raise OptionError(*problem)
    return _text(kind, members)


def read(content: str) -> tuple[Member, ...] | None:
    """The members as they stand in the record; None for a record that has not our mark. Raises Edited."""
    if _MARK not in content:
        return None
    whole = _RECORD.fullmatch(content)
    if whole is None:
        raise Edited("its Lua code was edited by hand")
    members = tuple(
        Member(region, int(weight), tuple(re.findall(_STRING, targets)), health=health or None)
        for region, weight, health, targets in _MEMBER.findall(whole[2])
    )
    # Whatever the expressions above have passed over is missing here.
    if _text(whole[1], members) != content:
        raise Edited("its table of members was edited by hand and cannot be read")
    problem = _problem(whole[1], members)
    if problem is not None:
        raise Edited(f"its table of members was edited by hand: {problem[0]}: {problem[1]}")
    return members


def _text(kind: str, members: Sequence[Member]) -> str:
    rows = []
    for member in members:
        targets = ",".join(f"'{target}'" for target in member.targets)
        rows.append(f"{{'{member.region}',{member.weight},'{member.health or ''}',{{{targets}}}}}")
    return f'{kind} ";{_MARK}local m={{{",".join(rows)}}} {_CODE}"'


def _problem(kind: str, members: Sequence[Member]) -> tuple[str, str] | None:
    """The option and what is wrong with it; None when all is well."""
    if kind not in KINDS:
        return "type", f"{kind} is none of {', '.join(KINDS)}"
    if not 1 <= len(members) <= _MOST_MEMBERS:
        return "members", f"a set has 1 to {_MOST_MEMBERS} regions, not {len(members)}"
    for member in members:
        problem = _problem_of(kind, member)
        if problem is not None:
            return problem
    return _problem_between(members)


def _problem_of(kind: str, member: Member) -> tuple[str, str] | None:
    if _REGION.fullmatch(member.region) is None:
        return "members", f"{member.region!r} is no name of a region: letters, digits, dots, hyphens, underscores"
    option = f"members.{member.region}"
    # True is an int to Python.
    whole = isinstance(member.weight, int) and not isinstance(member.weight, bool)
    if not whole or not 0 <= member.weight <= LARGEST_WEIGHT:
        return f"weights.{member.region}", f"{member.weight!r} is no whole number from 0 to {LARGEST_WEIGHT}"
    if member.alias is not None:
        return option, "PowerDNS has no aliases; use the type CNAME"
    if member.health is not None and not _is_url(member.health):
        return f"{option}.health", f"{member.health!r} is no http or https URL without user, fragment and quotes"
    problem = _problem_of_targets(kind, member.targets)
    return None if problem is None else (f"{option}.targets", problem)


def _problem_of_targets(kind: str, targets: Sequence[str]) -> str | None:
    if not targets or (kind == "CNAME" and len(targets) > 1):
        return f"{kind} needs {'one name' if kind == 'CNAME' else 'an address'}"
    odd = next((target for target in targets if not _fits(kind, target)), None)
    if odd is None:
        return None
    return (
        f"{odd!r} is not {'a name that ends with a dot' if kind == 'CNAME' else f'the usual form of an {kind} address'}"
    )


def _problem_between(members: Sequence[Member]) -> tuple[str, str] | None:
    for what, values in (
        ("the region", [member.region for member in members]),
        ("the target", [target for member in members for target in member.targets]),
        ("the health URL", [member.health for member in members if member.health]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            return "members", f"{what} {twice} stands there twice, so regions cannot be told from each other"
    asked = [member.region for member in members if member.health]
    if asked and len(asked) < len(members):
        rest = min({member.region for member in members} - set(asked))
        return f"members.{rest}.health", "is missing; give every region of the set a health URL, or none"
    return None


def _fits(kind: str, target: str) -> bool:
    if kind == "CNAME":
        return len(target) <= 254 and _NAME.fullmatch(target) is not None
    try:
        # The zone index of fe80::1%eth0 is a part of no record, and answers are compared with the usual form.
        found = ipaddress.IPv4Address(target) if kind == "A" else ipaddress.IPv6Address(target)
    except ValueError:
        return False
    return str(found) == target and "%" not in target


def _is_url(text: str) -> bool:
    if _URL.fullmatch(text) is None:
        return False
    try:
        parts = urllib.parse.urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
