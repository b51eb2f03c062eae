"""Lists as files, sent line by line while they are read."""

from collections.abc import AsyncIterable, Iterable

from litestar.response import Stream

from site2crm.core.access import Who
from site2crm.kit import clock


def csv(who: Who, name: str, lines: AsyncIterable[str] | Iterable[str]) -> Stream:
    """`leads-acme-2026-05-31.csv`. What may be refused (a wrong filter) has to be tried before: this is a 200."""
    assert who.org is not None
    file = f"{name}-{who.org.slug}-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
    return Stream(lines, media_type="text/csv", headers=headers)
