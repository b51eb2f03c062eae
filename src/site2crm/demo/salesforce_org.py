"""The invented org of Salesforce: its records, and every rule by which it refuses one."""

from collections.abc import Mapping
from typing import Any

from site2crm.demo.salesforce_objects import missing, problem, problem_with, standard_objects
from site2crm.demo.salesforce_records import Record, Records


class Stop(Exception):
    """Salesforce's no to one record, or to a whole request."""

    def __init__(self, said: Mapping[str, Any], *, status: int = 400) -> None:
        super().__init__(said["message"])
        self.said = dict(said)
        self.status = status


class Org:
    """`hidden`: "Lead.Phone" is a field that the user may not see; `forbidden`: objects without a right."""

    def __init__(self) -> None:
        self.objects = standard_objects()
        self.records = Records()
        self.hidden: set[str] = set()
        self.forbidden: set[str] = set()
        self.duplicate_rule = "off"  # or alert, block
        self.currencies: tuple[str, ...] = ()  # the corporate one first; empty: a single one

    @property
    def people(self) -> list[Record]:
        return [*self.records.live("Lead"), *self.records.live("Contact")]

    def all(self, table: str) -> list[Record]:
        return self.records.live(table)

    def add(self, table: str, /, **values: Any) -> str:
        """A record that is there already."""
        return self.records.add(table, **values)

    def add_field(self, table: str, name: str, **changes: Any) -> None:
        """A custom text field, unless told otherwise."""
        self.objects[table][name] = {**self.objects[table]["Description"], "name": name, "label": name, "custom": True,
                                     "type": "string", "length": 255, **changes}  # fmt: skip

    def switch_on_currencies(self, *codes: str) -> None:
        self.currencies = codes
        name = "CurrencyIsoCode"
        choices = [{"value": code, "label": code, "active": True, "defaultValue": False} for code in codes]
        self.add_field("Opportunity", name, custom=False, type="picklist", restrictedPicklist=True,
                       picklistValues=choices)  # fmt: skip
        self.objects["CurrencyType"] = {
            it: {**self.objects["Lead"]["LastName"], "name": it} for it in ("Id", "IsoCode")
        }
        self.objects["CurrencyType"]["IsCorporate"] = {**self.objects["Lead"]["IsDeleted"], "name": "IsCorporate"}
        for code in codes:
            self.add("CurrencyType", IsoCode=code, IsCorporate=code == codes[0])

    def create(self, table: str, values: dict[str, Any], *, allow: bool, single: bool) -> str:
        self._check(table, values, creating=True)
        if self.duplicate_rule != "off" and table in ("Lead", "Contact"):
            found = self._doubles(values)
            if found and (self.duplicate_rule == "block" or not allow):
                raise Stop(_duplicates(found, table, told=single))
        if self.currencies and table == "Opportunity":
            values = {"CurrencyIsoCode": self.currencies[0], **values}
        return self.records.add(table, **{name: value for name, value in values.items() if value is not None})

    def update(self, table: str, id: str, values: dict[str, Any]) -> None:
        record = self.live(table, id)
        self._check(table, values, creating=False, id=record["Id"])
        if record.get("IsConverted"):
            raise Stop(problem("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"))
        self.records.change(table, record["Id"], values)

    def live(self, table: str, id: str) -> Record:
        record = self.records.find(table, id)
        if record is None:
            text = "Provided external ID field does not exist or is not accessible: " + id
            raise Stop(problem("NOT_FOUND", text), status=404)
        if record["IsDeleted"]:
            raise Stop(problem("ENTITY_IS_DELETED", "entity is deleted"), status=404)
        return record

    def _check(self, table: str, values: dict[str, Any], *, creating: bool, id: str = "") -> None:
        if table in self.forbidden:
            text = "insufficient access rights on object id" if id else f"entity type cannot be inserted: {table}"
            raise Stop(problem("INSUFFICIENT_ACCESS_OR_READONLY", text), status=403)
        fields = {name: item for name, item in self.objects[table].items() if self.type_of(table, name)}
        for name, value in values.items():
            if wrong := problem_with(fields.get(name), table, name, value=value, creating=creating):
                raise Stop(wrong)
            self._check_reference(fields[name], table, name, value)
            self._check_unique(fields[name], table, name, value=value, id=id)
        if creating and (wrong := missing(fields, values)):
            raise Stop(wrong)
        if values.get("WhatId") and str(values.get("WhoId", "")).startswith("00Q"):
            raise Stop(problem("FIELD_INTEGRITY_EXCEPTION", "Related To ID: cannot be set for a lead", "WhatId"))

    def _check_reference(self, item: Mapping[str, Any], table: str, name: str, value: Any) -> None:
        if item["type"] != "reference" or not value:
            return
        tables = [other for other in item["referenceTo"] if other in self.records.tables]
        found = next((it for other in tables if (it := self.records.find(other, str(value)))), None)
        if found is None:
            raise Stop(problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", name))
        if name == "OwnerId" and found.get("IsActive") is False:
            text = f"operation performed with inactive user [{value}] as owner of {table.lower()}"
            raise Stop(problem("INACTIVE_OWNER_OR_USER", text, name))

    def _check_unique(self, item: Mapping[str, Any], table: str, name: str, *, value: Any, id: str) -> None:
        if not item["unique"] or not value:
            return
        for other in self.records.live(table):
            if other.get(name) == value and other["Id"] != id:
                text = f"duplicate value found: {name} duplicates value on record with id: {other['Id']}"
                raise Stop(problem("DUPLICATE_VALUE", text))

    def _doubles(self, values: Mapping[str, Any]) -> list[Record]:
        email = str(values.get("Email") or "").casefold()
        name = (str(values.get("FirstName")).casefold(), str(values.get("LastName")).casefold())
        return [
            it
            for it in self.people
            if (email and str(it.get("Email") or "").casefold() == email)
            or (str(it.get("FirstName")).casefold(), str(it.get("LastName")).casefold()) == name
        ]

    def type_of(self, table: str, name: str) -> str | None:
        item = self.objects.get(table, {}).get(name)
        return str(item["type"]) if item and f"{table}.{name}" not in self.hidden else None


def _duplicates(found: list[Record], table: str, *, told: bool) -> dict[str, Any]:
    said = problem("DUPLICATES_DETECTED", "Use one of these records?")
    if not told:
        return said
    tables = {"00Q": "Lead", "003": "Contact"}
    records = [{"record": {"attributes": {"type": tables[it["Id"][:3]]}, "Id": it["Id"]}} for it in found]
    rule = f"Standard_{table}_Duplicate_Rule"
    result = {
        "allowSave": False,
        "duplicateRule": rule,
        "matchResults": [{"matchRecords": records, "size": len(found)}],
    }
    return {**said, "duplicateResut": result}  # so it is spelled in recorded answers
