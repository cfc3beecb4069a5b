# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is meant by a value for a flag that somebody has typed: on, off, a percentage, or steps of them. Pure.

Command lines and the surveys of AWX give everything as text, inventories as real types.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Sequence
from decimal import Decimal

#: Words for a switch, without 1 and 0: as a value for a flag they may be percentages.
_WORDS: t.Final = {
    **dict.fromkeys(("true", "yes", "on", "y", "t"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f"), False),
}
#: ASCII digits alone: `\d` takes those of all scripts.
_PERCENT: t.Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)")
#: Decimal places that a percentage may have, as for flag_set.
_PLACES: t.Final = 7


def text_of(given: t.Any) -> str:
    """What was typed: a survey leaves blanks around it, and leaves a question that nobody answered empty."""
    return "" if given is None else str(given).strip()


def flag_value(given: t.Any) -> bool | float:
    """True for everybody, False for nobody, or a percentage between them. Raises ValueError with the reason, which
    goes on from the option's name.

    0 and 100 are False and True. A 1 that does not say what it is may be "on" or one percent, which are 99 % of all
    users apart: nobody's guess is good enough for that.
    """
    if isinstance(given, bool):
        return given
    text = text_of(given).lower()
    if not text:
        raise ValueError("missing; use true, false or a percentage such as 25")
    if text in _WORDS:
        return _WORDS[text]
    percent, marked = _percent(given, "use true, false or a percentage such as 25")
    if percent == 1 and not marked:
        raise ValueError(f"{given} may mean on or 1 percent; use true or 1%")
    if percent in (0, 100):
        return percent == 100
    return float(percent)


def rollout_steps(given: t.Any) -> list[int | float]:
    """Percentages that rise, as a list or separated by commas. Raises ValueError with the reason."""
    parts = given if isinstance(given, list | tuple) else [part for part in text_of(given).split(",") if part.strip()]
    found = [number(float(_percent(part, "use percentages such as 5,25,50,100")[0])) for part in parts]
    if not found:
        raise ValueError("missing; use percentages such as 5,25,50,100")
    if found[0] == 0 or found != sorted(set(found)):
        raise ValueError(
            f"{', '.join(f'{step:.10g}' for step in found)} do not rise from more than 0; put them in order"
        )
    return found


def switch(given: t.Any) -> bool:
    """Whether an option is set, as Ansible's own `bool` filter has it; not set when it is empty. Raises ValueError with
    the reason for every other word: that filter takes it for false."""
    if isinstance(given, bool):
        return given
    text = text_of(given).lower()
    words = {**_WORDS, "1": True, "0": False, "": False}
    if text not in words:
        raise ValueError(f"{given!r} is neither true nor false")
    return words[text]


def number(found: float) -> int | float:
    """For people: 25 and 12.5, and not 25.0."""
    return int(found) if found.is_integer() else found


def names(given: t.Any) -> list[str]:
    """Names as a list or separated by commas, each once, in their order."""
    parts: Sequence[t.Any] = given if isinstance(given, list | tuple) else text_of(given).split(",")
    return list(dict.fromkeys(name for part in parts if (name := text_of(part))))


def _percent(given: t.Any, use: str) -> tuple[Decimal, bool]:
    """The percentage, and whether it says that it is one."""
    # Python writes small numbers of an inventory as 1e-07.
    text = format(Decimal(repr(given)), "f") if isinstance(given, float) else text_of(given)
    found = None if isinstance(given, bool) else _PERCENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{given!r} is no percentage; {use}")
    percent, marked = Decimal(found[1]), bool(found[2])
    if percent > 100:
        raise ValueError(f"{given} is more than 100 percent; {use}")
    places = -int(percent.normalize().as_tuple().exponent)
    if places > _PLACES:
        raise ValueError(f"{given} has {places} decimal places; give at most {_PLACES}")
    return percent, marked
