# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times at which nobody releases: freezes and market hours, in the time zone of whoever set them. Pure; `now` is given.

A window holds from its beginning up to its end, the end itself not included. Its times are those of a clock on the
wall: an hour that a change of the clocks repeats counts from its first beginning to its last end, and one that is
skipped is the moment of the change.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import typing as t
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence

DAYS: t.Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: What `release_windows` may hold.
GUARDS: t.Final = ("freeze", "market_hours")

_OPTIONS: t.Final = ("name", "from", "to", "time_zone", "days")
_TIME: t.Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
#: Whoever has no free moment for so long has a mistake in the windows.
_HORIZON_S: t.Final = 400 * 86400


@dataclasses.dataclass(frozen=True)
class Window:
    """One window. Without `days` it is there once, and `begin` and `end` are local times with a date. With `days`, on
    which it begins (0 is Monday), they are the time since midnight, and an end past 24 hours is on the next day."""

    guard: str
    name: str
    zone: zoneinfo.ZoneInfo
    begin: dt.datetime | dt.timedelta
    end: dt.datetime | dt.timedelta
    days: frozenset[int] = frozenset()

    def until(self, now: float) -> float | None:
        """When the window that holds at `now` ends; None when it does not hold. Both in unix seconds."""
        ends = [end for begin, end in self._spans(now) if begin <= now < end]
        return max(ends, default=None)

    def _spans(self, now: float) -> Iterator[tuple[float, float]]:
        """Every span that could hold at that time, in unix seconds."""
        if isinstance(self.begin, dt.datetime) and isinstance(self.end, dt.datetime):
            yield _instant(self.begin, self.zone, last=False), _instant(self.end, self.zone, last=True)
            return
        today = dt.datetime.fromtimestamp(now, self.zone).date()
        # Tomorrow as well: a change of the clocks at midnight may put its beginning into today.
        for ago in (2, 1, 0, -1):
            day = today - dt.timedelta(days=ago)
            if day.weekday() in self.days:
                midnight = dt.datetime.combine(day, dt.time())
                begin, end = (midnight + t.cast("dt.timedelta", time) for time in (self.begin, self.end))
                yield _instant(begin, self.zone, last=False), _instant(end, self.zone, last=True)


@dataclasses.dataclass(frozen=True)
class Standing:
    """A window that stands in the way of these regions. `until` is in unix seconds; None when it never ends."""

    window: Window
    until: float | None
    regions: tuple[str, ...]


