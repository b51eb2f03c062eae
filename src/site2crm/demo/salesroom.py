"""Salespeople at work in an invented CRM: how the month of the demo goes on after a lead has arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Progress(StrEnum):
    """How far a deal has come; each CRM has its own words for it."""

    NEW = "new"
    OFFER = "offer"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True)
class Sale:
    person: str
    """The id that the CRM gave to the lead."""
    owner: str
    title: str
    amount: int
    """In whole units of the currency."""
    currency: str
    progress: Progress
    opened_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class Deed:
    """`kind`: call, email or meeting."""

    kind: str
    person: str
    owner: str
    at: datetime


class Salesroom(Protocol):
    """One per CRM of the demo. What it writes was changed now, whenever it took place: so it is read back once."""

    def people(self) -> Sequence[tuple[str, str]]:
        """(id, e-mail) of everybody who has arrived, oldest first."""
        ...

    def hire(self, first: str, last: str) -> str:
        """The id of a new owner."""
        ...

    def sell(self, sale: Sale) -> None: ...

    def act(self, deed: Deed) -> None: ...
