"""Who gets a lead's record in the CRM: nobody, one person, whom a field says, or each in turn. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from site2crm.connectors import sources
from site2crm.connectors.mapping import first_of, looked_up
from site2crm.connectors.sales import Directory, Owner
from site2crm.connectors.sources import LeadValues
from site2crm.core.errors import FieldError, Invalid
from site2crm.kit.text import fold

MOST = 200
_SHOWN = 8


class OwnerWay(StrEnum):
    NONE = "none"
    ONE = "one"
    BY_VALUE = "by_value"
    ROUND_ROBIN = "round_robin"


class OwnerRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Owners are ids of the CRM; an e-mail or a name is taken too, and turned into the id.

    `one`: `owner`. `by_value`: what `value_map` has for the value of `source`, else `owner`, else nobody.
    `round_robin`: `owners` in turn. A record that is there already keeps its owner, but with `overwrite`.
    """

    way: OwnerWay = OwnerWay.NONE
    owner: str = ""
    source: str = ""
    value_map: dict[str, str] = {}
    owners: list[str] = []
    overwrite: bool = False


class Chosen(NamedTuple):
    """Who gets it, "" for nobody; and who would have, had they not left the CRM."""

    id: str = ""
    gone: str = ""


def stored(rule: Mapping[str, object]) -> OwnerRule:
    return msgspec.convert(rule, OwnerRule)


def directory_of(stored: Mapping[str, object]) -> Directory:
    """As last discovered; empty if it never was."""
    return msgspec.convert(stored, Directory)


def chosen(rule: OwnerRule, lead: LeadValues, directory: Directory, *, turn: str = "") -> Chosen:
    """Nobody gets what is meant for somebody who has left: the CRM would refuse it, or nobody would look at it there.

    `turn`: whose turn it is.
    """
    wanted = _wanted(rule, lead, turn)
    there = working(wanted, directory)
    missed = wanted[:1] if rule.way is not OwnerWay.ROUND_ROBIN or not there else []
    gone = next((id for id in missed if id not in there), "")
    return Chosen(next(iter(there), ""), name_of(gone, directory) if gone else "")


def in_turn(several: Sequence[str], number: int) -> str:
    """Whose turn it is after so many, "" where nobody takes turns."""
    return several[number % len(several)] if several else ""


def working(several: Sequence[str], directory: Directory) -> list[str]:
    """Those who have not left, as far as the CRM has said."""
    there = {owner.id for owner in directory.owners if owner.active}
    return [id for id in several if id in there or not directory.owners]


def _wanted(rule: OwnerRule, lead: LeadValues, turn: str) -> list[str]:
    """Who is to get it; the next one where the one before is not there."""
    match rule.way:
        case OwnerWay.NONE:
            return []
        case OwnerWay.ONE:
            return [rule.owner]
        case OwnerWay.BY_VALUE:
            said = looked_up(rule.value_map, str(first_of([rule.source], lead)))
            return [id for id in (said, rule.owner) if id]
        case OwnerWay.ROUND_ROBIN:
            return [turn, *rule.owners] if turn in rule.owners else list(rule.owners)


def named(rule: OwnerRule) -> list[str]:
    """Everybody whom the rule may choose."""
    match rule.way:
        case OwnerWay.NONE:
            return []
        case OwnerWay.ONE:
            return [rule.owner]
        case OwnerWay.BY_VALUE:
            return [*rule.value_map.values(), *([rule.owner] if rule.owner else [])]
        case OwnerWay.ROUND_ROBIN:
            return list(rule.owners)


def checked(rule: OwnerRule, directory: Directory) -> OwnerRule:
    """With ids for names, and without what its way has no use for. Raises Invalid naming `owner.<part>`."""
    resolved = _Resolved(directory.owners)
    made = _with_ids(rule, resolved)
    refused = [FieldError(f"owner.{part}", text) for part, text in [*_faults(rule), *resolved.faults]]
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return made


