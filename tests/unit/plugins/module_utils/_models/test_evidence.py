# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all sources together say: tries, windows, warnings."""

from __future__ import annotations

import gc
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError, TryLater
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import evidence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Begin, Window
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import Evidence, evidence_of
from fakes import FakeClock

WINDOW = Window(1000.0, 2000.0, settle_s=10.0, reference_s=600.0)


def answer(number: int, version: str, at: float, score: float | None = 0.5) -> bytes:
    record = {"id": f"r{number}", "ts": at, "segment": "s", "version": version, "out": "a", "score": score, "ms": 1}
    return json.dumps(record).encode()


def label(number: int, at: float) -> bytes:
    return json.dumps({"id": f"r{number}", "label": "a", "ts": at}).encode()


class Told:
    """A source that gives what it is told, one list for each try; an error ends the try."""

    def __init__(self, *tries: list[bytes | ReleaseError], name: str = "market") -> None:
        self.name = name
        self.tries = list(tries)
        self.asked: list[tuple[float, float]] = []

    def lines(self, since: float, until: float, end: float) -> t.Iterator[bytes]:
        self.asked.append((since, until))
        for one in self.tries.pop(0):
            if isinstance(one, ReleaseError):
                raise one
            yield one


def read(*sources: Told, window: Window = WINDOW, patience_s: float = 30.0) -> tuple[Evidence, FakeClock]:
    clock = FakeClock()
    end = clock.monotonic() + patience_s
    return evidence_of(sources, "v1", "v2", window, clock=clock, end=end, chance=lambda: 1.0), clock


def away(wait_s: float = 0.0) -> ReleaseError:
    return TryLater("away", kind="unreachable", system="http", wait_s=wait_s)


def test_pairs_come_from_all_sources_together() -> None:
    one = Told([answer(1, "v1", 1000), answer(1, "v2", 1001), answer(2, "v1", 1002)])
    other = Told([answer(2, "v2", 1002), label(1, 1060), answer(3, "v0", 1003)], name="other")
    found, _clock = read(one, other)
    assert [pair.request_id for pair in found.matched.pairs] == ["r1", "r2"]
    assert [pair.label for pair in found.matched.pairs] == ["a", None]
    counts = found.counts
    assert (counts.champion, counts.challenger, counts.labels, counts.others, counts.early) == (2, 2, 1, 1, 0)
    assert counts.warnings == ()


def test_what_came_before_the_step_is_the_reference_and_no_evidence() -> None:
    given = Told(
        [
            answer(1, "v1", 399.9, 0.1),
            answer(2, "v1", 400, 0.2),
            answer(3, "v1", 999.9, 0.3),
            answer(4, "v2", 999, 0.4),
            answer(5, "v1", 999, None),
            label(3, 999.99),
            answer(6, "v1", 1000, 0.6),
            answer(6, "v2", 1000, 0.6),
        ]
    )
    found, _clock = read(given)
    assert found.reference == [0.2, 0.3]
    assert (found.counts.early, found.counts.labels) == (5, 0)
    assert [pair.request_id for pair in found.matched.pairs] == ["r6"]
    assert given.asked == [(400.0, 2000.0)]


def test_the_newest_requests_wait_for_the_slower_version() -> None:
    found, _clock = read(Told([answer(1, "v1", 1990), answer(1, "v2", 1990), answer(2, "v1", 1990.1)]))
    assert len(found.matched.pairs) == 1 and found.matched.champion_only == []


def test_after_a_failure_a_source_is_read_anew_and_nothing_counts_twice() -> None:
    whole: list[bytes | ReleaseError] = [answer(1, "v1", 1000), answer(1, "v2", 1000), b"unreadable"]
    given = Told([*whole, away(7.0)], [away()], whole)
    found, clock = read(given)
    assert found.matched.repeated == 0 and found.counts.unreadable == 1
    # What the server asks for, and then our own second pause.
    assert clock.slept == [7.0, 0.4]
    assert found.counts.warnings == (
        "source market: 1 of 3 records cannot be read and do not count, the first: the record is 'unreadable'; "
        "it has to be a JSON object",
    )


