# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider against a real PowerDNS: what it writes, what is answered then, and what it takes back."""

from __future__ import annotations

import collections
import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import lua_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import chi_square_p
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Batch, Broken, Member, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.powerdns import PowerDns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver
from powerdns_server import CountingProxy, Health, PowerDnsServer, free_ports

Weights = dict[str, int]

ADDRESSES = {"us-east-1": ("127.1.0.1",), "eu-west-1": ("127.2.0.1", "127.2.0.2"), "ap-northeast-1": ("127.3.0.1",)}
NAMES = tuple(ADDRESSES)
_FEW: t.Final = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PowerDnsServer]:
    made = PowerDnsServer(tmp_path_factory.mktemp("powerdns"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of its own for each test: the server is one for all of them."""
    return f"{request.node.originalname.replace('_', '-')[:60]}.pincex.test."


@pytest.fixture
def proxy(server: PowerDnsServer) -> t.Iterator[CountingProxy]:
    made = CountingProxy(server.api.port)
    yield made
    made.stop()


def provider(server: PowerDnsServer, /, **changes: t.Any) -> PowerDns:
    return PowerDns.from_options({**server.options, **changes}, SystemClock())


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


def made(
    name: str, kind: str = "A", addresses: t.Mapping[str, tuple[str, ...]] = ADDRESSES, ttl: int = 30
) -> WeightedSet:
    """A set as it is before it exists."""
    members = tuple(Member(region, 0, targets) for region, targets in addresses.items())
    return WeightedSet(name, kind, members, dict.fromkeys(addresses, ttl))


def there(dns: PowerDns, name: str, kind: str = "A") -> WeightedSet:
    found = dns.read(name, kind, soon())
    assert found is not None
    return found


def change(dns: PowerDns, batch: Batch) -> None:
    """Write it and look at the answers, as a task does. What is answered wrongly is put back, and raised."""
    written = dns.write(batch, soon())
    try:
        dns.look(batch, written, soon())
    except Broken as broken:
        dns.write(broken.back, soon(), lost=True)
        raise


def create(server: PowerDnsServer, wanted: WeightedSet, weights: Weights) -> tuple[PowerDns, WeightedSet]:
    dns = provider(server)
    assert dns.read(wanted.name, wanted.type, soon()) is None
    change(dns, dns.batch(wanted, weights))
    return dns, there(dns, wanted.name, wanted.type)


def put(dns: PowerDns, found: WeightedSet, **weights: int) -> WeightedSet:
    by_region = {region.replace("_", "-"): weight for region, weight in weights.items()}
    change(dns, dns.batch(found, by_region))
    return there(dns, found.name, found.type)


def counted(server: PowerDnsServer, name: str, number: int, kind: str = "A") -> dict[str, int]:
    """Answers by region. Silence is asked again: on a machine with other work it says nothing about the record."""
    regions = {address: region for region, targets in ADDRESSES.items() for address in targets}
    resolver = Resolver(server.options["authority"], SystemClock(), "authority")
    found: collections.Counter[str] = collections.Counter()
    until = soon(60)
    while (left := number - found.total()) and time.monotonic() < until:
        for answer in resolver.ask(name, kind, left, until):
            if answer.values or not answer.problem.startswith("no answer"):
                found[regions.get(answer.values[0], answer.values[0]) if answer.values else answer.problem] += 1
    return dict(found)


def test_a_set_is_made_changed_and_read_back(server: PowerDnsServer, name: str) -> None:
    dns, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    assert found.weights == {"us-east-1": 50, "eu-west-1": 50, "ap-northeast-1": 0}
    assert (found.ttl, found.owner, set(found.ttls)) == (30, None, set(NAMES))
    assert [member.targets for member in found.members] == list(ADDRESSES.values())
    changed = put(dns, found, ap_northeast_1=10)
    assert changed.weights == {"us-east-1": 50, "eu-west-1": 50, "ap-northeast-1": 10}
    assert changed.members[0] == found.members[0]


def test_shares_are_the_weights_and_a_region_of_weight_0_gets_nothing(server: PowerDnsServer, name: str) -> None:
    dns, found = create(server, made(name), {"us-east-1": 70, "eu-west-1": 20, "ap-northeast-1": 10})
    counts = counted(server, name, 2000)
    statistic = sum((counts[one] - 20 * weight) ** 2 / (20 * weight) for one, weight in found.weights.items())
    assert sum(counts.values()) == 2000
    assert chi_square_p(statistic, 2) > 1e-6, counts
    put(dns, found, us_east_1=0)
    counts = counted(server, name, 2000)
    assert set(counts) == {"eu-west-1", "ap-northeast-1"}
    assert 1200 < counts["eu-west-1"] < 1470, counts


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("AAAA", {"us-east-1": ("2001:db8::1",), "eu-west-1": ("2001:db8::2",)}),
        ("CNAME", {"us-east-1": ("us.pincex.test.",), "eu-west-1": ("eu.pincex.test.",)}),
    ],
)
def test_other_types(server: PowerDnsServer, name: str, kind: str, addresses: dict[str, tuple[str, ...]]) -> None:
    name = f"{kind.lower()}.{name}"
    dns, found = create(server, made(name, kind, addresses), {"us-east-1": 50, "eu-west-1": 50})
    assert set(counted(server, name, _FEW, kind)) == {targets[0] for targets in addresses.values()}
    put(dns, found, us_east_1=0)
    assert set(counted(server, name, _FEW, kind)) == {addresses["eu-west-1"][0]}


def test_two_types_of_one_name_leave_each_other_alone(server: PowerDnsServer, name: str) -> None:
    dns, found = create(server, made(name), {"us-east-1": 1})
    six = {"us-east-1": ("2001:db8::1",), "eu-west-1": ("2001:db8::2",)}
    _, other = create(server, made(name, "AAAA", six), {"eu-west-1": 1})
    assert there(dns, name).weights == found.weights
    put(dns, other, us_east_1=3)
    assert put(dns, there(dns, name), eu_west_1=2).weights == {"us-east-1": 1, "eu-west-1": 2, "ap-northeast-1": 0}
    assert there(dns, name, "AAAA").weights == {"us-east-1": 3, "eu-west-1": 1}


def test_twenty_regions_stay_within_what_the_server_lets_a_record_do(server: PowerDnsServer, name: str) -> None:
    many = {f"region-{number}": (f"127.4.0.{number}",) for number in range(1, 21)}
    members = tuple(
        Member(region, 0, targets, health=f"http://127.0.0.1:1/{region}") for region, targets in many.items()
    )
    dns = provider(server)
    change(dns, dns.batch(WeightedSet(name, "A", members, dict.fromkeys(many, 30)), dict.fromkeys(many, 5)))
    assert set(counted(server, name, 2000)) == {targets[0] for targets in many.values()}


def test_the_zone_is_never_read_as_a_whole(server: PowerDnsServer, proxy: CountingProxy, name: str) -> None:
    create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    dns = provider(server, url=proxy.url)

    def asked() -> tuple[int, int]:
        proxy.seen.clear()
        proxy.sizes.clear()
        found = there(dns, name)
        put(dns, found, us_east_1=found.weights["us-east-1"] + 1)
        return len(proxy.seen), max(proxy.sizes)

    requests, largest = asked()
    server.fill(10_000)
    assert asked() == (requests, largest)
    # Read; compare, write, read back; read again here.
    assert requests == 2 + 3 + 2
    assert all(method == "PATCH" or "rrset_name=" in path for method, path in proxy.seen)


def test_the_answers_follow_the_health_urls(server: PowerDnsServer, name: str) -> None:
    us, eu = Health(), Health()
    try:
        members = (
            Member("us-east-1", 0, ("127.1.0.1",), health=us.url),
            Member("eu-west-1", 0, ("127.2.0.1",), health=eu.url),
        )
        dns = provider(server)
        wanted = WeightedSet(name, "A", members, dict.fromkeys(("us-east-1", "eu-west-1"), 30))
        change(dns, dns.batch(wanted, {"us-east-1": 50, "eu-west-1": 50}))
        found = there(dns, name)
        assert found.members == tuple(Member(one.region, 50, one.targets, health=one.health) for one in members)
        assert dns.healthy(found, soon()) == {"us-east-1": True, "eu-west-1": True}

        def answered(wanted: set[str]) -> bool:
            until = soon()
            while set(counted(server, name, 50)) != wanted:
                if time.monotonic() > until:
                    return False
                time.sleep(0.1)
            return True

        us.status = 503
        assert answered({"eu-west-1"})
        assert dns.healthy(found, soon()) == {"us-east-1": False, "eu-west-1": True}
        eu.stop()
        assert dns.healthy(found, soon()) == {"us-east-1": False, "eu-west-1": False}
        assert answered({"us-east-1", "eu-west-1"}), "when none is up, all are answered"
    finally:
        us.stop()


def test_a_set_without_urls_is_neither_up_nor_down(server: PowerDnsServer, name: str) -> None:
    dns, found = create(server, made(name), {"us-east-1": 1})
    assert dns.healthy(found, soon()) == dict.fromkeys(NAMES)


def test_a_record_that_was_changed_since_it_was_read_is_not_written_over(server: PowerDnsServer, name: str) -> None:
    dns, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    batch = dns.batch(found, {"us-east-1": 0})
    (content,) = server.contents(name)
    server.change(name, "LUA", content.replace("',50,'", "',49,'"))
    with pytest.raises(ReleaseError, match="nothing was written") as caught:
        dns.write(batch, soon())
    assert caught.value.kind == "conflict"
    assert there(dns, name).weights["us-east-1"] == 49
    server.change(name, "LUA", content, ttl=31)
    with pytest.raises(ReleaseError, match="nothing was written"):
        dns.write(batch, soon())
    server.change(name, "LUA")
    with pytest.raises(ReleaseError, match="nothing was written"):
        dns.write(batch, soon())


def test_a_set_that_appeared_meanwhile_is_not_written_over(server: PowerDnsServer, name: str) -> None:
    dns = provider(server)
    assert dns.read(name, "A", soon()) is None
    create(server, made(name), {"us-east-1": 1})
    with pytest.raises(ReleaseError, match="nothing was written"):
        dns.write(dns.batch(made(name), {"eu-west-1": 1}), soon())
    assert there(dns, name).weights["us-east-1"] == 1


def test_somebody_who_writes_right_after_us_is_told_of(server: PowerDnsServer, proxy: CountingProxy, name: str) -> None:
    _, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    content = lua_record.compose("A", (Member("us-east-1", 1, ("127.1.0.1",)),))

    def after(method: str) -> bool:
        if method == "PATCH":
            server.change(name, "LUA", content)
        return False

    proxy.lose_answer = after
    with pytest.raises(ReleaseError, match="somebody else") as caught:
        put(provider(server, url=proxy.url), found, us_east_1=0)
    assert caught.value.kind == "read_back"
    assert server.contents(name) == [content]


@pytest.mark.parametrize("exists", [True, False])
def test_a_write_that_makes_the_server_fail_is_taken_back(
    server: PowerDnsServer, name: str, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    name = f"{'there' if exists else 'new'}.{name}"
    dns = provider(server)
    before = made(name)
    if exists:
        dns, before = create(server, before, {"us-east-1": 50, "eu-west-1": 50})
    stood = server.contents(name)
    # What PowerDNS 4.7 lacks. The API takes it all the same.
    monkeypatch.setattr(lua_record, "_CODE", lua_record._CODE.replace("pickwrandom", "pickchashed"))
    with pytest.raises(ReleaseError, match="SERVFAIL") as caught:
        change(dns, dns.batch(before, {"us-east-1": 60}))
    assert caught.value.kind == "broken"
    assert server.contents(name) == stood
    assert set(counted(server, name, 20)) == ({"us-east-1", "eu-west-1"} if exists else {"NXDOMAIN"})


def test_an_answer_that_is_nobodys_is_taken_back(
    server: PowerDnsServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns, found = create(server, made(name), {"us-east-1": 50})
    stood = server.contents(name)
    monkeypatch.setattr(lua_record, "_CODE", "return '127.9.9.9'")
    with pytest.raises(ReleaseError, match=r"127\.9\.9\.9 was answered"):
        change(dns, dns.batch(found, {"us-east-1": 60}))
    assert server.contents(name) == stood


def test_a_broken_record_that_somebody_else_mends_is_left_to_him(
    server: PowerDnsServer, proxy: CountingProxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, found = create(server, made(name), {"us-east-1": 50})
    (stood,) = server.contents(name)
    mended = stood.replace("',50,'", "',51,'")
    dns = provider(server, url=proxy.url)
    monkeypatch.setattr(lua_record, "_CODE", "return {'")
    reads: list[str] = []

    def mend(method: str, _path: str, _body: bytes) -> None:
        reads.append(method)
        # Compared, written, read back; and now it is looked at before it is put back.
        if reads.count("GET") == 3:
            server.change(name, "LUA", mended)

    proxy.before = mend
    with pytest.raises(ReleaseError, match="nothing was written") as caught:
        change(dns, dns.batch(found, {"us-east-1": 60}))
    assert caught.value.kind == "conflict"
    assert server.contents(name) == [mended]


def test_a_lost_answer_is_no_second_write(server: PowerDnsServer, proxy: CountingProxy, name: str) -> None:
    _, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    lost: list[str] = []

    def lose(method: str) -> bool:
        if method == "PATCH" and not lost:
            lost.append(method)
            return True
        return False

    proxy.lose_answer = lose
    assert put(provider(server, url=proxy.url), found, us_east_1=0).weights["us-east-1"] == 0
    assert [method for method, _ in proxy.seen].count("PATCH") == 1


def test_a_lost_answer_and_somebody_elses_record_are_not_written_over(
    server: PowerDnsServer, proxy: CountingProxy, name: str
) -> None:
    _, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    content = server.contents(name)[0].replace("',50,'", "',49,'")

    def lose(method: str) -> bool:
        return method == "PATCH" and server.change(name, "LUA", content) == 204

    proxy.lose_answer = lose
    with pytest.raises(ReleaseError, match="not known") as caught:
        put(provider(server, url=proxy.url), found, us_east_1=0)
    assert caught.value.kind == "read_back"
    assert server.contents(name) == [content]


def test_a_server_that_is_away_for_a_moment_is_asked_again(
    server: PowerDnsServer, proxy: CountingProxy, name: str
) -> None:
    _, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})

    def away(_method: str, _path: str, _body: bytes) -> tuple[int, bytes] | None:
        return (502, b"bad gateway") if len(proxy.seen) in (1, 4) else None

    proxy.before = away
    assert put(provider(server, url=proxy.url), found, us_east_1=0).weights["us-east-1"] == 0


def test_an_authority_that_does_not_answer_is_found_out_before_the_write(server: PowerDnsServer, name: str) -> None:
    _, found = create(server, made(name), {"us-east-1": 50})
    dns = provider(server, authority=f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(ReleaseError, match="nothing was written") as caught:
        put(dns, found, us_east_1=60)
    assert caught.value.kind == "unreachable"
    assert there(dns, name).weights["us-east-1"] == 50


def test_nothing_is_sent_after_the_lock_has_ended(server: PowerDnsServer, proxy: CountingProxy, name: str) -> None:
    _, found = create(server, made(name), {"us-east-1": 50, "eu-west-1": 50})
    dns = provider(server, url=proxy.url)
    batch = dns.batch(found, {"us-east-1": 0})
    with pytest.raises(ReleaseError) as caught:
        dns.write(batch, soon(), time.monotonic())
    assert (caught.value.retriable, caught.value.unsure) == (True, False)
    assert "PATCH" not in [method for method, _ in proxy.seen]
    # The lock ends while the record is compared.
    proxy.before = lambda _method, _path, _body: time.sleep(1.2)
    with pytest.raises(ReleaseError) as caught:
        dns.write(batch, soon(), soon(1.0))
    assert (caught.value.retriable, caught.value.unsure) == (True, False)
    assert "PATCH" not in [method for method, _ in proxy.seen]
    proxy.before = None
    dns.write(batch, soon(), soon())
    assert there(provider(server), name).weights["us-east-1"] == 0


@pytest.mark.parametrize(("txt", "beside"), [("", True), ("a-", True), ("aaaa-", False)])
def test_what_external_dns_owns_is_told(server: PowerDnsServer, name: str, txt: str, beside: bool) -> None:
    name = f"{txt or 'plain-'}owned.{name}"
    dns, _ = create(server, made(name), {"us-east-1": 50})
    text = "heritage=external-dns,external-dns/owner=cluster-1,external-dns/resource=ingress/x/y"
    server.change(f"{txt}{name}", "TXT", '"v=spf1 -all"', f'"{text}"')
    assert there(dns, name).owner == (text if beside else None)


@pytest.mark.parametrize(
    ("record", "problem", "said"),
    [
        (("LUA", "A \"pickwrandom({ {70,'127.0.1.1'} })\""), "not_weighted", "did not write"),
        (("A", "192.0.2.1"), "not_weighted", "plain A record"),
        (("CNAME", "host.pincex.test."), "not_weighted", "plain CNAME record"),
        (("LUA", 'A ";--[[dns_weight:v1]]local m={} return m"'), "broken", "edited by hand"),
    ],
)
def test_a_record_that_is_no_set_of_ours_is_refused(
    server: PowerDnsServer, name: str, record: tuple[str, str], problem: str, said: str
) -> None:
    name = f"{problem.replace('_', '-')}-{record[0].lower()}.{name}"
    assert server.change(name, *record) == 204
    with pytest.raises(ReleaseError, match=said) as caught:
        provider(server).read(name, "A", soon())
    assert (caught.value.kind, caught.value.system) == (problem, "powerdns")


def test_what_is_wrong_with_the_access_is_told_without_the_key(
    server: PowerDnsServer, tmp_path: pathlib.Path, name: str
) -> None:
    key = tmp_path / "key"
    key.write_text("not-the-key")
    for changes, kind in (
        ({"api_key_file": str(key)}, "auth"),
        ({"zone": "other.test."}, "not_found"),
        ({"server": "other"}, "not_found"),
        ({"url": f"http://127.0.0.1:{free_ports(1)[0]}"}, "unreachable"),
    ):
        asked = name.replace("pincex.test.", str(changes.get("zone", "pincex.test.")))
        with pytest.raises(ReleaseError) as caught:
            provider(server, **changes).read(asked, "A", soon(1.0))
        assert caught.value.kind == kind, caught.value.message
        assert "not-the-key" not in json.dumps([caught.value.message, caught.value.to_result()])
