"""What Nutshell tells in its feed of events, which knows at once what its lists show late (contract, 4 and 7)."""

from collections.abc import Sequence

from site2crm.connectors.contract import ErrorClass
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access, Query
from site2crm.connectors.nutshell.answers import NutshellError, Record
from site2crm.kit import clock

LAG_S = 900
"""How far back a record may be missing in the lists. Nutshell does not say; seconds have been seen."""
MOST_EVENTS = 100


def recent(tables: Sequence[str]) -> Query:
    """The question for what was written of late. It begins at a quarter of an hour, so that it can be shown before."""
    since = (int(clock.unix()) // LAG_S - 1) * LAG_S
    kinds = [("filters[payload][]", table) for table in tables]
    return [("limit", str(MOST_EVENTS)), ("since_time", str(since)), *kinds]


class Lately:
    """The people and companies that were written of late; asked for once, when they are needed."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._found: list[Record] | None = None

    async def of(self, table: str) -> list[Record]:
        if self._found is None:
            self._found = await told_of(self._access, recent(("contacts", "accounts")))
        return [record for record in self._found if str(record["id"]).endswith(f"-{table}")]


async def told_of(access: Access, query: Query) -> list[Record]:
    """The records of these events. None where Nutshell does not answer such a question: the lists must do then."""
    try:
        return payloads(await access.get("/events", query=query, max_bytes=LIST_BYTES))
    except NutshellError as error:
        if error.kind in (ErrorClass.PERMANENT, ErrorClass.NOT_FOUND):
            return []
        raise


def payloads(body: Record | list[object]) -> list[Record]:
    """The records of the events, without deleted ones."""
    listed = body.get("payloads") if isinstance(body, dict) else None
    records = listed if isinstance(listed, list) else []
    return [item for item in records if isinstance(item, dict) and "id" in item and not item.get("deletedTime")]


def events(body: Record | list[object]) -> list[Record]:
    return answers.listed(body, "events")


def order_of(id: object) -> int:
    """Ids are numbers with a name behind: the smaller, the older."""
    head = str(id).partition("-")[0]
    return int(head) if head.isdecimal() else 1 << 62