def test_it_gives_up_at_the_end_and_at_once_where_nothing_will_change() -> None:
    with pytest.raises(ReleaseError, match="away"):
        read(Told(*[[away()] for _try in range(50)]), patience_s=5.0)
    given = Told([ReleaseError("no", kind="auth", system="http")])
    with pytest.raises(ReleaseError, match="no"):
        read(given)
    assert given.tries == []


def test_where_there_is_no_room_for_all_the_newest_count_from_a_fixed_point_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST", 100)
    # Two answers every ten seconds, from the reference on: 320.
    records: list[bytes | ReleaseError] = [
        answer(number, version, 408 + 10 * number) for number in range(160) for version in ("v1", "v2")
    ]
    asked: list[tuple[float, float]] = []

    class Stream(Told):
        def lines(self, since: float, until: float, end: float) -> t.Iterator[bytes]:
            asked.append((since, until))
            yield from (one for one in records if isinstance(one, bytes) and since <= json.loads(one)["ts"] < until)

    found, _clock = read(Stream(name="all"), Stream(name="twice"))
    # 100 records are 500 s; half of that is sure to fit.
    assert found.begin == Begin(13, 1780.0, 0.0)
    assert asked == [(400.0, 2000.0), (1775.0, 2000.0), (1775.0, 2000.0)]
    assert len(found.matched.pairs) == 21 and found.reference == []
    assert found.counts.early == 4, "what comes before that point is no evidence"
    assert found.counts.warnings == (
        "more than 100 answers and labels came since 1970-01-01T00:16:40Z: what came since 1970-01-01T00:29:40Z is "
        "judged, with a part of the risk",
        "drift is not judged: there is no room for the champion's scores from before",
    )


def test_what_does_not_fit_because_of_what_came_before_the_step_loses_that_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "MOST", 10)
    before: list[bytes | ReleaseError] = [answer(number, "v1", 400 + 54 * number) for number in range(11)]
    step = [answer(20, "v1", 1000), answer(20, "v2", 1000)]
    window = Window(1000.0, 1100.0, settle_s=10.0, reference_s=600.0)
    found, _clock = read(Told([*before, *step], step), window=window)
    assert (found.begin, len(found.matched.pairs)) == (Begin(0, 1000.0, 0.0), 1)
    assert [warning for warning in found.counts.warnings if "drift" in warning] == list(found.counts.warnings)


def test_too_many_records_of_a_minute_end_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST", 2)
    flood: list[bytes | ReleaseError] = [answer(number, "v1", 1990) for number in range(3)]
    with pytest.raises(ReleaseError) as caught:
        read(Told(*[flood] * 20))
    assert caught.value.kind == "too_many"
    assert caught.value.message == (
        "source market: more than 2 answers and labels since 1970-01-01T00:32:40Z; record a sample of the requests"
    )


def test_a_source_without_a_record_and_a_version_of_another_name_are_told() -> None:
    found, _clock = read(Told([answer(1, "v1", 1000), answer(1, "v2.0", 1000)]), Told([], name="empty"))
    assert found.counts.warnings == (
        "source empty: no record arrived from 1970-01-01T00:06:40Z to 1970-01-01T00:33:20Z",
        "no answer of version v2, but 1 of versions that are not judged; look what the records of v2 have as their "
        "version",
    )


def test_what_lies_in_the_future_is_told() -> None:
    """Milliseconds, and a clock that is wrong; a minute is what clocks may differ by."""
    given = Told([answer(1, "v1", 1000), answer(1, "v2", 1_000_000), answer(2, "v1", 2060), label(1, 2061)])
    found, _clock = read(given, Told([answer(3, "v1", 1000)], name="other"))
    assert found.counts.warnings == (
        "source market: 2 of 4 records lie more than 60 s in the future; what lies there does not count; "
        "look at the unit of ts (seconds) and at the clock of who writes it",
    )


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    with pytest.raises(ReleaseError):
        read(Told([ReleaseError("no", kind="auth", system="http")]))
    assert gc.isenabled()
