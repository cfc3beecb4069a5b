# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One write under the lock of a release: what comes after a failure, how long one wait may be, and what is left to wait
for. Pure. Times are seconds of the monotonic clock."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import KIND

#: Seconds before the next try, where the provider does not ask for more.
PAUSE_S: t.Final = 1.0
#: How long a change that is answered wrongly may be taken back beyond the end of the task: it must not stay because the
#: time is over.
BACK_S: t.Final = 15.0
#: A slice is never shorter: Route 53 is asked every 2 to 5 s whether a change is everywhere.
SHORTEST_SLICE_S: t.Final = 6.0
#: The field, in the journal, of the id of a change that has to be waited for.
WRITTEN: t.Final = "written.change"

#: `written`: it stands there. `again`: send it again, or go on with it where it stands there. `failed`: it was not
#: written, and never will be. `unknown`: it may stand there now, or later.
Word = t.Literal["written", "again", "failed", "unknown"]


def after_failure(
    kind: str,
    *,
    retriable: bool,
    unsure: bool,
    there: bool | None,
    locked: bool,
    left_s: float,
    pause_s: float = PAUSE_S,
) -> Word:
    """What a write that failed with an error of that `kind` means.

    `unsure`: this try, or one before it, may have been carried out. `there`: whether the set is what was meant to be
    written, None when it could not be read; False as well where nobody had to look. `locked`: there is a lock that can
    be asked before another try; without one, the provider's own tries are all. `left_s`: seconds until the task ends,
    `pause_s` until another try.
    """
    found = unsure and there is True
    if there is not False and not found:
        return "unknown"
    # Of `read_back` it is known that somebody else has written since. What stands there is not done yet: its answers
    # have to be looked at, or it has an id to wait for, and only the provider's answer tells that.
    if locked and goes_on(retriable, left_s, pause_s) and kind != "read_back":
        return "again"
    if found:
        return "written"
    return "unknown" if unsure else "failed"


def goes_on(retriable: bool, left_s: float, pause_s: float = PAUSE_S) -> bool:
    """Whether there is time for another try after an error."""
    return retriable and left_s > pause_s


def back_end(now: float, end: float) -> float:
    """Until when a change that is answered wrongly is taken back, at `now`, by a task that ends at `end`."""
    return max(end, now + BACK_S)


def slice_end(now: float, end: float, renew_s: float | None) -> float:
    """Until when one wait goes before the lock is looked at again. `renew_s` is how often its lease is renewed, None
    where there is no lock."""
    return end if renew_s is None else min(end, now + max(renew_s, SHORTEST_SLICE_S))


def write_end(end: float, fence: float | None) -> float:
    """After which instant nothing is sent. `fence` is that of the lock, None where there is none."""
    return min(end, math.inf if fence is None else fence)


def change_that_made(
    entries: Sequence[Entry], name: str, kind: str, provider: str, weights: Mapping[str, int]
) -> str | None:
    """The id of the change that made these weights of that set, as the newest entry about them says; None when there is
    no such entry, when its change had nothing to wait for, and when nobody got its id."""
    about = {"name": name, "type": kind, "provider": provider, "weights": dict(weights)}
    for entry in reversed(entries):
        for change in reversed(entry.changes):
            if change.ref.kind == KIND and entry.failed is None and change.after == about:
                return (change.fields.get(WRITTEN) or {}).get("after")
    return None
