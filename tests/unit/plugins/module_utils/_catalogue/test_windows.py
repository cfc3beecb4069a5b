# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze windows and market hours, on walls whose clocks change."""

from __future__ import annotations

import datetime as dt
import typing as t
import zoneinfo

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.windows import (
    DAYS,
    Window,
    free_at,
    parse_windows,
    standing,
    window_sentences,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NEW_YORK = "America/New_York"
#: Summer time, southern summer time, half an hour of it, a day that was skipped, and none at all.
ZONES = [NEW_YORK, "Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Tokyo"]


def one(guard: str = "freeze", **options: t.Any) -> Window:
    windows, problems = parse_windows({guard: [{"name": "x", "time_zone": NEW_YORK, **options}]})
    assert problems == []
    return windows[0]


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=fold).timestamp()


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


TIMES = st.builds(lambda hour, half: f"{hour:02d}:{half * 30:02d}", st.integers(0, 23), st.integers(0, 1))
MOMENTS = st.integers(int(at("2011-12-01")), int(at("2028-01-01"))).map(float)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), st.sets(st.sampled_from(DAYS), min_size=1), TIMES, TIMES, MOMENTS)
def test_a_weekly_window_holds_when_the_wall_says_so(
    zone: str, days: set[str], since: str, to: str, now: float
) -> None:
    if since == to:
        return
    window = one(days=sorted(days), time_zone=zone, **{"from": since, "to": to})
    local = dt.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(zone))
    near = {dt.datetime.fromtimestamp(now + hours * 3600, local.tzinfo).utcoffset() for hours in (-26, 26)}
    if len(near) > 1:
        # The days around a change of the clocks have tests of their own.
        return
    time, today = local.hour * 60 + local.minute, DAYS[local.weekday()]
    if since < to:
        expected = today in days and minutes(since) <= time < minutes(to)
    else:
        began = DAYS[local.weekday() - 1]
        expected = (today in days and time >= minutes(since)) or (began in days and time < minutes(to))
    assert (window.until(now) is not None) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ZONES), st.sampled_from(DAYS), TIMES, TIMES), max_size=6), MOMENTS)
def test_nothing_holds_when_it_is_said_to_be_free_and_something_until_then(entries: list[t.Any], now: float) -> None:
    own = [
        one(days=[day], time_zone=zone, **{"from": since, "to": to}) for zone, day, since, to in entries if since != to
    ]
    windows = {"us-east-1": own[::2], "eu-west-1": own[1::2]}
    free = free_at(now, windows)
    assert free is not None
    assert standing(free, windows) == []
    for share in (0.0, 0.3, 0.7, 0.999):
        moment = now + (free - now) * share
        assert moment == free or standing(moment, windows)


@pytest.mark.parametrize(
    ("since", "to", "holds", "ends"),
    [
        # 8 March 2026: 02:00 becomes 03:00 in New York. The wall passes 02:30 at the change.
        ("02:30", "04:00", at("2026-03-08T07:00"), at("2026-03-08T08:00")),
        ("01:00", "02:30", at("2026-03-08T06:59"), at("2026-03-08T07:00")),
        # Over midnight and the change: an hour shorter.
        ("22:00", "06:00", at("2026-03-08T03:00"), at("2026-03-08T10:00")),
    ],
)
def test_an_hour_that_is_skipped(since: str, to: str, holds: float, ends: float) -> None:
    window = one(days=list(DAYS), **{"from": since, "to": to})
    assert window.until(holds) == ends
    assert window.until(ends) is None


def test_a_window_within_the_skipped_hour_is_not_there_that_day() -> None:
    window = one(days=["sun"], **{"from": "02:10", "to": "02:50"})
    assert all(window.until(at("2026-03-08T06:00") + minute * 60) is None for minute in range(180))
    assert window.until(at("2026-03-15T02:20", NEW_YORK)) is not None


def test_an_hour_that_comes_twice_counts_from_its_first_beginning_to_its_last_end() -> None:
    # 1 November 2026: 02:00 becomes 01:00 in New York.
    window = one(days=["sun"], **{"from": "01:15", "to": "01:45"})
    first, last = at("2026-11-01T01:15", NEW_YORK), at("2026-11-01T01:45", NEW_YORK, fold=1)
    assert last - first == 5400
    assert window.until(first - 1) is None
    assert {window.until(first), window.until(first + 2700), window.until(last - 1)} == {last}
    assert window.until(last) is None


