# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The footer is always the last thing on the terminal, and nothing above it is lost."""

from __future__ import annotations

import io
import sys

import pytest
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board_screen import Footer, Screen
from board_samples import Terminal
from hypothesis import given, settings
from hypothesis import strategies as st


class Drawn:
    """A drawing of as many lines as asked for, as wide as possible, in colours."""

    def __init__(self, lines: int = 2) -> None:
        self.lines = lines

    def __call__(self, width: int, height: int) -> list[tuple[str, int]]:
        count = min(self.lines, height)
        return [(f"\x1b[0;32m{number}{'=' * (width - 1)}\x1b[0m", width) for number in range(count)]


def footer_on(terminal: Terminal, drawing: Drawn, rows: int = 24) -> Footer:
    return Footer(terminal, lambda: (terminal.columns, rows), drawing)


def bar(number: int, columns: int) -> str:
    return f"{number}{'=' * (columns - 2)}"


def test_lines_go_above() -> None:
    terminal = Terminal(20)
    footer = footer_on(terminal, Drawn())
    for line in ("one\n", "two\n", ""):
        assert footer.write(terminal, line) == len(line)
    assert terminal.shown() == ["one", "two", bar(0, 20), bar(1, 20)]


def test_a_line_that_is_not_ended_is_left_alone() -> None:
    terminal = Terminal(20)
    footer = footer_on(terminal, Drawn())
    footer.write(terminal, "one\n")
    footer.write(terminal, "Continue? ")
    footer.write(terminal, "")
    assert terminal.shown() == ["one", "Continue?"]
    footer.write(terminal, "yes\n")
    assert terminal.shown() == ["one", "Continue? yes", bar(0, 20), bar(1, 20)]


def test_another_stream_of_the_same_terminal() -> None:
    terminal = Terminal(20)
    footer = footer_on(terminal, Drawn())
    footer.write(terminal, "one\n")

    class Errors:
        def write(self, text: str) -> int:
            return terminal.write(text)

        def flush(self) -> None:
            pass

    footer.write(Errors(), "warning\n")
    assert terminal.shown() == ["one", "warning", bar(0, 20), bar(1, 20)]


def test_a_terminal_that_becomes_narrower_or_does_not_know() -> None:
    terminal = Terminal(20)
    footer = footer_on(terminal, Drawn())
    footer.write(terminal, "one\n")
    terminal.resize(7)
    footer.write(terminal, "two\n")
    assert terminal.shown() == ["one", "two", bar(0, 7), bar(1, 7)]
    unknown = Terminal(80)
    Footer(unknown, lambda: (0, 0), Drawn()).write(unknown, "one\n")
    assert unknown.shown() == ["one", bar(0, 80), bar(1, 80)]


def test_room_is_left_for_what_scrolls() -> None:
    terminal = Terminal(20)
    footer_on(terminal, Drawn(50), rows=12).write(terminal, "one\n")
    assert len(terminal.shown()) == 1 + 8


def test_a_drawing_that_breaks_keeps_nobody_from_writing() -> None:
    terminal = Terminal(20)

    def broken(width: int, height: int) -> list[tuple[str, int]]:
        raise ValueError("no")

    footer = Footer(terminal, lambda: (20, 24), broken)
    footer.write(terminal, "one\n")
    footer.write(terminal, "two\n")
    assert terminal.shown() == ["one", "two"]
    assert isinstance(footer.problem, ValueError)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text("ab \n", max_size=45), max_size=12),
    sizes=st.lists(st.tuples(st.integers(0, 6), st.integers(3, 40)), min_size=12, max_size=12),
)
def test_what_is_written_stays_and_the_footer_is_last(texts: list[str], sizes: list[tuple[int, int]]) -> None:
    alone, terminal = Terminal(30), Terminal(30)
    drawing = Drawn()
    footer = footer_on(terminal, drawing)
    for text, (lines, columns) in zip(texts, sizes, strict=False):
        drawing.lines = lines
        alone.write(text)
        footer.write(terminal, text)
        terminal.resize(columns)
        alone.resize(columns)
        drawing.lines = lines
        footer.write(terminal, "")
    whole = "".join(texts)
    if not whole or whole.endswith("\n"):
        count = drawing.lines if texts else 0
        expected = [*(alone.shown() if whole else []), *(bar(number, terminal.columns) for number in range(count))]
        assert terminal.shown() == expected
    else:
        assert terminal.shown() == alone.shown()


def test_the_process_own_output(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 1

    out, errors = Tty(), Tty()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", errors)
    screen = Screen(lambda width, height: [("board", 5)])
    sys.stdout.write("one\n")
    sys.stderr.write("two\n")
    assert sys.stdout.isatty()
    screen.close()
    assert (sys.stdout, sys.stderr) == (out, errors)
    assert out.getvalue() == "one\nboard\n\r\x1b[1A\x1b[Jboard\n"
    assert errors.getvalue() == "two\n"
