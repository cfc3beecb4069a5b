# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of text that somebody else wrote, before it is shown or kept. Pure.

By shape only: what a program logs in a form of its own is not found. A word too many is covered, not one too few.
"""

from __future__ import annotations

import re
import typing as t

_COVER: t.Final = "***"

#: Names that are followed by a secret, alone or at the end of a longer name: DB_PASSWORD, apiKey, x-auth-token.
_LONG_NAMES: t.Final = (
    r"pass(?:word|wd|phrase|code)|secret|token|(?:api|access|private|secret|signing|encryption)[-_.]?key|credentials?"
    r"|mnemonic|seed[-_.]?phrase|authorization|cookie|session[-_.]?id"
)
_NAME: t.Final = rf"(?:[a-z0-9_.-]{{0,60}}?(?:{_LONG_NAMES})|(?:[a-z0-9_.-]{{0,60}}[_.-])?(?:pass|pwd|auth))"

_ASSIGNED: t.Final = re.compile(
    # password=hunter2, "apiKey": "x", DB_PASSWORD: 'a b', and the same in JSON inside of JSON.
    rf"""(?P<before>(?<![a-z0-9]){_NAME}(?:_[a-z0-9_]{{0,20}}|[0-9]{{0,3}})\\?["']?\s{{0,3}}(?:=>|:=|[=:])\s{{0,3}})
         (?P<value>\\"[^"\n]*?\\"|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?
            |(?:(?:Bearer|Basic|Digest|Token|Negotiate)\s+)?[^\s,;&"'}})\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
#: What stands before a secret in another way: a flag and its value, a scheme and its token, user and password of a URL.
_BEFORE: t.Final = (
    re.compile(rf"(?P<before>(?<!\S)--?{_NAME}\s+)[^\s-]\S*", re.IGNORECASE),
    re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE),
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]{0,30}://)[^\s/@?#:]*:[^\s/?#]*(?=@)", re.IGNORECASE),
)
#: What is a secret whatever stands before it.
_SHAPES: t.Final = (
    re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL),
    # A JSON Web Token.
    re.compile(r"\beyJ[A-Za-z0-9_-]{5,8000}\.[A-Za-z0-9_-]{5,8000}(?:\.[A-Za-z0-9_-]*)?"),
    # AWS, GitHub, GitLab, Slack, Stripe, Vault.
    re.compile(r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}\b"),
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    re.compile(r"\b(?:xox[abprs]-[\w-]{10,}|[rs]k_live_\w{10,}|hvs\.[\w-]{20,})"),
)
_END_OF_KEY: t.Final = re.compile(r"^.*-----END [A-Z0-9 ]{1,40}-----")
_PART_OF_KEY: t.Final = re.compile(r"(?:^|\s)[A-Za-z0-9+/=]{20,}\s*$")


def redact(text: str) -> str:
    """The same text with `***` for each secret. A text that was covered already stays as it is."""
    for pattern in _SHAPES:
        text = pattern.sub(_COVER, text)
    text = _ASSIGNED.sub(_assigned, _without_tails(text))
    for pattern in _BEFORE:
        text = pattern.sub(rf"\g<before>{_COVER}", text)
    return text


def _without_tails(text: str) -> str:
    """Without the end of a key whose beginning is not in the text, because only the last lines were asked for."""
    lines: list[str] = []
    for line in text.split("\n"):
        end = _END_OF_KEY.match(line)
        if end is None:
            lines.append(line)
            continue
        while lines and _PART_OF_KEY.search(lines[-1]):
            lines.pop()
        lines.append(_COVER + line[end.end() :])
    return "\n".join(lines)


def _assigned(match: re.Match[str]) -> str:
    value = match["value"]
    quote = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    closed = quote if len(value) >= 2 * len(quote) and value.endswith(quote) else ""
    return f"{match['before']}{quote}{_COVER}{closed}"
