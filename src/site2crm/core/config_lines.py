"""Where each key of a TOML text stands: tomllib reads values but gives no positions.

Reads only texts that tomllib has accepted, so it may be lenient: it tells keys from values, nothing more.
"""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str, ...]
Place = tuple[str | int, ...]
"""A path that tells the members of arrays apart: ("orgs", 1, "crm", 0, "token")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r'[ \t]*("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE = re.compile(r"[^,\]}\n#]+")


def lines(text: str) -> dict[Path, int]:
    """Line (from 1) of each table and key, by path; the first of an array of tables stands for all."""
    found: dict[Path, int] = {}
    for place, line in places(text).items():
        found.setdefault(tuple(part for part in place if isinstance(part, str)), line)
    return found


def places(text: str) -> dict[Place, int]:
    """Line (from 1) of each table, key and member of an array."""
    found: dict[Place, int] = {}
    line, counted = 1, 0
    for place, position in _Scanner(text).document():
        line, counted = line + text.count("\n", counted, position), position
        found.setdefault(place, line)
    return found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.latest: dict[Place, int] = {}
        """Of each array of tables, the member that is being written."""

    def document(self) -> Iterator[tuple[Place, int]]:
        table: Place = ()
        while self._skip_blank():
            if self._peek() == "[":
                start, is_array = self.at, self.text.startswith("[[", self.at)
                self.at += 2 if is_array else 1
                table = self._table(self._key(), is_array=is_array)
                self.at = self._end_of_line()
                yield table, start
            else:
                yield from self._pair(table)

    def _table(self, key: Path, *, is_array: bool) -> Place:
        place: Place = ()
        for name in key[:-1]:
            place = (*place, name)
            if place in self.latest:
                place = (*place, self.latest[place])
        place = (*place, key[-1])
        if is_array:
            self.latest[place] = self.latest.get(place, -1) + 1
        return (*place, self.latest[place]) if place in self.latest else place

    def _pair(self, table: Place) -> Iterator[tuple[Place, int]]:
        start = self.at
        place = table + self._key()
        yield place, start
        self.at += 1  # the equals sign
        self._skip_blank()
        yield from self._value(place)

    def _key(self) -> Path:
        parts: list[str] = []
        while match := _KEY_PART.match(self.text, self.at):
            parts.append(_unquote(match.group(1)))
            self.at = match.end()
            if self._peek() != ".":
                break
            self.at += 1
        return tuple(parts)

    def _value(self, place: Place) -> Iterator[tuple[Place, int]]:
        if self._peek() == "{":
            yield from self._pairs(place)
        elif self._peek() == "[":
            yield from self._items(place)
        elif match := _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at):
            self.at = match.end()

    def _pairs(self, place: Place) -> Iterator[tuple[Place, int]]:
        self.at += 1
        while self._skip_blank() and self._peek() != "}":
            if self._peek() == ",":
                self.at += 1
            else:
                yield from self._pair(place)
        self.at += 1

    def _items(self, place: Place) -> Iterator[tuple[Place, int]]:
        self.at += 1
        number = 0
        while self._skip_blank() and self._peek() != "]":
            if self._peek() == ",":
                self.at += 1
                continue
            yield (*place, number), self.at
            yield from self._value((*place, number))
            number += 1
        self.at += 1

    def _skip_blank(self) -> bool:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _end_of_line(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end


def _unquote(part: str) -> str:
    if part[0] not in "\"'":
        return part
    return str(tomllib.loads(f"key = {part}")["key"])
