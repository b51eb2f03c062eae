"""What a CRM refuses for its owner arrives without one: somebody who left there since must not keep a lead away."""

from collections.abc import Sequence
from dataclasses import replace

from site2crm.connectors.contract import OWNER, Connector, ErrorClass, PersonIn, Warned, Written
from site2crm.connectors.sales import DealIn, Sales


async def upsert(connector: Connector, people: Sequence[PersonIn]) -> list[Written]:
    """As `upsert_people`."""
    written = list(await connector.upsert_people(people))
    again = [place for place, one in enumerate(written) if people[place].owner and _is_of_owner(one)]
    if again:
        unowned = [replace(people[place], owner=None, owner_wins=False) for place in again]
        for place, now in zip(again, await connector.upsert_people(unowned), strict=True):
            written[place] = _without(written[place], now)
    return written


async def add_deal(sales: Sales, deal: DealIn, person_id: str) -> Written:
    """As `Sales.add_deal`."""
    written = await sales.add_deal(deal, person_id)
    if not deal.owner or not _is_of_owner(written):
        return written
    return _without(written, await sales.add_deal(replace(deal, owner=None), person_id))


def _is_of_owner(written: Written) -> bool:
    """Some CRMs do not say what they refuse, or what they do not find: then it is tried. What has an id there has its
    owner: another fault came after it, and sent again it might be made twice."""
    error = written.error
    if error is None or written.id is not None:
        return False
    if error.kind is not ErrorClass.PERMANENT:
        return error.kind is ErrorClass.NOT_FOUND
    return not error.field or OWNER in f"{error.field} {error.code} {error.text}".casefold()


def _without(before: Written, now: Written) -> Written:
    """What the CRM says without an owner; the owner was to blame only if it takes the record now."""
    if now.error is not None or before.error is None:
        return now
    return replace(now, warnings=[*now.warnings, Warned(OWNER, f"The owner was refused: {before.error.text}")])