def _instant(local: dt.datetime, zone: zoneinfo.ZoneInfo, *, last: bool) -> float:
    """A time on the wall as unix seconds: the first or the last of two, and the change of the clocks for none."""
    first, second = (local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if first <= second:
        return second if last else first
    # Skipped: the two readings lie on both sides of the change, which is where the wall passes that time.
    before, after = int(second), int(first)
    while after - before > 1:
        middle = (before + after) // 2
        if dt.datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < local:
            before = middle
        else:
            after = middle
    return float(after)


def standing(now: float, windows: Mapping[str, Sequence[Window]]) -> list[Standing]:
    """The windows that hold now, of every region; one that holds for several regions is there once."""
    found: dict[Window, list[str]] = {}
    for region, own in windows.items():
        for window in dict.fromkeys(own):
            if window.until(now) is not None:
                found.setdefault(window, []).append(region)
    # A weekend is two days of one window: it ends when the second one does.
    return [Standing(window, free_at(now, {"": [window]}), tuple(regions)) for window, regions in found.items()]


def free_at(now: float, windows: Mapping[str, Sequence[Window]]) -> float | None:
    """The first moment from now on at which no window of these regions holds; None when there is none in 400 days."""
    moment = now
    while moment < now + _HORIZON_S:
        ends = [end for own in windows.values() for window in own if (end := window.until(moment)) is not None]
        if not ends:
            return moment
        moment = max(ends)
    return None


def parse_windows(given: t.Any) -> tuple[list[Window], list[str]]:
    """The windows of one region, and what is wrong with them, one sentence each."""
    if not given:
        return [], []
    if not isinstance(given, Mapping):
        return [], [f"release_windows: use a mapping with {' and '.join(GUARDS)}."]
    problems = [f"release_windows.{key}: unknown; use {' or '.join(GUARDS)}." for key in given if key not in GUARDS]
    windows: list[Window] = []
    for guard in GUARDS:
        entries = given.get(guard) or []
        if not isinstance(entries, list | tuple):
            problems.append(f"release_windows.{guard}: use a list of windows.")
            continue
        for number, entry in enumerate(entries):
            where = f"release_windows.{guard}[{number}]"
            try:
                windows.append(_parsed(guard, entry))
            except ValueError as error:
                problems.append(f"{where}{error}")
    return windows, problems


def _parsed(guard: str, entry: t.Any) -> Window:
    """One window. ValueError says what is wrong behind the name of the entry."""
    if not isinstance(entry, Mapping):
        raise ValueError(": use a mapping with name, from, to and time_zone.")
    for key in entry:
        if key not in _OPTIONS:
            raise ValueError(f".{key}: unknown option (there are: {', '.join(_OPTIONS)}).")
    for key in _OPTIONS[:4]:
        if entry.get(key) in (None, ""):
            raise ValueError(f".{key}: missing.")
    name, zone = str(entry["name"]), _zone(entry["time_zone"])
    if entry.get("days") is None:
        begin, end = _date(entry["from"], "from"), _date(entry["to"], "to")
        if end <= begin:
            raise ValueError(f".to: {entry['to']} is not after {entry['from']}.")
        return Window(guard, name, zone, begin, end)
    since, to = _time(entry["from"], "from"), _time(entry["to"], "to")
    if since == to:
        raise ValueError('.to: it is the same as from; a whole day is from "00:00" to "24:00".')
    return Window(guard, name, zone, since, to if to > since else to + dt.timedelta(days=1), _days(entry["days"]))


def _zone(given: t.Any) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(str(given))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            problem = "this controller has no time zones; install the Python package tzdata."
            raise ValueError(f".time_zone: {problem}") from error
        close = difflib.get_close_matches(str(given), known, n=1)
        hint = f"did you mean {close[0]}?" if close else "use a name such as Europe/London."
        raise ValueError(f".time_zone: unknown time zone {given}; {hint}") from error


def _date(given: t.Any, option: str) -> dt.datetime:
    """YAML makes dates of some texts by itself."""
    try:
        found = dt.datetime.fromisoformat(str(given))
    except ValueError as error:
        hint = f'"{given}" is no date with a time such as 2026-12-24T00:00; a time of the day needs days.'
        raise ValueError(f".{option}: {hint}") from error
    if found.tzinfo is not None:
        raise ValueError(f".{option}: {given} has a time zone of its own; time_zone is where it stands.")
    return found


def _time(given: t.Any, option: str) -> dt.timedelta:
    if isinstance(given, int):
        # YAML reads 14:30 as 870.
        raise ValueError(f'.{option}: {given} is a number; put the time in quotes, such as "14:30".')
    if _TIME.fullmatch(str(given)) is None or (option == "from" and str(given) == "24:00"):
        raise ValueError(f'.{option}: {given} is no time of the day such as "14:30".')
    hours, minutes = str(given).split(":")
    return dt.timedelta(hours=int(hours), minutes=int(minutes))


def _days(given: t.Any) -> frozenset[int]:
    days = [given] if isinstance(given, str) else given
    if not isinstance(days, list | tuple) or not days:
        raise ValueError(f".days: use a list of {', '.join(DAYS)}.")
    for day in days:
        if day not in DAYS:
            raise ValueError(f".days: {day!r} is none of {', '.join(DAYS)}.")
    return frozenset(DAYS.index(day) for day in days)


def wall(moment: float, zone: dt.tzinfo) -> str:
    """A moment as a clock on the wall shows it, with the name of its time."""
    return dt.datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M %Z")


def window_sentences(now: float, windows: Mapping[str, Sequence[Window]]) -> list[str]:
    """What stands in the way now: one sentence for each window, naming the regions and the end of it."""
    return [
        f"release_windows.{found.window.guard}: no deploy to {', '.join(found.regions)} during {found.window.name} "
        f"{_until(found)}; now it is {wall(now, found.window.zone)}."
        for found in standing(now, windows)
    ]


def _until(found: Standing) -> str:
    return "without an end" if found.until is None else f"until {wall(found.until, found.window.zone)}"