def test_a_freeze_with_dates_holds_in_the_zone_of_whoever_set_it() -> None:
    window = one(**{"from": "2026-12-24T00:00", "to": "2026-12-27T00:00", "time_zone": "Asia/Tokyo"})
    assert window.until(at("2026-12-23T14:59:59")) is None
    assert window.until(at("2026-12-23T15:00")) == at("2026-12-26T15:00")
    assert window.until(at("2026-12-26T15:00")) is None


def test_dates_that_yaml_made_itself_are_taken() -> None:
    window = one(**{"from": dt.date(2026, 12, 24), "to": dt.datetime(2026, 12, 27, 12)})
    assert window.until(at("2026-12-27T11:59", NEW_YORK)) == at("2026-12-27T12:00", NEW_YORK)


def test_a_weekend_of_two_days_ends_once_and_regions_share_a_sentence() -> None:
    weekend = one(days=["sat", "sun"], **{"from": "00:00", "to": "24:00"})
    session = one("market_hours", days=["sat"], **{"from": "09:30", "to": "16:00"})
    windows = {"us-east-1": [weekend, session], "eu-west-1": [weekend]}
    assert window_sentences(at("2026-11-21T15:00"), windows) == [
        "release_windows.freeze: no deploy to us-east-1, eu-west-1 during x until 2026-11-23 00:00 EST; now it is "
        "2026-11-21 10:00 EST.",
        "release_windows.market_hours: no deploy to us-east-1 during x until 2026-11-21 16:00 EST; now it is "
        "2026-11-21 10:00 EST.",
    ]


def test_windows_without_a_gap_never_end() -> None:
    always = one(days=list(DAYS), **{"from": "00:00", "to": "24:00"})
    assert free_at(0.0, {"us-east-1": [always]}) is None
    assert "during x without an end; now" in window_sentences(0.0, {"us-east-1": [always]})[0]


GOOD = {"name": "x", "from": "14:30", "to": "21:00", "days": ["mon"], "time_zone": "Europe/London"}


@pytest.mark.parametrize(
    ("given_windows", "words"),
    [
        ([GOOD], "release_windows: use a mapping with freeze and market_hours."),
        ({"freezes": []}, "release_windows.freezes: unknown; use freeze or market_hours."),
        ({"freeze": GOOD}, "release_windows.freeze: use a list of windows."),
        ({"freeze": ["x"]}, "release_windows.freeze[0]: use a mapping"),
        ({"freeze": [{**GOOD, "zone": "UTC"}]}, "release_windows.freeze[0].zone: unknown option"),
        ({"freeze": [{**GOOD, "time_zone": None}]}, "release_windows.freeze[0].time_zone: missing."),
        (
            {"freeze": [{**GOOD, "time_zone": "Europe/Londn"}]},
            "unknown time zone Europe/Londn; did you mean Europe/London?",
        ),
        ({"freeze": [{**GOOD, "time_zone": "../etc/passwd"}]}, "unknown time zone"),
        ({"freeze": [GOOD, {**GOOD, "from": 870}]}, "freeze[1].from: 870 is a number; put the time in quotes"),
        ({"freeze": [{**GOOD, "to": "25:00"}]}, "freeze[0].to: 25:00 is no time of the day"),
        ({"freeze": [{**GOOD, "from": "24:00"}]}, "freeze[0].from: 24:00 is no time of the day"),
        ({"freeze": [{**GOOD, "to": "14:30"}]}, "freeze[0].to: it is the same as from"),
        ({"freeze": [{**GOOD, "days": ["monday"]}]}, "freeze[0].days: 'monday' is none of mon, tue"),
        ({"freeze": [{**GOOD, "days": []}]}, "freeze[0].days: use a list"),
        ({"freeze": [{**GOOD, "days": None}]}, 'freeze[0].from: "14:30" is no date with a time'),
        (
            {"freeze": [{**GOOD, "days": None, "from": "2026-12-27", "to": "2026-12-24"}]},
            "freeze[0].to: 2026-12-24 is not after 2026-12-27.",
        ),
        (
            {"freeze": [{**GOOD, "days": None, "from": "2026-12-24T00:00Z", "to": "2026-12-27"}]},
            "freeze[0].from: 2026-12-24T00:00Z has a time zone of its own",
        ),
    ],
)
def test_a_window_that_is_wrong_is_named(given_windows: t.Any, words: str) -> None:
    _windows, problems = parse_windows(given_windows)
    assert len(problems) == 1, problems
    assert words in problems[0]


def test_a_controller_without_time_zones_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    _windows, problems = parse_windows({"freeze": [{**GOOD, "time_zone": "Nowhere/Town"}]})
    assert problems == [
        "release_windows.freeze[0].time_zone: this controller has no time zones; install the Python package tzdata."
    ]
