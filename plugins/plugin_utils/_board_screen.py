# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that stay at the bottom of a terminal while everything else scrolls above them.

Banners, warnings and the modules' own lines come from Ansible at any time, so nothing can be drawn over unless they are
seen first: `sys.stdout` and `sys.stderr` are replaced, and every write takes the footer away, writes, and draws it
again. No mode of the terminal is changed (a scroll region would survive a `kill -9`): whatever happens, the last
drawing is left as ordinary lines and the prompt comes below.
"""

from __future__ import annotations

import os
import sys
import typing as t
from collections.abc import Callable, Sequence

#: Columns and rows; both 0 where the terminal does not know.
Size = Callable[[], tuple[int, int]]


@t.runtime_checkable
class Output(t.Protocol):
    """What is needed of a text stream."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class Drawing(t.Protocol):
    def __call__(self, width: int, height: int) -> Sequence[tuple[str, int]]:
        """Lines with their colours, and how many cells each takes."""


class Footer:
    """Draws below whatever is written through `write`. Ansible's own lock keeps writes apart; see `CallbackModule`."""

    def __init__(self, terminal: Output, size: Size, drawing: Drawing) -> None:
        self._terminal = terminal
        self._size = size
        self._drawing = drawing
        self._drawn: list[int] = []  # cells of every line that stands there now
        self._open_line = False
        self.problem: Exception | None = None

    def write(self, stream: Output, text: str) -> int:
        """Write `text` to `stream` above the footer."""
        columns, rows = self._size()
        columns, rows = columns or 80, rows or 24
        before = self._erasure(columns)
        if text:
            # A prompt, or the first half of a line: the footer would end it.
            self._open_line = not text.endswith("\n")
        after = "" if self._open_line else self._drawing_of(columns, rows)
        if stream is self._terminal:
            # In one piece, so that nobody sees the screen without the footer.
            stream.write(before + text + after)
            stream.flush()
        else:
            for output, part in ((self._terminal, before), (stream, text), (self._terminal, after)):
                output.write(part)
                output.flush()
        return len(text)

    def _erasure(self, columns: int) -> str:
        # A terminal that became narrower has wrapped the lines.
        lines = sum(max(1, -(-cells // columns)) for cells in self._drawn)
        self._drawn = []
        return f"\r\x1b[{lines}A\x1b[J" if lines else ""

    def _drawing_of(self, columns: int, rows: int) -> str:
        if self.problem is not None:
            return ""
        try:
            # Not the last column: some terminals wrap already when it is filled. And some room for what scrolls.
            lines = self._drawing(max(1, columns - 1), max(1, rows * 2 // 3))
        except Exception as problem:  # a board that cannot be drawn must not keep others from writing
            self.problem = problem
            return ""
        self._drawn = [cells for _text, cells in lines]
        return "".join(f"{text}\n" for text, _cells in lines)


class Through:
    """Stands for a stream of the same terminal: what is written to it goes above the footer."""

    def __init__(self, footer: Footer, stream: t.TextIO) -> None:
        self._footer = footer
        self._stream = stream
        self._pid = os.getpid()

    def write(self, text: str) -> int:
        # Ansible forks for each task; the footer is the parent's.
        return self._stream.write(text) if os.getpid() != self._pid else self._footer.write(self._stream, text)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._stream, name)


class Screen:
    """Puts a footer under the process' own output, and takes it away again."""

    def __init__(self, drawing: Drawing) -> None:
        self._streams = (sys.stdout, sys.stderr)
        self.footer = Footer(sys.stdout, _size_of(sys.stdout.fileno()), drawing)
        sys.stdout = t.cast("t.TextIO", Through(self.footer, sys.stdout))
        if sys.stderr.isatty():
            sys.stderr = t.cast("t.TextIO", Through(self.footer, sys.stderr))

    def close(self) -> None:
        """Leave the last drawing where it is."""
        sys.stdout, sys.stderr = self._streams


def _size_of(descriptor: int) -> Size:
    def size() -> tuple[int, int]:
        try:
            known = os.get_terminal_size(descriptor)
        except OSError:  # the terminal is gone
            return (0, 0)
        return (known.columns, known.lines)

    return size
