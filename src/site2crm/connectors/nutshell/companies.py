"""Companies, which are accounts there: found by their exact name among what the fuzzy search brings, or made."""

from collections.abc import Sequence

from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access
from site2crm.connectors.nutshell.answers import Record
from site2crm.connectors.nutshell.feed import Lately, order_of
from site2crm.connectors.wire import Call


async def find_or_make(access: Access, name: str, lately: Lately) -> str:
    """The id of the company of this name."""
    search, create = calls(access, name)
    found = _named(answers.listed(await access.send(search, max_bytes=LIST_BYTES), "accounts"), name)
    found = found or _named(await lately.of("accounts"), name)
    if found is not None:
        return str(found["id"])
    return str(answers.one(await access.send(create), "accounts")["id"])


def calls(access: Access, name: str) -> list[Call]:
    query = (("q", name), ("page[page]", "0"), ("page[limit]", "100"))
    body = {"accounts": [{"name": name}]}
    return [
        access.call("GET", "/accounts", query=query),
        access.call("POST", "/accounts", body, note="only if no company has this name"),
    ]


def _named(accounts: Sequence[Record], name: str) -> Record | None:
    """The oldest of those that are called so, in any case."""
    alive = sorted((a for a in accounts if not a.get("deletedTime")), key=lambda a: order_of(a["id"]))
    return next((account for account in alive if _alike(str(account.get("name") or ""), name)), None)


def _alike(theirs: str, ours: str) -> bool:
    return theirs.strip().casefold() == ours.strip().casefold()
