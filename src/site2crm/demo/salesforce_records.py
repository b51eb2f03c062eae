"""The records of the invented org: ids as Salesforce makes them, what it fills in by itself, conversion and merging."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from site2crm.demo.salesforce_objects import PREFIXES
from site2crm.kit import clock

Record = dict[str, Any]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_STAGES = (
    ("Prospecting", "Prospecting", False, False),
    ("Negotiation", "Negotiation/Review", False, False),
    ("Closed_Won", "Closed Won", True, True),
    ("Closed_Lost", "Closed Lost", True, False),
)


class Records:
    """Kept by their 18-character id; the deleted ones stay, as in the recycle bin."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Record]] = {name: {} for name in PREFIXES}
        self._numbers = itertools.count(1)
        self.organization_id = self.add("Organization", Name="Acme GmbH", DefaultCurrencyIsoCode="EUR")
        self.user_id = self.add("User", Name="Ina Integration", Email="ina@acme.example", UserType="Standard",
                                IsActive=True, TimeZoneSidKey="Europe/Berlin")  # fmt: skip
        for order, (name, label, closed, won) in enumerate(_STAGES, 1):
            self.add("OpportunityStage", ApiName=name, MasterLabel=label, SortOrder=order, IsActive=True,
                     IsClosed=closed, IsWon=won, DefaultProbability=100 * won)  # fmt: skip

    def add(self, table: str, /, **values: Any) -> str:
        id, now = long_id(f"{PREFIXES[table]}5G{next(self._numbers):010}"), stamp()
        record = {"IsDeleted": False, "CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
        self.tables[table][id] = {**record, **self._defaults(table, values), **values, "Id": id}
        self._settle(table, id)
        return id

    def change(self, table: str, id: str, values: Mapping[str, Any]) -> None:
        record, was = self.tables[table][id], self.tables[table][id].get("StageName")
        record.update(values, LastModifiedDate=stamp(), SystemModstamp=stamp())
        if record.get("StageName") != was:
            record["LastStageChangeDate"] = stamp()
        self._settle(table, id)

    def find(self, table: str, id: str) -> Record | None:
        return self.tables[table].get(long_id(id) if len(id) == 15 else id)

    def live(self, table: str) -> list[Record]:
        return [record for record in self.tables[table].values() if not record["IsDeleted"]]

    def delete(self, id: str) -> None:
        self.change(self.table_of(id), id, {"IsDeleted": True})

    def merge(self, master: str, other: str) -> None:
        self.change(self.table_of(other), other, {"IsDeleted": True, "MasterRecordId": master})

    def convert(self, lead_id: str, *, opportunity: str = "") -> tuple[str, str]:
        """The ids of the contact and of the opportunity ("" without one) that the lead has become."""
        lead = self.tables["Lead"][lead_id]
        account = self.add("Account", Name=lead["Company"])
        names = ("FirstName", "LastName", "Email", "Phone")
        contact = self.add("Contact", AccountId=account, **{name: lead.get(name) for name in names})
        deal = self.add("Opportunity", Name=opportunity, StageName="Prospecting", AccountId=account,
                        CloseDate=stamp()[:10]) if opportunity else ""  # fmt: skip
        if deal:
            self.add("OpportunityContactRole", OpportunityId=deal, ContactId=contact, IsPrimary=True)
        into = {"ConvertedContactId": contact, "ConvertedAccountId": account, "ConvertedOpportunityId": deal or None}
        self.change("Lead", lead_id, {"IsConverted": True, **into})
        return contact, deal

    def table_of(self, id: str) -> str:
        return next(name for name, prefix in PREFIXES.items() if id.startswith(prefix))

    def _defaults(self, table: str, values: Mapping[str, Any]) -> Record:
        given: Record = {}
        if table in ("Lead", "Contact", "Account", "Opportunity", "Task", "Event"):
            given["OwnerId"] = getattr(self, "user_id", None)
        if table == "Lead":
            given |= {"Status": "Open - Not Contacted", "IsConverted": False, "ConvertedContactId": None}
        if table in ("Lead", "Contact"):
            given |= {"HasOptedOutOfEmail": False, "Newsletter__c": False}
        if table == "OpportunityContactRole":
            given["IsPrimary"] = False
        return given

    def _settle(self, table: str, id: str) -> None:
        record = self.tables[table][id]
        if table in ("Lead", "Contact"):
            record["Name"] = " ".join(filter(None, (record.get("FirstName"), record.get("LastName"))))
        if table == "Task":
            record["IsClosed"] = record.get("Status") == "Completed"
        if table == "Opportunity":
            stages = {stage["ApiName"]: stage for stage in self.tables["OpportunityStage"].values()}
            stage = stages.get(record.get("StageName"), {"IsClosed": False, "IsWon": False})
            record |= {"IsClosed": stage["IsClosed"], "IsWon": stage["IsWon"]}


def stamp() -> str:
    """This moment as Salesforce writes it: UTC, the offset without a colon."""
    return clock.now().isoformat(timespec="seconds").replace("+00:00", ".000+0000")


def long_id(short: str) -> str:
    """The 18 characters that are safe where case is lost: the last three tell which of the others are capitals."""
    return short + "".join(_suffix(short))


def _suffix(short: str) -> Iterator[str]:
    for start in (0, 5, 10):
        bits = sum(1 << at for at, letter in enumerate(short[start : start + 5]) if letter.isupper())
        yield _ALPHABET[bits]
