"""One person on the way into Zoho: what is to be written, where, and what has become of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from site2crm.connectors.contract import EMPTY, CrmError, ErrorClass, PersonIn, Warned, Written
from site2crm.connectors.zoho.answers import Item
from site2crm.connectors.zoho.client import link_of
from site2crm.connectors.zoho.properties import (
    COMPANY,
    CONTACTS,
    LEADS,
    NOTE,
    Row,
    email_of,
    encode_all,
    for_contact,
    phone_of,
)

_NOTE_TITLE = "Website form"
_LONGEST_NOTE = 65_535


@dataclass(frozen=True)
class Options:
    module: str = LEADS
    prefers_contacts: bool = True
    trigger: Sequence[str] = ("workflow",)

    @property
    def asks_contacts(self) -> bool:
        return self.module == CONTACTS or self.prefers_contacts


@dataclass
class Work:
    """One person. `module` and `id`: the record to update; no id: it is to be made in the module."""

    person: PersonIn
    row: Row
    module: str
    note: str = ""
    company: str = ""
    id: str | None = None
    has_account: bool = False
    account: str = ""
    """The id of the one to be set."""
    dropped: set[str] = field(default_factory=set)
    created: bool = False
    done: bool = False
    tries: int = 0
    error: CrmError | None = None
    warnings: list[Warned] = field(default_factory=list)

    @property
    def ref(self) -> str:
        return self.person.ref

    @property
    def open(self) -> bool:
        return not self.done and self.error is None

    def point_at(self, module: str, row: Item) -> None:
        self.module, self.id = module, str(row["id"])
        self.has_account = link_of(row, "Account_Name") is not None

    def warn(self, property: str, text: str) -> None:
        self.warnings.append(Warned(property, text))

    def shaped(self, mapped_for: str) -> Row:
        """The row as the module that it goes into has it."""
        row = dict(self.row)
        if self.id is not None and self.person.owner and not self.person.owner_wins:
            row.pop("Owner", None)  # who is there keeps the owner
        if self.module == CONTACTS:
            row.pop(COMPANY, None)
            row = for_contact(row) if mapped_for == LEADS else row
            row |= {"Account_Name": {"id": self.account}} if self.account else {}
        return {name: value for name, value in row.items() if name not in self.dropped}


def begun(person: PersonIn, options: Options) -> Work:
    """Before anything is known about where the person is."""
    row = encode_all(person.fields)
    if person.owner:
        row["Owner"] = {"id": person.owner}
    work = Work(person, row, options.module, note=str(row.pop(NOTE, "")))
    work.company = str(row.get(COMPANY) or "")
    if not row and not work.note and not email_of(person):
        work.error = CrmError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to Zoho CRM.", code=EMPTY)
    return work


def title_of(person: PersonIn) -> str:
    return f"{_NOTE_TITLE} {person.submission or person.ref}"


def note_of(work: Work) -> Row:
    parent = {"module": {"api_name": work.module}, "id": work.id or ""}
    return {"Note_Title": title_of(work.person), "Note_Content": work.note[:_LONGEST_NOTE], "Parent_Id": parent}


def written_of(work: Work, *, url: str | None) -> Written:
    return Written(
        work.ref,
        work.id if work.done else None,
        work.created,
        url if work.done else None,
        error=work.error,
        warnings=work.warnings,
    )


def waves(works: Sequence[Work]) -> list[list[Work]]:
    """The same person twice is written one after the other: within one batch Zoho may make two of them."""
    waves: list[list[Work]] = []
    seen: dict[str, int] = {}
    for work in works:
        if not work.open:
            continue
        turns = [seen.get(name, 0) for name in _names_of(work.person)]
        turn = max(turns, default=0)
        seen |= dict.fromkeys(_names_of(work.person), turn + 1)
        if turn == len(waves):
            waves.append([])
        waves[turn].append(work)
    return waves


def _names_of(person: PersonIn) -> list[str]:
    key, value = key_of(person)
    return [*([f"id {person.known_id}"] if person.known_id else []), *([f"{key} {value.casefold()}"] if value else [])]


def key_of(person: PersonIn) -> tuple[str, str]:
    if email := email_of(person):
        return "Email", email
    return "Phone", phone_of(person) or ""
