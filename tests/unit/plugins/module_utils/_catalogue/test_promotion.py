# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revision may go on to the next environment."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.promotion import (
    Request,
    promotion,
    request_problems,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]
NOW: t.Final = 1_800_000_000.0
SERVICES: t.Final = {"core-api": {}, "reference-data": {}}
CLUSTER: t.Final = {"kubeconfig": "k", "context": "development-management", "namespace": "pincex-fleet"}
OWN: t.Final = {**CLUSTER, "context": "staging-management"}


def ask(**more: t.Any) -> Request:
    given_ = {"source": "development", "target": "staging", "environment": "staging", "soak_h": 24, **more}
    return Request(**given_)


def ago(hours: float) -> str:
    return datetime.datetime.fromtimestamp(NOW - hours * 3600, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def header(number: int, *, hours: float = 30, outcome: str = "released", **more: t.Any) -> Json:
    known = {"number": number, "outcome": outcome, "closed_at": ago(hours), "opened_at": ago(hours + 1)}
    return {**known, "versions": {"core-api": f"v{number}"}, **more}


def judged(*headers: Json, release: Json | None = None, **more: t.Any) -> tuple[int | None, Json, str | None]:
    return promotion(ask(**more), {"revisions": list(headers), "header": release}, SERVICES, NOW)


def test_the_revision_that_stands_is_taken_with_its_versions() -> None:
    assert judged(header(12), header(11)) == (12, {"core-api": "v12"}, None)
    assert judged(header(12), number="12")[0] == 12
    # What was taken back since left it standing.
    assert judged(header(12), header(13, hours=1, outcome="taken_back"))[0] == 12


@pytest.mark.parametrize(
    ("headers", "more", "sentence"),
    [
        ([], {}, "from: development has no revision yet."),
        ([header(12)], {"number": "14"}, "revision: development does not keep 14 (kept: 12)."),
        (
            [header(12, outcome="incomplete", reason="only us got it")],
            {},
            "revision: 12 did not end clean in development: incomplete; only us got it.",
        ),
        (
            [header(11), header(12, outcome="taken_back")],
            {"number": 12},
            "revision: 12 did not end clean in development: taken_back.",
        ),
        ([header(12, outcome="refused")], {}, "revision: 12 did not end clean in development: refused."),
        (
            [header(12, regions={"us": "released", "eu": "stuck"})],
            {},
            "revision: 12 did not end clean in development: eu is stuck.",
        ),
        (
            [header(12, regions={"us": "released", "eu": "left_out"})],
            {},
            "revision: 12 does not stand in every region of development (eu is left_out); "
            "release it to all of them there, then promote that revision.",
        ),
        (
            [
                header(10, regions={"us": "released", "ap": "taken_back"}, outcome="taken_back"),
                header(11, regions={"us": "released", "eu": "released"}, outcome="incomplete"),
                header(12, regions={"us": "released"}),
            ],
            {},
            "revision: 12 does not stand in every region of development (eu had no part in it); "
            "release it to all of them there, then promote that revision.",
        ),
        (
            [header(11), header(12, hours=29)],
            {"number": 11},
            f"revision: 11 does not stand in development any more; revision 12 replaced it at {ago(30)}.",
        ),
        (
            [header(12, hours=23.99)],
            {},
            f"revision: 12 stands in development for 23.9 h, since {ago(23.99)}; "
            "the soak time (promotion_soak_h) is 24 h.",
        ),
        (
            [header(12, closed_at=None)],
            {},
            "revision: the record of 12 does not say since when it stands in development.",
        ),
        (
            [header(12, versions=None)],
            {},
            "revision: the record of 12 in development has no versions; release it there again first.",
        ),
        (
            [header(12, versions={"core-api": None})],
            {},
            "revision: the record of 12 in development has no version of core-api.",
        ),
        (
            [header(12, versions={"core-api": "v1", "ledger": "v1"})],
            {},
            "services: ledger of revision 12 in development is not in the catalogue of this environment.",
        ),
    ],
)
def test_refused(headers: list[Json], more: Json, sentence: str) -> None:
    assert judged(*headers, **more) == (None, {}, sentence)


def test_what_stands_everywhere_since_the_last_region_was_brought_up_is_taken_after_its_soak_time() -> None:
    missed = header(12, hours=50, outcome="incomplete", regions={"us": "released", "eu": "unreachable"})
    brought = header(13, regions={"eu": "released"}, follows=12, versions={"core-api": "v12"})
    assert judged(missed, brought) == (12, {"core-api": "v12"}, None)
    assert judged(missed, brought, number=13)[2] == "revision: development does not keep 13 (kept: 12)."
    since = {**brought, "closed_at": ago(2)}
    assert judged(missed, since)[2] == (
        f"revision: 12 stands in development for 2.0 h, since {ago(2)}; the soak time (promotion_soak_h) is 24 h."
    )


def test_nothing_is_promoted_while_a_release_is_open_there() -> None:
    release = {"id": "r13", "kind": "deploy", "by": "anna", "state": "open"}
    sentence = "from: deploy r13 by anna is open in development; promote when it has ended."
    assert judged(header(12), release=release) == (None, {}, sentence)
    assert judged(header(12), release={**release, "state": "closed"})[0] == 12


headers_ = st.lists(
    st.builds(
        lambda outcome, hours, versions, regions: {
            "outcome": outcome,
            "hours": hours,
            "versions": versions,
            "regions": regions,
        },
        st.sampled_from(["released", "released", "incomplete", "taken_back", "refused"]),
        st.floats(0, 100),
        st.sampled_from([None, {}, {"core-api": "v1"}, {"core-api": "v1", "reference-data": "v2"}, {"ledger": "v1"}]),
        st.dictionaries(st.sampled_from(["us", "eu"]), st.sampled_from(["released", "released", "left_out"])),
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(headers_, st.floats(0, 100), st.none() | st.integers(1, 7), st.booleans())
def test_only_what_stood_clean_for_the_soak_time(
    drawn: list[Json], soak_h: float, number: int | None, is_open: bool
) -> None:
    """Stated once more, from the other side."""
    history = [header(index, **entry) for index, entry in enumerate(drawn, 1)]
    release = {"id": "r", "state": "open"} if is_open else {}
    found, versions, problem = judged(*history, release=release, soak_h=soak_h, number=number)
    assert (found is None) == (problem is not None)
    if found is None:
        assert versions == {}
        return
    picked = history[found - 1]
    assert not is_open
    assert number in (None, found)
    assert picked["outcome"] == "released"
    assert set(picked["regions"].values()) <= {"released"}
    stood = [past["regions"] for past in history[:found] if past["outcome"] not in ("taken_back", "refused")]
    had = {region for regions in stood for region, verdict in regions.items() if verdict == "released"}
    assert not picked["regions"] or had == set(picked["regions"])
    assert versions == picked["versions"]
    assert versions
    assert set(versions) <= set(SERVICES)
    assert all(later["outcome"] in ("taken_back", "refused") for later in history[found:])
    # closed_at has no fractions of a second.
    assert drawn[found - 1]["hours"] * 3600 >= soak_h * 3600 - 1


@pytest.mark.parametrize(
    ("more", "sources", "start"),
    [
        ({"source": ""}, {}, "from and to: name both environments"),
        ({"source": "staging"}, {}, "from and to: both are staging"),
        (
            {"environment": "production"},
            {},
            "to: this inventory is that of production, not that of staging; run it with",
        ),
        ({"environment": ""}, {}, "to: this inventory is without environment_name"),
        (
            {"source": "lab"},
            {},
            "from: promotion_sources does not say where the journal of lab lies (known: development)",
        ),
        (
            {},
            {"development": {"context": "c", "namespace": ""}},
            "promotion_sources.development: kubeconfig, namespace is",
        ),
        ({}, {"development": None}, "promotion_sources.development: kubeconfig, context, namespace is missing"),
        ({}, {"development": OWN}, "promotion_sources.development: this is the journal of staging itself."),
        (
            {"given": ["release_version"]},
            {},
            "release_version: a promotion releases the versions of the revision; leave",
        ),
        ({"number": "twelve"}, {}, "revision: 'twelve' is not a number."),
        ({"soak_h": "nan"}, {}, "promotion_soak_h: 'nan' is no time in hours."),
        ({"soak_h": -1}, {}, "promotion_soak_h: -1 is no time in hours."),
    ],
)
def test_a_request_that_cannot_go_well(more: Json, sources: Json, start: str) -> None:
    (problem,) = request_problems(ask(**more), sources or {"development": CLUSTER}, OWN)
    assert problem.startswith(start)


def test_a_request_that_can() -> None:
    assert request_problems(ask(soak_h="0.5", number="12"), {"development": CLUSTER}, OWN) == []
