"""Where each key of a TOML text stands: tomllib reads values but gives no positions.

Reads only texts that tomllib has accepted, so it may be lenient: it tells keys from values, nothing more.
"""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r'[ \t]*("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE = re.compile(r"[^,\]}\n#]+")


def lines(text: str) -> dict[Path, int]:
    """Line (from 1) of each table and key, by path; the first of an array of tables stands for all."""
    found: dict[Path, int] = {}
    for path, position in _Scanner(text).document():
        found.setdefault(path, text.count("\n", 0, position) + 1)
    return found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Iterator[tuple[Path, int]]:
        table: Path = ()
        while self._skip_blank():
            if self._peek() == "[":
                start = self.at
                self.at += 2 if self.text.startswith("[[", self.at) else 1
                table = self._key()
                self.at = self._end_of_line()
                yield table, start
            else:
                yield from self._pair(table)

    def _pair(self, table: Path) -> Iterator[tuple[Path, int]]:
        start = self.at
        path = table + self._key()
        yield path, start
        self.at += 1  # the equals sign
        self._skip_blank()
        yield from self._value(path)

    def _key(self) -> Path:
        parts: list[str] = []
        while match := _KEY_PART.match(self.text, self.at):
            parts.append(_unquote(match.group(1)))
            self.at = match.end()
            if self._peek() != ".":
                break
            self.at += 1
        return tuple(parts)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        if self._peek() == "{":
            yield from self._members(path, "}")
        elif self._peek() == "[":
            yield from self._members(path, "]")
        elif match := _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at):
            self.at = match.end()

    def _members(self, path: Path, closing: str) -> Iterator[tuple[Path, int]]:
        self.at += 1
        while self._skip_blank() and self._peek() != closing:
            if self._peek() == ",":
                self.at += 1
            elif closing == "}":
                yield from self._pair(path)
            else:
                yield from self._value(path)
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
