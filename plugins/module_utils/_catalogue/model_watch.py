# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look, and what was done after it, make of a watch over a model. Pure.

A watch ends with an error when its last look was no good one. So every look says what would be wrong if it were the
last one, and the next one may find that mended.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]

#: Verdicts of a region in which nothing was changed.
_UNCHANGED: t.Final = frozenset({"untouched", "refused", "failed", "unreachable"})
#: Of one that has the champion again, or would have it.
_BACK: t.Final = ("rolled_back", "checked")


def after_look(
    judged: Mapping[str, t.Any], request: Mapping[str, t.Any], version: str, eyes: Sequence[str], eye: str
) -> JsonObject:
    """`wrong`, what is said when this was the last look, empty when nothing is; and `eye`, the region whose route the
    next one reads. `eyes`: those that have the version; `eye`: the one that was read now."""
    following = [*eyes, *eyes][eyes.index(eye) + 1 if eye in eyes else 0 :]
    another = following[0] if following else eye
    if not judged.get("error"):
        # Nobody is judged where it was taken back, and a region that was away then has it still.
        return {"wrong": "", "eye": another if judged.get("verdict") == "none" else eye}
    why = judged.get("reason") or judged.get("msg")
    wrong = (
        f"{request['model']} {version} is not watched any more, the last look could not judge: {why}. Mend that, and "
        "run it again"
    )
    # Its cluster is away, and every other one knows the same; or it has another challenger by now.
    return {"wrong": wrong, "eye": another if judged["error"].get("system") in ("kubernetes", "input") else eye}


def after_change(
    verdicts: Mapping[str, str],
    request: Mapping[str, t.Any],
    version: str,
    act: str,
    *,
    problem: str = "",
    reason: str = "",
    check: bool = False,
) -> JsonObject:
    """`over`, whether the watch ends here; `wrong` as above; `say`, a line for now, empty for none; and `eye`, the
    region that the next look reads, empty for the same one.

    `verdicts`: of the regions after `act`, which is step, promote or rollback. `problem`: why it went wrong, empty when
    it did not; `reason`: what was judged; `check`: nothing was written.
    """
    what = f"{request['model']} {version}"
    told = {"over": False, "wrong": "", "say": "", "eye": ""}
    if act == "rollback":
        told |= _after_rollback(what, verdicts, problem=problem, reason=reason, check=check)
    elif problem and set(verdicts.values()) <= _UNCHANGED:
        told["wrong"] = f"{what} is not watched any more, the last look could change nothing: {problem}. Run it again"
    elif problem:
        told |= {"over": True, "wrong": problem}
    if problem and not told["over"]:
        told["say"] = f"warning: {problem}; it is tried again at the next look"
    return told


def _after_rollback(what: str, verdicts: Mapping[str, str], *, problem: str, reason: str, check: bool) -> JsonObject:
    """A region that was not reached still serves the version, so the watch goes on with it."""
    back = [region for region, verdict in verdicts.items() if verdict in _BACK]
    left = [region for region in verdicts if region not in back]
    word, more = "would be" if check else "was", f". {problem}" if problem else ""
    if not left:
        return {"over": True, "wrong": f"{what} {word} taken back: {reason}{more}"}
    where = f"{word} taken back in {', '.join(back)} and not in" if back else "could not be taken back in"
    over = check or "stuck" in verdicts.values()
    return {"over": over, "wrong": f"{what} {where} {', '.join(left)}: {reason}{more}", "eye": left[0]}
