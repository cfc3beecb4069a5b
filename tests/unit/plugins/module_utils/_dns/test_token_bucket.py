# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of requests that processes share by a file."""

from __future__ import annotations

import fcntl
import pathlib

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import Level, Limit, TokenBucket
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

FAR = 1e9


def bucket(folder: pathlib.Path, clock: FakeClock, per_s: float = 10, burst: float = 50) -> TokenBucket:
    return TokenBucket(folder / "deep" / "bucket", Limit(per_s, burst), clock)


def taken_at(one: TokenBucket, clock: FakeClock, count: int) -> list[float]:
    times = []
    for _ in range(count):
        one.take(FAR)
        times.append(clock.elapsed)
    return times


def test_a_burst_and_then_the_rate(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    times = taken_at(bucket(tmp_path, clock), clock, 48)
    # A tenth of the burst is left for requests that are faster on their way than the first one.
    assert times == pytest.approx([0.0] * 45 + [0.1, 0.2, 0.3])


def test_the_file_is_for_its_user_alone(tmp_path: pathlib.Path) -> None:
    bucket(tmp_path, FakeClock()).take(FAR)
    assert (tmp_path / "deep" / "bucket").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


def test_buckets_of_one_file_are_one(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    taken_at(bucket(tmp_path, clock), clock, 45)
    assert taken_at(bucket(tmp_path, clock), clock, 1) == pytest.approx([0.1])


def test_what_is_not_used_is_not_kept_beyond_the_burst(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    one = bucket(tmp_path, clock)
    taken_at(one, clock, 45)
    clock.elapsed += 3600
    assert len([at for at in taken_at(one, clock, 46) if at == 3600]) == 45


def test_nobody_waits_beyond_the_end_and_nothing_is_taken_then(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    one = bucket(tmp_path, clock, per_s=1, burst=1)
    one.take(FAR)
    for _ in range(3):
        with pytest.raises(ReleaseError, match="1/s") as met:
            one.take(clock.monotonic() + 0.5)
        assert (met.value.kind, met.value.retriable) == ("throttled", True)
    assert taken_at(one, clock, 1) == pytest.approx([1.0])


def test_a_clock_that_goes_back_neither_gives_nor_stops(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    one = bucket(tmp_path, clock)
    taken_at(one, clock, 45)
    clock.start -= 3600
    assert taken_at(one, clock, 2) == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("left", ["{", '{"tokens": 45.0, "at', "[]", '{"tokens": "many", "at": 1}', "x" * 5000])
def test_a_file_that_a_crash_left_is_an_empty_bucket(tmp_path: pathlib.Path, left: str) -> None:
    clock = FakeClock()
    file = tmp_path / "deep" / "bucket"
    file.parent.mkdir()
    file.write_text(left)
    assert taken_at(bucket(tmp_path, clock), clock, 2) == pytest.approx([0.1, 0.2])


def test_a_server_without_tokens_empties_it_for_all(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    bucket(tmp_path, clock).drain(FAR)
    assert taken_at(bucket(tmp_path, clock), clock, 1) == pytest.approx([0.1])


def test_a_process_that_holds_the_file_stops_nobody_for_ever(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    one = bucket(tmp_path, clock)
    one.take(FAR)
    with (tmp_path / "deep" / "bucket").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ReleaseError, match="another process holds"):
            one.take(clock.monotonic() + 5)
    one.take(FAR)


def test_a_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "bucket").symlink_to(tmp_path / "other")
    with pytest.raises(ReleaseError, match=r"route53\.bucket_file"):
        bucket(tmp_path, FakeClock()).take(FAR)
    assert not (tmp_path / "other").exists()


@given(st.floats(0.5, 50), st.floats(1, 60), st.lists(st.floats(0, 3) | st.just(0.0), min_size=2, max_size=80))
@settings(max_examples=100, deadline=None)
def test_a_server_with_the_same_limit_never_refuses(per_s: float, burst: float, pauses: list[float]) -> None:
    """Whatever the pauses between the requests are, and also when each begins at the same time as another."""
    limit = Limit(per_s, burst)
    level: Level | None = None
    now, sent = 0.0, []
    for pause in pauses:
        now += pause
        level, wait = limit.taken(limit.refilled(level, now))
        sent.append(now + wait)
    tokens, last = burst, 0.0
    for at in sorted(sent):
        tokens, last = min(burst, tokens + per_s * (at - last)), at
        assert tokens >= 1 - 1e-6
        tokens -= 1