def settled(rule: OwnerRule, directory: Directory) -> OwnerRule:
    """As `checked`, for as many as the CRM has: the others must not keep leads from them."""
    return _with_ids(rule, _Resolved(directory.owners))


def _with_ids(rule: OwnerRule, resolved: "_Resolved") -> OwnerRule:
    match rule.way:
        case OwnerWay.NONE:
            return OwnerRule()
        case OwnerWay.ONE:
            return OwnerRule(way=rule.way, owner=resolved.one(rule.owner, "owner"), overwrite=rule.overwrite)
        case OwnerWay.BY_VALUE:
            pairs = {value: resolved.one(owner, f"value_map.{value}") for value, owner in rule.value_map.items()}
            other = resolved.one(rule.owner, "owner") if rule.owner.strip() else ""
            return msgspec.structs.replace(rule, owner=other, value_map=pairs, owners=[])
        case OwnerWay.ROUND_ROBIN:
            several = [resolved.one(owner, f"owners[{place}]") for place, owner in enumerate(rule.owners)]
            return OwnerRule(way=rule.way, owners=list(dict.fromkeys(several)), overwrite=rule.overwrite)


def named_now(id: str, directory: Directory) -> str:
    """The name, and whether they are there still."""
    return f"{name_of(id, directory)}{'' if working([id], directory) else ' (gone)'}"


def name_of(id: str, directory: Directory) -> str:
    return next((owner.name or owner.email or id for owner in directory.owners if owner.id == id), id)


def called(id: str, directory: Directory) -> str:
    """What tells this owner from the others: the name, where no other has it, else the e-mail, else the id."""
    owner = next((each for each in directory.owners if each.id == id), None)
    taken = [fold(text) for each in directory.owners if each.id != id for text in (each.name, each.email or "") if text]
    said = (owner.name, owner.email or "") if owner else ()
    return next((text for text in said if text and fold(text) not in taken), id)


def _faults(rule: OwnerRule) -> list[tuple[str, str]]:
    if rule.way is OwnerWay.ONE and not rule.owner.strip():
        return [("owner", "Choose the owner.")]
    if rule.way is OwnerWay.ROUND_ROBIN and not rule.owners:
        return [("owners", "Choose those who take turns.")]
    if rule.way is not OwnerWay.BY_VALUE:
        return [("owners", f"At most {MOST}.")] if len(rule.owners) > MOST else []
    faults = [("source", text)] if (text := sources.fault(rule.source)) else []
    if not rule.value_map or len(rule.value_map) > MOST:
        faults.append(("value_map", f"Say which value means which owner: one to {MOST} pairs."))
    return faults


class _Resolved:
    """Ids, e-mails and names to ids."""

    def __init__(self, known: Sequence[Owner]) -> None:
        self._known = known
        self.faults: list[tuple[str, str]] = []

    def one(self, said: str, place: str) -> str:
        wanted = said.strip()
        if not self._known or not wanted:
            return wanted
        found = [owner for owner in self._known if owner.id == wanted] or [
            owner for owner in self._known if fold(wanted) in (fold(owner.name), fold(owner.email or ""))
        ]
        active = [owner for owner in found if owner.active]
        if len(active) == 1:
            return active[0].id
        self.faults.append((place, self._fault(wanted, found, active)))
        return found[0].id if len(found) == 1 else wanted

    def _fault(self, wanted: str, found: Sequence[Owner], active: Sequence[Owner]) -> str:
        if len(active) > 1:
            return f"Several owners are called {wanted[:60]!r}: give the id or the e-mail."
        if found:
            who = found[0].name or found[0].email or wanted
            return f"{who[:60]} is no longer active in the CRM: choose another owner."
        names = [owner.name or owner.email or owner.id for owner in self._known if owner.active]
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        return f"The CRM has no owner {wanted[:60]!r}. It has {shown or 'none that is active'}."
