"""A lead through the mapping of a connection: the person and the deal to send, and the exact requests before that."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import msgspec
from msgspec import Struct

from site2crm.connectors import dealing, mapping, opening, owners
from site2crm.connectors.coercion import fit
from site2crm.connectors.contract import OWNER, CrmError, Exchange, FieldDef, PersonIn, Value
from site2crm.connectors.dealing import DealRule, Planned
from site2crm.connectors.mapping import Problem, Row
from site2crm.connectors.models import Connection
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Directory
from site2crm.connectors.sources import LeadValues
from site2crm.connectors.words import label
from site2crm.core.machine import Machine
from site2crm.kit import clock

_NOTHING: Mapping[str, str] = MappingProxyType({})
_PREVIEW_REF = "dlv_PREVIEW"
PREVIEW_PERSON = "THE-PERSON-ABOVE"
"""Stands for the id that the CRM gives a person who is new there."""


class Prepared(Struct, frozen=True):
    """`problems`: values that the CRM may refuse; they are sent all the same. `instead`: why not the owner
    whom the rule names."""

    person: PersonIn
    problems: list[Problem]
    instead: str = ""


class Rules(Struct, frozen=True, kw_only=True):
    """A mapping that may not be saved yet: rows for the form in question, the owner, the deal."""

    rows: list[Row]
    owner: OwnerRule = OwnerRule()
    deal: DealRule = DealRule()


class Preview(Struct, frozen=True):
    requests: list[Exchange]
    problems: list[Problem]
    error: str = ""


class Translation:
    """The mapping of a connection as it was when it was read, for one lead after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._of_forms: dict[str, list[Row]] = {}

    def prepare(
        self,
        lead: LeadValues,
        *,
        ref: str,
        known_id: str | None = None,
        submission: str = "",
        overrides: Mapping[str, str] = _NOTHING,
        turn: str = "",
    ) -> Prepared:
        """What is sent for a lead. `overrides`: property -> value as a person edited it; "" leaves the property out.

        `turn`: the owner whose turn it is, where leads are dealt out in turn.
        """
        rows, rule = self.rows(lead.form_id), self._owner_rule
        mapped = mapping.apply(rows, lead, self._fields)
        values = _edited(mapped.fields, overrides, self._fields)
        problems = [problem for problem in mapped.problems if problem.property not in overrides]
        # The owner of a record that we know to be there is not even told to the connector.
        owner = self._owner(lead, turn) if known_id is None or rule.overwrite else owners.Chosen()
        person = mapping.person(
            rows,
            lead,
            values,
            ref=ref,
            known_id=known_id,
            submission=submission,
            owner=owner.id,
            owner_wins=rule.overwrite,
        )
        return Prepared(person, problems, self._instead(owner))

    def deal(self, lead: LeadValues, *, ref: str, turn: str = "") -> Planned:
        """The deal of a lead, where `has_deals`."""
        return dealing.planned(self._deal_rule, lead, ref=ref, owner=self._owner(lead, turn).id)

    def rows(self, form_id: str) -> list[Row]:
        """Those that the leads of this form go by."""
        if form_id not in self._of_forms:
            own = mapping.stored(self._connection.form_mappings.get(form_id, []))
            self._of_forms[form_id] = mapping.merged(mapping.stored(self._connection.mapping), own)
        return self._of_forms[form_id]

    @cached_property
    def has_deals(self) -> bool:
        return self._deal_rule.enabled and can_add_deals(self._connection.kind)

    @cached_property
    def is_deal_per_lead(self) -> bool:
        return self._deal_rule.per == "lead"

    @cached_property
    def takes_turns(self) -> list[str]:
        """The owners who take turns, in order; empty where nobody does. Who has left the CRM gets no lead more."""
        rule = self._owner_rule
        if rule.way is not OwnerWay.ROUND_ROBIN:
            return []
        return owners.working(rule.owners, self._directory)

    def turn(self, number: int) -> str:
        """Whose turn it is after so many."""
        return owners.in_turn(self.takes_turns, number)

    @cached_property
    def owner_wins(self) -> bool:
        """Whether a record that is there gets the owner too."""
        return self._owner_rule.overwrite

    def _owner(self, lead: LeadValues, turn: str) -> owners.Chosen:
        return owners.chosen(self._owner_rule, lead, self._directory, turn=turn)

    def _instead(self, owner: owners.Chosen) -> str:
        if not owner.gone:
            return ""
        whom = owners.name_of(owner.id, self._directory) if owner.id else "nobody"
        return f"{owner.gone} has left {label(self._connection.kind)}: given to {whom}."

    @cached_property
    def _directory(self) -> Directory:
        return owners.directory_of(self._connection.directory)

    @cached_property
    def _owner_rule(self) -> OwnerRule:
        return owners.stored(self._connection.owner_rule) if has_owners(self._connection.kind) else OwnerRule()

    @cached_property
    def _deal_rule(self) -> DealRule:
        return dealing.stored(self._connection.deal_rule)

    @cached_property
    def _fields(self) -> list[FieldDef]:
        return field_defs(self._connection)


