"""On which line of a TOML text does a key stand?

tomllib forgets lines, so this reads the text once more, for `[section]` and `key =` lines
alone. It answers with the nearest line it knows: of an inline table's key, the table's line.
"""

from __future__ import annotations

import re

_NAME = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_ONE_NAME = re.compile(_NAME)
_LONG_TEXT = re.compile(r'"""|' + "'''")


class Places:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")  # as TOML counts them; splitlines knows more ends
        self.first: dict[tuple[str, ...], int] = {}
        self._index()

    def line(self, key: tuple[str, ...], word: str = "") -> int:
        """The line (from 1) of a key, or of the longest part of it that is there.

        With a word: the first line from there on, before the next key, that has it.
        """
        for length in range(len(key), 0, -1):
            if key[:length] in self.first:
                start = self.first[key[:length]]
                return self._line_with(word, start) if word else start
        return 1

    def _line_with(self, word: str, start: int) -> int:
        others = set(self.first.values())
        for number in range(start, len(self.lines) + 1):
            if number > start and number in others:
                break
            if word in self.lines[number - 1].split("#")[0]:
                return number
        return start

    def _index(self) -> None:
        section: tuple[str, ...] = ()
        in_long_text = False
        for number, line in enumerate(self.lines, 1):
            was_in_long_text = in_long_text
            if len(_LONG_TEXT.findall(line)) % 2:
                in_long_text = not in_long_text
            if was_in_long_text:
                continue
            if match := _HEADER.match(line):
                section = _names(match[1])
                self._remember(section, number)
            elif match := _KEY.match(line):
                self._remember(section + _names(match[1]), number)

    def _remember(self, key: tuple[str, ...], number: int) -> None:
        for length in range(1, len(key) + 1):
            self.first.setdefault(key[:length], number)


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in _ONE_NAME.findall(dotted))
