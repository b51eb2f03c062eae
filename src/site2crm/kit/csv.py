"""CSV for spreadsheets: a byte-order mark, CRLF, and no cell that a spreadsheet would run."""

from collections.abc import Iterable, Iterator

BOM = "\ufeff"
_STARTS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
_NEEDS_QUOTES = frozenset('",;\r\n\t')


def cell(text: str | None) -> str:
    """The value with a leading apostrophe if a spreadsheet would read it as a formula (OWASP: CSV injection)."""
    if not text:
        return ""
    # Some spreadsheets skip blanks before the sign.
    start = text.lstrip(" \u00a0\u3000\ufeff\u200b\0")[:1]
    return "'" + text if text[0] in _STARTS_FORMULA or (start and start in _STARTS_FORMULA) else text


def row(cells: Iterable[str | None]) -> str:
    """One line of CSV, its cells made inert."""
    return ",".join(_quoted(cell(text)) for text in cells) + "\r\n"


def lines(header: Iterable[str | None], rows: Iterable[Iterable[str | None]]) -> Iterator[str]:
    """The whole file line by line, for streaming."""
    yield BOM + row(header)
    for cells in rows:
        yield row(cells)


def _quoted(text: str) -> str:
    if text.startswith(" ") or text.endswith(" ") or not _NEEDS_QUOTES.isdisjoint(text):
        return '"' + text.replace('"', '""') + '"'
    return text
