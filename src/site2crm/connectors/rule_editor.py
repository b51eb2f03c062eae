"""Owner and deal of a connection as a page edits them: plain inputs, what can be chosen, and the rules again."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from site2crm.connectors import editor, owners
from site2crm.connectors.dealing import LONGEST_WAIT_DAYS, TITLE, DealRule
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.sales import Directory, Owner
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.inputs import LONGEST_NUMBER, Fields
from site2crm.kit.text import fold

WAYS = [
    (OwnerWay.NONE.value, "Nobody", "The CRM decides."),
    (OwnerWay.ONE.value, "One owner", ""),
    (OwnerWay.BY_VALUE.value, "By a field", "The country or the campaign says who."),
    (OwnerWay.ROUND_ROBIN.value, "In turn", "Each new lead goes to the next one."),
]
PER: list[tuple[Literal["lead", "submission"], str]] = [
    ("lead", "Once for each lead"),
    ("submission", "For each submission"),
]
_AT = "{}\n{}"  # no id has a line break in it


class OwnerEdit(Struct, frozen=True):
    owner_way: str = OwnerWay.NONE.value
    owner: str = ""
    owner_source: str = ""
    owner_map: str = ""
    owners: tuple[str, ...] = ()
    owner_overwrite: bool = False


class DealEdit(Struct, frozen=True):
    deal_enabled: bool = False
    deal_per: str = "lead"
    deal_stage: str = ""
    deal_title: str = TITLE
    deal_amount: str = ""
    deal_amount_text: str = ""
    deal_currency: str = ""
    deal_close_days: str = ""


def of_owner(rule: OwnerRule, directory: Directory) -> OwnerEdit:
    pairs = {value: owners.called(owner, directory) for value, owner in rule.value_map.items()}
    return OwnerEdit(
        rule.way.value, rule.owner, rule.source, editor.pairs_text(pairs), tuple(rule.owners), rule.overwrite
    )


def of_deal(rule: DealRule) -> DealEdit:
    amount, text = editor.source_parts(rule.amount)
    days = "" if rule.close_days is None else str(rule.close_days)
    at = _AT.format(rule.pipeline, rule.stage) if rule.pipeline or rule.stage else ""
    return DealEdit(rule.enabled, rule.per, at, rule.title, amount, text, rule.currency, days)


def posted_owner(fields: Fields) -> OwnerEdit:
    given = {name: fields.get(name, "").strip() for name in ("owner_way", "owner", "owner_source", "owner_map")}
    return OwnerEdit(**given, owners=tuple(fields.lists.get("owners", ())), owner_overwrite="owner_overwrite" in fields)


def posted_deal(fields: Fields) -> DealEdit:
    names = [name for name in DealEdit.__struct_fields__ if name not in ("deal_enabled", "deal_stage")]
    given = {name: fields.get(name, "").strip() for name in names}
    at = fields.get("deal_stage", "").replace("\r\n", "\n")
    return DealEdit(**given, deal_stage=at, deal_enabled="deal_enabled" in fields)


def to_owner(edited: OwnerEdit) -> OwnerRule:
    """Raises Invalid."""
    way = OwnerWay(edited.owner_way) if edited.owner_way in tuple(OwnerWay) else OwnerWay.NONE
    pairs = editor.pairs_of(edited.owner_map, "owner.value_map") if way is OwnerWay.BY_VALUE else {}
    return OwnerRule(
        way=way,
        owner=edited.owner,
        source=edited.owner_source,
        value_map=pairs,
        owners=list(edited.owners),
        overwrite=edited.owner_overwrite,
    )


def to_deal(edited: DealEdit) -> DealRule:
    """Raises Invalid."""
    days = edited.deal_close_days
    is_number = days.isascii() and days.isdecimal() and len(days) <= LONGEST_NUMBER
    if days and not (is_number and int(days) <= LONGEST_WAIT_DAYS):
        raise Invalid.field("deal.close_days", f"A number of days from 0 to {LONGEST_WAIT_DAYS}.")
    pipeline, _, stage = edited.deal_stage.partition("\n")
    return DealRule(
        enabled=edited.deal_enabled,
        per="submission" if edited.deal_per == "submission" else "lead",
        pipeline=pipeline,
        stage=stage,
        title=edited.deal_title or TITLE,
        amount=editor.joined(edited.deal_amount, edited.deal_amount_text),
        currency=edited.deal_currency,
        close_days=int(days) if days else None,
    )


def owner_options(directory: Directory, chosen: Sequence[str]) -> list[tuple[str, str]]:
    """Who is active, and who is chosen though gone. Where two have one name, the e-mail or the id tells them apart."""
    active = [owner for owner in directory.owners if owner.active]
    times = Counter(fold(owner.name) for owner in active)
    known = [(owner.id, _told(owner, is_alone=times[fold(owner.name)] == 1)) for owner in active]
    there = {id for id, _ in known}
    return [*known, *((id, owners.named_now(id, directory)) for id in chosen if id and id not in there)]


def _told(owner: Owner, *, is_alone: bool) -> str:
    more = owner.email or owner.id
    if not owner.name:
        return more
    return owner.name if is_alone else f"{owner.name}, {more}"


def stage_options(directory: Directory, chosen: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Grouped by pipeline, the stages in their order."""
    groups = [
        (pipeline.label, [(_AT.format(pipeline.id, stage.id), stage.label) for stage in pipeline.stages])
        for pipeline in directory.pipelines
    ]
    if chosen and chosen not in [value for _, options in groups for value, _ in options]:
        groups.append(("Gone", [(chosen, ": ".join(part for part in chosen.split("\n") if part))]))
    return groups


def said_of(errors: Sequence[FieldError], place: str) -> str:
    """What is wrong there, or in a part of it."""
    parts = (f"{place}.", f"{place}[")
    return next((error.message for error in errors if error.field == place or error.field.startswith(parts)), "")
