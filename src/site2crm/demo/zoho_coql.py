"""As much of Zoho's query language as its callers use: one module, one `where`, several orders, offset and count."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

Record = Mapping[str, Any]
Test = Callable[[Record], bool]

MOST_ROWS = 2000
MOST_VALUES = 50
_QUERY = re.compile(
    r"select\s+(?P<columns>.+?)\s+from\s+(?P<module>\w+)\s+where\s+(?P<where>.+?)"
    r"(?:\s+order\s+by\s+(?P<order>.+?))?(?:\s+limit\s+(?P<limit>\d+(?:\s*,\s*\d+)?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[()]|,|>=|<=|!=|=|>|<|[\w.$]+)")
_CREDITS = ((200, 1), (1000, 2), (MOST_ROWS, 3))


class Refused(Exception):
    """`code` and `details` of Zoho's answer."""

    def __init__(self, code: str, details: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


def price(body: bytes) -> int:
    """In credits, by the number of rows that are asked for."""
    found = re.search(rb"limit\s+(?:\d+\s*,\s*)?(\d+)", body, re.IGNORECASE)
    rows = int(found[1]) if found else 200
    return next((cost for most, cost in _CREDITS if rows <= most), 1)


class Query(NamedTuple):
    columns: list[str]
    module: str
    where: Test
    used: set[str]
    """Every column that is named anywhere."""
    order: list[tuple[str, bool]]
    offset: int
    size: int


def parse(text: str) -> Query:
    """Raises Refused."""
    found = _QUERY.fullmatch(text.strip())
    if found is None:
        clause = "where" if " where " not in text.lower() else "select"
        raise Refused("SYNTAX_ERROR", {"clause": clause})
    columns = [column.strip() for column in found["columns"].split(",")]
    words = _words(found["where"])
    where, used = _Criteria(words).read()
    order = [_ordered(part) for part in (found["order"] or "id asc").split(",")]
    numbers = [int(number) for number in (found["limit"] or "0, 200").split(",")]
    offset, count = numbers if len(numbers) == 2 else (0, numbers[0])
    if count > MOST_ROWS:
        raise Refused("LIMIT_EXCEEDED", {"limit": MOST_ROWS})
    return Query(columns, found["module"], where, used | set(columns) | {c for c, _ in order}, order, offset, count)


def run(query: Query, records: Iterator[Record]) -> tuple[list[Record], bool]:
    """The rows of the page in their order, and whether there are more."""
    rows = [record for record in records if query.where(record)]
    for column, descending in reversed(query.order):
        rows.sort(key=lambda record: _sortable(record.get(column)), reverse=descending)
    page = rows[query.offset : query.offset + query.size]
    return [{name: row.get(name) for name in ("id", *query.columns)} for row in page], len(rows) > query.offset + len(
        page
    )


def _words(text: str) -> list[str]:
    words, at = list[str](), 0
    while at < len(text.rstrip()):
        found = _WORD.match(text, at)
        if found is None:
            raise Refused("SYNTAX_ERROR", {"near": text[at : at + 20]})
        words.append(found[1])
        at = found.end()
    return words


def _ordered(part: str) -> tuple[str, bool]:
    column, _, direction = part.strip().partition(" ")
    return column, direction.strip().lower() == "desc"


class _Criteria:
    """`and` and `or` are taken two at a time: three in a row need brackets, as at Zoho."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0
        self._used: set[str] = set()

    def read(self) -> tuple[Test, set[str]]:
        test = self._both()
        if self._at < len(self._words):
            raise Refused("SYNTAX_ERROR", {"near": self._words[self._at]})
        return test, self._used

    def _both(self) -> Test:
        left = self._one()
        if self._peek() not in ("and", "or"):
            return left
        joint = self._next().lower()
        right = self._one()
        if joint == "and":
            return lambda record: left(record) and right(record)
        return lambda record: left(record) or right(record)

    def _one(self) -> Test:
        if self._peek() != "(":
            return self._comparison()
        self._next()
        test = self._both()
        self._expect(")")
        return test

    def _comparison(self) -> Test:
        column = self._next()
        self._used.add(column)
        operator = self._next().lower()
        if operator == "in":
            values = self._list()
            return lambda record: str(_plain(record.get(column))).lower() in values
        if operator == "is":
            negated = self._peek() == "not"
            if negated:
                self._next()
            self._expect("null")
            return lambda record: (record.get(column) is None) is not negated
        value = self._next().strip("'").replace("\\'", "'")
        return lambda record: _compare(_plain(record.get(column)), operator, value)

    def _list(self) -> set[str]:
        self._expect("(")
        values = set[str]()
        while (word := self._next()) != ")":
            if word != ",":
                values.add(word.strip("'").replace("\\'", "'").lower())
        if len(values) > MOST_VALUES:
            raise Refused("LIMIT_EXCEEDED", {"limit": MOST_VALUES})
        return values

    def _peek(self) -> str:
        return self._words[self._at].lower() if self._at < len(self._words) else ""

    def _next(self) -> str:
        if self._at >= len(self._words):
            raise Refused("SYNTAX_ERROR", {"near": self._words[-1] if self._words else ""})
        self._at += 1
        return self._words[self._at - 1]

    def _expect(self, word: str) -> None:
        if self._next().lower() != word:
            raise Refused("SYNTAX_ERROR", {"near": self._words[self._at - 1]})


def _plain(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def _compare(mine: Any, operator: str, theirs: str) -> bool:
    if mine is None:
        return False
    left, right = _sortable(mine), _sortable(theirs)
    match operator:
        case "=":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "<":
            return left < right
        case "<=":
            return left <= right
    raise Refused("SYNTAX_ERROR", {"operator": operator})


def _sortable(value: Any) -> tuple[int, float, str]:
    """Times by the moment, numbers by size, all else by its letters, whatever their case."""
    text = str(_plain(value)) if value is not None else ""
    if text.isdecimal():
        return (1, int(text), "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return (2, 0.0, text.casefold())
    if len(text) == len("2026-01-01"):
        return (0, float(date.fromisoformat(text).toordinal()), "")
    return (0, moment.timestamp(), "")
