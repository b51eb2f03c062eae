"""As much of SOQL as the connector asks, read as strictly as Salesforce reads it.

SELECT with one level of child query, COUNT(), WHERE with AND, OR, brackets, comparisons, LIKE, IN with a list or a
semi-join, ORDER BY, LIMIT. `parse` raises Refused with Salesforce's own code.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\\n]|\\.)*')"
    r"|(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<day>\d{4}-\d\d-\d\d)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<mark>!=|<=|>=|[=<>(),]))"
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


class Refused(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Query:
    """`children`: relationship -> the query of its rows. `counts`: only how many there are."""

    table: str = ""
    fields: list[str] = field(default_factory=list)
    children: dict[str, "Query"] = field(default_factory=dict)
    where: Test = lambda row: True
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    counts: bool = False

    def run(self, rows: Sequence[Row]) -> list[Row]:
        found = [row for row in rows if self.where(row)]
        for name, backwards in reversed(self.order):
            found.sort(key=lambda row, name=name: _sortable(row.get(name)), reverse=backwards)  # type: ignore[misc]
        return found if self.limit is None else found[: self.limit]


@dataclass
class Tables:
    """What the reader asks: the type of a column (None: there is none), and the rows of a table."""

    type_of: Callable[[str, str], str | None]
    rows_of: Callable[[str], Sequence[Row]]
    child_of: Callable[[str, str], str | None]


def parse(text: str, tables: Tables) -> Query:
    reader = _Reader(text, tables)
    query = reader.query()
    if reader.kind != "end":
        raise Refused("MALFORMED_QUERY", f"unexpected token: '{reader.text}'")
    return query


class _Reader:
    def __init__(self, text: str, tables: Tables) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._tables = tables

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def text(self) -> str:
        return self._tokens[self._at][1]

    def query(self, parent: str = "") -> Query:
        query = Query()
        self._need("select")
        names = self._selected(query)
        self._need("from")
        query.table = self._table(self._take("word"), parent)
        query.fields = [self._column(query.table, name) for name in names]
        if self._is("where"):
            query.where = self._any_of(query.table)
        if self._is("order"):
            self._need("by")
            query.order = self._ordering(query.table)
        if self._is("limit"):
            query.limit = int(self._take("number"))
        return query

    def _selected(self, query: Query) -> list[str]:
        names: list[str] = []
        while True:
            if self._is("("):
                start = self._at
                while self.text.lower() != "from":
                    self._at += 1
                relation = self._tokens[self._at + 1][1]
                self._at = start
                query.children[relation] = self._later_child()
            elif self.text.lower() == "count" and self._tokens[self._at + 1][1] == "(":
                self._at += 2
                self._need(")")
                query.counts = True
            else:
                names.append(self._take("word"))
            if not self._is(","):
                return names

    def _later_child(self) -> Query:
        """Read when the parent is known: it stands behind its children."""
        start, depth = self._at, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.text, 0)
            self._at += 1
        end = self._at
        while self.text.lower() != "from":
            self._at += 1
        parent = self._tokens[self._at + 1][1]
        self._at = start
        child = self.query(parent)
        self._at = end
        return child

    def _table(self, name: str, parent: str) -> str:
        table = self._tables.child_of(parent, name) if parent else name
        if table is None or self._tables.type_of(table, "Id") is None:
            raise Refused("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return table

    def _column(self, table: str, name: str) -> str:
        if self._tables.type_of(table, name) is None:
            raise Refused(
                "INVALID_FIELD",
                f"\nSELECT {name} FROM {table}\n       ^\nERROR at Row:1:Column:8\nNo such column '{name}' on entity "
                f"'{table}'. If you are attempting to use a custom field, be sure to append the '__c' after the "
                "custom field name.",
            )
        return name

    def _ordering(self, table: str) -> list[tuple[str, bool]]:
        found = []
        while True:
            name = self._column(table, self._take("word"))
            found.append((name, self._is("desc")))
            self._is("asc")
            if not self._is(","):
                return found

    def _any_of(self, table: str) -> Test:
        tests = [self._all_of(table)]
        while self._is("or"):
            tests.append(self._all_of(table))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all_of(self, table: str) -> Test:
        tests = [self._test(table)]
        while self._is("and"):
            tests.append(self._test(table))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _test(self, table: str) -> Test:
        if self._is("("):
            inner = self._any_of(table)
            self._need(")")
            return inner
        name = self._column(table, self._take("word"))
        type = self._tables.type_of(table, name)
        if type == "textarea":
            raise Refused("INVALID_FIELD", f"field '{name}' can not be filtered in a query call")
        if self._is("in"):
            wanted = self._list(type)
            return lambda row: _plain(row.get(name), type) in wanted
        if self._is("like"):
            pattern = _like(self._take("string"))
            return lambda row: bool(pattern.fullmatch(str(row.get(name) or "")))
        return _comparison(name, self._take("mark"), self._value(name, type), type=type)

    def _list(self, type: str | None) -> set[Any]:
        self._need("(")
        if self.text.lower() == "select":
            inner = self.query()
            self._need(")")
            return {_plain(row.get(inner.fields[0])) for row in inner.run(self._tables.rows_of(inner.table))}
        values = set()
        while True:
            values.add(_plain(self._value("", type)))
            if not self._is(","):
                self._need(")")
                return values

    def _value(self, name: str, type: str | None) -> Any:
        kind, text = self.kind, self.text
        self._at += 1
        if type in ("datetime", "date") and kind == "string":
            words = f"value of filter criterion for field '{name}' must be of type {type} and should not be "
            raise Refused("INVALID_FIELD", words + "enclosed in quotes")
        if type in ("id", "reference") and kind == "string" and not re.fullmatch(r"'(\w{15}|\w{18})'", text):
            raise Refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text[1:-1]}")
        match kind:
            case "string":
                return _unescaped(text)
            case "moment":
                return datetime.fromisoformat(text)
            case "day":
                return date.fromisoformat(text)
            case "number":
                return float(text)
            case "word" if text.lower() in _WORDS:
                return _WORDS[text.lower()]
        raise Refused("MALFORMED_QUERY", f"unexpected token: '{text}'")

    def _is(self, word: str) -> bool:
        if self.kind in ("word", "mark") and self.text.lower() == word:
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._is(word):
            raise Refused("MALFORMED_QUERY", f"unexpected token: '{self.text}', expecting '{word}'")

    def _take(self, kind: str) -> str:
        if self.kind != kind:
            raise Refused("MALFORMED_QUERY", f"unexpected token: '{self.text}'")
        self._at += 1
        return self._tokens[self._at - 1][1]


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise Refused("MALFORMED_QUERY", f"line 1:{at} no viable alternative at character '{text[at : at + 1]}'")
        found.append((str(token.lastgroup), token[str(token.lastgroup)]))
        at = token.end()
    return [*found, ("end", "<EOF>")]


def _comparison(name: str, operator: str, wanted: Any, *, type: str | None) -> Test:
    if operator == "=":
        return lambda row: _plain(row.get(name), type) == _plain(wanted)
    if operator == "!=":
        return lambda row: _plain(row.get(name), type) != _plain(wanted)
    if operator not in _ORDERED:
        raise Refused("MALFORMED_QUERY", f"unexpected token: '{operator}'")
    ordered = _ORDERED[operator]

    def test(row: Row) -> bool:
        value = row.get(name)
        if value is None:
            return False
        if isinstance(wanted, datetime):
            return ordered(datetime.fromisoformat(value), wanted)
        return ordered(date.fromisoformat(value) if isinstance(wanted, date) else value, wanted)

    return test


def _plain(value: Any, type: str | None = None) -> Any:
    """Text is compared without case, a date-time as the moment it is. `type`: of the column that the value is from."""
    if isinstance(value, str):
        return datetime.fromisoformat(value) if type == "datetime" else value.casefold()
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _like(text: str) -> re.Pattern[str]:
    body = re.escape(_unescaped(text)).replace("%", ".*").replace("_", ".")
    return re.compile(body, re.IGNORECASE | re.DOTALL)
