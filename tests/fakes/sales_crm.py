"""A CRM in memory with owners, pipelines and deals: a kind of the registry for as long as a test runs.

It finds a person by e-mail and a deal by its reference, as CRMs do, and forgets nothing it was asked.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from site2crm.connectors.contract import (
    Account,
    Act,
    Caps,
    Context,
    CrmError,
    ErrorClass,
    Exchange,
    FieldDef,
    Kind,
    PersonIn,
    Written,
)
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Owner, Page, Pipeline, Stage, Status

NAME = "ledger"
ANNA, BERT, CLEO, GONE = "u1", "u2", "u3", "u9"
CAPS = Caps(static_key=True, deals=True, add_deals=True)
FIELDS = (
    FieldDef("email", "E-mail", "text"),
    FieldDef("first", "First name", "text"),
    FieldDef("last", "Last name", "text"),
    FieldDef("phone", "Phone", "text"),
    FieldDef("company", "Company", "text"),
    FieldDef("note", "Note", "text"),
    FieldDef("size", "Size", "choice", choices=(("s", "Small"), ("l", "Large"))),
)
PERSON, DEAL = "person", "deal"


def directory() -> Directory:
    owners = (
        Owner(ANNA, "Anna Ark", "anna@crm.example", True),
        Owner(BERT, "Bert Bow", "bert@crm.example", True),
        Owner(CLEO, "Cleo Cut", "cleo@crm.example", True),
        Owner(GONE, "Gone Guy", "gone@crm.example", False),
    )
    stages = (Stage("new", "New", 0, Status.OPEN), Stage("won", "Won", 1, Status.WON))
    return Directory(
        owners, (Pipeline("p1", "Sales", stages), Pipeline("p2", "Service", (Stage("in", "In", 0, None),)))
    )


@dataclass
class SalesCrm:
    """`faults[step]` are raised one after the other; `fault_after[step]` after the record was written."""

    people: dict[str, PersonIn] = field(default_factory=dict)
    deals: dict[str, tuple[DealIn, str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    asked: list[DealIn] = field(default_factory=list)
    faults: dict[str, deque[CrmError]] = field(default_factory=lambda: {PERSON: deque(), DEAL: deque()})
    fault_after: dict[str, deque[CrmError]] = field(default_factory=lambda: {PERSON: deque(), DEAL: deque()})
    fields: Sequence[FieldDef] = FIELDS
    directory: Directory = field(default_factory=directory)
    directory_fault: CrmError | None = None
    owners: dict[str, str | None] = field(default_factory=dict)
    """Person id -> owner, as it stands."""
    on_deal: Callable[[], None] = lambda: None
    hold: asyncio.Event | None = None
    """While it is there and not set, a call for a deal does not end."""
    holds_after: bool = False

    def kind(self) -> ConnectorKind:
        return ConnectorKind(
            name=NAME,
            label="Ledger",
            caps=CAPS,
            settings=(),
            default_mapping={"email": "email", "first_name": "first", "last_name": "last", "phone": "phone",
                             "company": "company", "message": "note"},
            opens=lambda context: People(self, context),
            sales=lambda context: Sales(self, context),
            help_slug="ledger",
        )  # fmt: skip

    def count(self, step: str) -> int:
        return sum(1 for each, _ in self.calls if each == step)

    def refused(self, step: str, *, after: bool = False) -> CrmError | None:
        waiting = (self.fault_after if after else self.faults)[step]
        return waiting.popleft() if waiting else None


@dataclass
class People:
    crm: SalesCrm
    context: Context
    caps: Caps = CAPS

    async def verify(self) -> Account:
        return Account("ledger", "Ledger", currency="EUR")

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        return self.crm.fields

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        return [self._upsert(person) for person in people]

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        return [_shown("/people", {**person.fields, "owner": person.owner})]

    def _upsert(self, person: PersonIn) -> Written:
        self.crm.calls.append((PERSON, person.ref))
        self.context.on_exchange(replace(self.preview(person)[0], status=200, ref=person.ref))
        if error := self.crm.refused(PERSON):
            return Written(person.ref, error=error)
        found = [id for id, known in self.crm.people.items() if known.email == person.email]
        id = person.known_id or next(iter(found), f"per_{len(self.crm.people) + 1}")
        created = id not in self.crm.people
        self.crm.people[id] = person
        if person.owner and (created or person.owner_wins):
            self.crm.owners[id] = person.owner
        if error := self.crm.refused(PERSON, after=True):
            return Written(person.ref, error=error)
        return Written(person.ref, id, created, f"https://ledger.example/people/{id}")


@dataclass
class Sales:
    crm: SalesCrm
    context: Context

    async def directory(self) -> Directory:
        if self.crm.directory_fault:
            raise self.crm.directory_fault
        return self.crm.directory

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        self.crm.calls.append((DEAL, deal.ref))
        self.crm.asked.append(deal)
        self.context.on_exchange(replace(self.preview_deal(deal, person_id)[0], status=201, ref=deal.ref))
        self.crm.on_deal()
        if self.crm.hold and not self.crm.holds_after:
            await self.crm.hold.wait()
        if error := self.crm.refused(DEAL):
            return Written(deal.ref, error=error)
        if person_id not in self.crm.people:
            return Written(deal.ref, error=CrmError(ErrorClass.NOT_FOUND, "No such person."))
        created = deal.ref not in self.crm.deals
        if created:
            self.crm.deals[deal.ref] = (deal, person_id)
        if self.crm.hold:
            await self.crm.hold.wait()
        if error := self.crm.refused(DEAL, after=True):
            return Written(deal.ref, error=error)
        return Written(deal.ref, f"deal_{deal.ref}", created, f"https://ledger.example/deals/{deal.ref}")

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        value = [str(deal.value.amount), deal.value.currency] if deal.value else None
        said = {"title": deal.title, "value": value, "stage": deal.stage, "owner": deal.owner, "person": person_id}
        return [_shown("/deals", {**said, "pipeline": deal.pipeline, "close": deal.close})]

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        return Page((), None, False)

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        return Page((), None, False)

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        return {person.id: person.id for person in people if person.id in self.crm.people}


def _shown(path: str, body: dict[str, Any]) -> Exchange:
    return Exchange("POST", f"https://ledger.example{path}", request_body=msgspec.json.encode(body).decode())
