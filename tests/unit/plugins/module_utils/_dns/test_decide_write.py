# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes after a write that failed, how long one wait may be, and which change is left to wait for."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_write as decide
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = ["unreachable", "timeout", "throttled", "conflict", "refused", "broken", "read_back", "auth"]
FAILURES = st.fixed_dictionaries(
    {
        "retriable": st.booleans(),
        "unsure": st.booleans(),
        "there": st.sampled_from([True, False, None]),
        "locked": st.booleans(),
        "left_s": st.floats(-10, 300),
        "pause_s": st.floats(1, 60),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), FAILURES)
def test_what_a_failed_write_means(kind: str, met: dict[str, t.Any]) -> None:
    word = decide.after_failure(kind, **met)
    # What may have been carried out is never written down as failed, and what certainly was not is not found there.
    found = met["unsure"] and met["there"] is True
    if word == "written" or (word == "again" and met["there"]):
        assert found
    if word == "failed":
        assert not met["unsure"]
        assert met["there"] is False
    # Nothing is sent twice without a lock to ask, without time, over what cannot be seen, or over somebody else's.
    if word == "again":
        assert met["locked"]
        assert met["retriable"]
        assert met["there"] is not None
        assert met["left_s"] > met["pause_s"]
        assert kind != "read_back"


def test_what_certainly_was_not_written_is_sent_again_until_the_end() -> None:
    met: dict[str, t.Any] = {"retriable": True, "unsure": False, "there": False, "locked": True}
    assert decide.after_failure("unreachable", **met, left_s=1.1) == "again"
    assert decide.after_failure("unreachable", **met, left_s=1.0) == "failed"
    assert decide.after_failure("unreachable", **{**met, "locked": False}, left_s=99.0) == "failed"
    assert decide.after_failure("read_back", **{**met, "unsure": True}, left_s=99.0) == "unknown"


def test_what_is_there_after_a_lost_answer_is_gone_on_with_until_the_end() -> None:
    """Only the provider's own answer has an id to wait for, and says that the set is answered as it was written."""
    met: dict[str, t.Any] = {"retriable": True, "unsure": True, "there": True, "locked": True}
    assert decide.after_failure("unreachable", **met, left_s=1.1) == "again"
    assert decide.after_failure("unreachable", **met, left_s=1.0) == "written"
    assert decide.after_failure("unreachable", **{**met, "locked": False}, left_s=99.0) == "written"
    assert decide.after_failure("unreachable", **{**met, "retriable": False}, left_s=99.0) == "written"
    assert decide.after_failure("read_back", **met, left_s=99.0) == "written"
    assert decide.after_failure("broken", **met, left_s=99.0) == "again"


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1e6), st.floats(-10, 600), st.none() | st.floats(0.5, 60))
def test_a_slice_ends_in_time_to_renew(now: float, left_s: float, renew_s: float | None) -> None:
    end = now + left_s
    found = decide.slice_end(now, end, renew_s)
    assert found <= end
    if renew_s is None:
        assert found == end
    else:
        assert found <= now + max(renew_s, decide.SHORTEST_SLICE_S)
        assert found == end or found >= now + decide.SHORTEST_SLICE_S


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_broken_change_has_time_to_go_back_also_when_the_task_ends(now: float, end: float) -> None:
    found = decide.back_end(now, end)
    assert found >= end
    assert found >= now + decide.BACK_S
    assert found in (end, now + decide.BACK_S)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e6), st.none() | st.floats(0, 1e6))
def test_nothing_is_sent_after_the_earlier_of_both_ends(end: float, fence: float | None) -> None:
    assert decide.write_end(end, fence) == (end if fence is None else min(end, fence))


ABOUT = {"name": "api.", "type": "A", "provider": "route53"}


def entry(number: int, weight: int, change: str | None, failed: bool = False, **about: str) -> Entry:
    fields = {decide.WRITTEN: {"before": None, "after": change}} if change else {}
    after = {**ABOUT, **about, "weights": {"us": weight}}
    one = Change(Ref("pincex.io/v1", "WeightedSet", after["name"], "fleet"), "dns", fields, None, after)
    return Entry(number, "", "", 0.0, (one,), done=not failed, failed="no" if failed else None)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | st.sampled_from(["C1", "C2"]), st.booleans()), max_size=5),
    st.integers(0, 2),
)
def test_the_newest_change_that_made_these_weights_is_waited_for(
    written: list[tuple[int, str | None, bool]], stands: int
) -> None:
    entries = [entry(number, *one) for number, one in enumerate(written)]
    made_it = [change for weight, change, failed in written if weight == stands and not failed]
    found = decide.change_that_made(entries, "api.", "A", "route53", {"us": stands})
    assert found == (made_it[-1] if made_it else None)


def test_a_change_of_another_set_is_not_waited_for() -> None:
    for about in ({"name": "b."}, {"type": "AAAA"}, {"provider": "powerdns"}):
        assert decide.change_that_made([entry(1, 0, "C1", **about)], "api.", "A", "route53", {"us": 0}) is None
    assert decide.change_that_made([entry(1, 0, "C1")], "api.", "A", "route53", {"us": 0}) == "C1"
