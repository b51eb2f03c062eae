"""A lead through the mapping of a connection: the person to send, and the exact requests before they are sent."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import msgspec
from msgspec import Struct

from site2crm.connectors import mapping, opening
from site2crm.connectors.coercion import fit
from site2crm.connectors.contract import CrmError, Exchange, FieldDef, PersonIn, Value
from site2crm.connectors.mapping import Problem, Row
from site2crm.connectors.models import Connection
from site2crm.connectors.sources import LeadValues
from site2crm.core.machine import Machine
from site2crm.kit import clock

_NOTHING: Mapping[str, str] = MappingProxyType({})
_PREVIEW_REF = "dlv_PREVIEW"


class Prepared(Struct, frozen=True):
    """`problems`: values that the CRM may refuse; they are sent all the same."""

    person: PersonIn
    problems: list[Problem]


class Preview(Struct, frozen=True):
    requests: list[Exchange]
    problems: list[Problem]
    error: str = ""


class Translation:
    """The mapping of a connection as it was when it was read, for one lead after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def prepare(
        self,
        lead: LeadValues,
        *,
        ref: str,
        known_id: str | None = None,
        submission: str = "",
        overrides: Mapping[str, str] = _NOTHING,
    ) -> Prepared:
        """What is sent for a lead. `overrides`: property -> value as a person edited it; "" leaves the property out."""
        mapped = mapping.apply(self._rows, lead, self._fields)
        values = _edited(mapped.fields, overrides, self._fields)
        problems = [problem for problem in mapped.problems if problem.property not in overrides]
        person = mapping.person(self._rows, lead, values, ref=ref, known_id=known_id, submission=submission)
        return Prepared(person, problems)

    @cached_property
    def _rows(self) -> list[Row]:
        return mapping.stored(self._connection.mapping)

    @cached_property
    def _fields(self) -> list[FieldDef]:
        return field_defs(self._connection)


def preview(machine: Machine, connection: Connection, lead: LeadValues, *, rows: Sequence[Row]) -> Preview:
    """The requests for this lead by these rows, which may not be saved yet. Nothing is sent."""
    mapped = mapping.apply(rows, lead, field_defs(connection))
    person = mapping.person(rows, lead, mapped.fields, ref=_PREVIEW_REF, submission="sub_PREVIEW")
    try:
        requests = opening.open_connector(machine, connection).preview(person)
    except CrmError as error:
        return Preview([], mapped.problems, error.text)
    return Preview(list(requests), mapped.problems)


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