def has_owners(kind: str) -> bool:
    """Whether records of such a CRM belong to somebody whom we can name."""
    return kind in KINDS and KINDS[kind].sales is not None


def can_add_deals(kind: str) -> bool:
    return has_owners(kind) and KINDS[kind].caps.add_deals


def preview(machine: Machine, connection: Connection, lead: LeadValues, *, rules: Rules | None = None) -> Preview:
    """The requests for this lead by these rules, which may not be saved yet; without, by the saved ones.

    As if the person was new there: for one who is there, owner and deal would not show.
    """
    asked = _as_if(connection, rules) if rules else Translation(connection)
    turn = asked.turn(connection.owner_turn)
    prepared = asked.prepare(lead, ref=_PREVIEW_REF, submission="sub_PREVIEW", turn=turn)
    problems = [*prepared.problems, *_missing(connection, prepared.person)]
    problems += [Problem(OWNER, prepared.instead)] if prepared.instead else []
    try:
        requests = list(opening.open_connector(machine, connection).preview(prepared.person))
        if asked.has_deals and (sales := opening.open_deals(machine, connection)):
            ref = lead.lead_id if asked.is_deal_per_lead else _PREVIEW_REF
            planned = asked.deal(lead, ref=ref, turn=turn)
            problems = [*problems, *planned.problems]
            requests += sales.preview_deal(planned.deal, PREVIEW_PERSON)
    except CrmError as error:
        return Preview([], problems, error.text)
    return Preview(requests, problems)


def _missing(connection: Connection, person: PersonIn) -> list[Problem]:
    """What the CRM requires, this lead has nothing for, and no stand-in fills."""
    fills = KINDS[connection.kind].fills
    needed = [each for each in field_defs(connection) if each.required and each.writable and each.key not in fills]
    text = "is required there, and this lead has nothing for it: map a field that is always there, or a default."
    return [Problem(each.key, f"{each.label} {text}") for each in needed if not person.fields.get(each.key)]


def _as_if(connection: Connection, rules: Rules) -> Translation:
    """The connection with these rules, for as long as it is looked at."""
    values = {name: getattr(connection, name) for name in ("kind", "fields", "directory")}
    return Translation(
        Connection(
            **values,
            form_mappings={},
            mapping=msgspec.to_builtins(rules.rows),
            owner_rule=msgspec.to_builtins(rules.owner),
            deal_rule=msgspec.to_builtins(rules.deal),
        )
    )


def field_defs(connection: Connection) -> list[FieldDef]:
    """The CRM's properties as last discovered."""
    return msgspec.convert(connection.fields, list[FieldDef])


def sample() -> LeadValues:
    """Who stands in until there is a real lead."""
    touch = {"utm_source": "newsletter", "utm_medium": "email", "page_url": "https://www.example.com/contact"}
    return LeadValues(
        lead_id="led_SAMPLE",
        email="ada.sample@example.com",
        first_name="Ada",
        last_name="Sample",
        phone="+12025550143",
        company="Sample Works",
        message="Please call me about an offer.",
        first=touch,
        last=touch,
        form="Contact",
        submitted_at=clock.now(),
    )


def _edited(values: Mapping[str, Value], overrides: Mapping[str, str], fields: Sequence[FieldDef]) -> dict[str, Value]:
    known = {field.key: field for field in fields}
    edited = {name: value for name, value in values.items() if overrides.get(name) != ""}
    for name, text in overrides.items():
        if text:
            edited[name], _ = fit(text, known.get(name))
    return edited
