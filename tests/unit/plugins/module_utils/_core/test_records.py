# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a journal survives being written down."""

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    Change,
    Entry,
    FleetRef,
    ReleaseRef,
    pack,
    pack_document,
    refuse_what_has_no_room,
    unpack,
)
from hypothesis import given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)
CHANGES = st.builds(
    Change,
    ref=st.builds(Ref, st.just("apps/v1"), st.just("Deployment"), st.text(max_size=9), st.none() | st.just("exchange")),
    op=st.sampled_from(["apply", "set", "delete", "weights"]),
    fields=st.dictionaries(st.text(max_size=8), st.fixed_dictionaries({"before": JSON, "after": JSON}), max_size=3),
    before=st.none() | OBJECTS,
    after=st.none() | OBJECTS,
)
ENTRIES = st.builds(
    Entry,
    number=st.integers(1, 9999),
    step=st.text(max_size=20),
    mark=st.text(max_size=12),
    at=st.floats(0, 4e9),
    changes=st.lists(CHANGES, max_size=3).map(tuple),
    done=st.booleans(),
    failed=st.none() | st.text(max_size=20),
)

RELEASE = ReleaseRef(
    id="r1",
    kind="deploy",
    holder="r1/host/7",
    token=3,
    namespace="exchange",
    controller_pid=7,
    controller_started="",
    fleet=FleetRef("/etc/kubeconfig", "management", "pincex-fleet"),
    lease_s=6.0,
    renew_s=2.0,
)


@settings(max_examples=60, deadline=None)
@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert Entry.from_text(entry.to_text()) == entry


def test_an_entry_is_readable_but_for_the_manifests() -> None:
    change = Change(
        Ref("v1", "Service", "s", "exchange"), "set", {"spec.x": {"before": 1, "after": 2}}, {"a": 1}, {"a": 2}
    )
    text = json.loads(Entry(1, "core-api 10 %", "m", 1.0, (change,)).to_text())
    assert text["changes"][0]["fields"] == {"spec.x": {"before": 1, "after": 2}}
    assert "before" not in text["changes"][0]


@settings(max_examples=30, deadline=None)
@given(OBJECTS)
def test_a_document_comes_back_and_packs_the_same_each_time(document: dict[str, object]) -> None:
    assert unpack(pack(document)) == document
    assert pack(document) == pack(json.loads(json.dumps(document)))


def test_a_release_travels_as_an_option() -> None:
    assert ReleaseRef.from_option(json.loads(json.dumps(RELEASE.to_option()))) == RELEASE


@pytest.mark.parametrize("missing", ["id", "token", "fleet", "controller_pid", "lease_s"])
def test_a_release_that_is_not_ours_is_refused(missing: str) -> None:
    option = RELEASE.to_option()
    del option[missing]
    with pytest.raises(OptionError, match=f"release: .*{missing}"):
        ReleaseRef.from_option(option)


def test_a_release_with_a_crooked_fleet_is_refused() -> None:
    with pytest.raises(OptionError, match="release: "):
        ReleaseRef.from_option({**RELEASE.to_option(), "fleet": "management"})


def test_a_document_never_holds_a_secret() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}, "data": {"password": "eA=="}}
    with pytest.raises(OptionError, match="before: holds the Secret database") as caught:
        pack_document("before", {"objects": [secret]})
    assert "eA==" not in str(caught.value)


def test_a_document_that_is_too_large_is_refused_with_both_sizes() -> None:
    noise = random.Random(7).randbytes(700_000).hex()
    with pytest.raises(
        OptionError, match=r"revision: is \d+ kB even compressed, and the limit of a ConfigMap is 900 kB"
    ):
        pack_document("revision", {"objects": [{"kind": "ConfigMap", "data": {"x": noise}}]})


def noise(kilobytes: int) -> list[dict[str, object]]:
    """A manifest of about that size when it is packed: base64 of what gzip makes of hex."""
    text = random.Random(7).randbytes(kilobytes * 700).hex()
    return [{"kind": "ConfigMap", "data": {"x": text}}]


def test_a_journal_that_could_not_hold_every_write_is_refused_before_it_begins() -> None:
    refuse_what_has_no_room({"objects": noise(400)}, noise(150))
    refuse_what_has_no_room({"objects": noise(800)}, [])
    with pytest.raises(
        OptionError,
        match=r"^before: is 4\d\d kB compressed and the writes of this release are up to 6\d\d kB, and the journal has "
        r"900 kB for both; release fewer services at once",
    ):
        refuse_what_has_no_room({"objects": noise(400)}, noise(300))
