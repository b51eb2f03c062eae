"""What the contract test of `sales` needs of the server that plays a CRM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from site2crm.connectors.sales import Known, Sales


@dataclass(frozen=True)
class Selling:
    """How a test acts as the salespeople of a CRM. Each takes the server first; those that make something tell its id.

    `add_deal` takes title, amount (text), currency, person, owner; `add_activity` a kind, owner, person; `add_owner` a
    first and a last name, and whether active.
    """

    add_person: Callable[[Any], str]
    remove_person: Callable[[Any, str], object]
    add_owner: Callable[..., str]
    add_deal: Callable[..., str]
    win: Callable[[Any, str], object]
    remove_deal: Callable[[Any, str], object]
    add_activity: Callable[..., str]
    deals: Callable[[Any], int]
    page: int = 100
    """The most deals that one page may have."""
    tells_removed: bool = True


async def missing(sales: Sales, ids: Sequence[str]) -> list[str]:
    """Those that the CRM no longer has, of people without an address."""
    found = await sales.whereabouts([Known(id) for id in ids])
    return [id for id in ids if id not in found]
