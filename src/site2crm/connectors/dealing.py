"""The deal that a lead brings: title, amount, stage, and when it is expected to close. Pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from site2crm.connectors import coercion, sources
from site2crm.connectors.mapping import Problem, first_of
from site2crm.connectors.sales import DealIn, Directory, Money
from site2crm.connectors.sources import CONSTANT, LONGEST, TEMPLATE, LeadValues
from site2crm.core.errors import FieldError, Invalid
from site2crm.kit import clock
from site2crm.kit.currencies import CODES

TITLE = "{name|New lead}, {form|website}"
LONGEST_TITLE = 200
LONGEST_WAIT_DAYS = 3650


class DealRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """`title` is a template without its prefix. `amount` is a source, such as `custom.budget` or `constant:500`;
    `currency` an ISO 4217 code, "" for the account's own. Without `stage` the CRM's first one."""

    enabled: bool = False
    per: Literal["lead", "submission"] = "lead"
    pipeline: str = ""
    stage: str = ""
    title: str = TITLE
    amount: str = ""
    currency: str = ""
    close_days: Annotated[int, Meta(ge=0, le=LONGEST_WAIT_DAYS)] | None = None


class Planned(Struct, frozen=True):
    """`problems`: what the deal is made without."""

    deal: DealIn
    problems: list[Problem]


def stored(rule: Mapping[str, object]) -> DealRule:
    return msgspec.convert(rule, DealRule)


def planned(rule: DealRule, lead: LeadValues, *, ref: str, owner: str = "") -> Planned:
    """The same at every try: days are counted from the submission."""
    money, problem = _money(rule, lead)
    day = (lead.submitted_at or clock.now()).date()
    title = sources.read(f"{TEMPLATE}:{rule.title}", lead) or lead.email or lead.phone or "New lead"
    deal = DealIn(
        ref=ref,
        title=str(title)[:LONGEST_TITLE],
        value=money,
        pipeline=rule.pipeline or None,
        stage=rule.stage or None,
        close=_later(day, rule.close_days),
        owner=owner or None,
    )
    return Planned(deal, [Problem("deal amount", problem)] if problem else [])


def checked(rule: DealRule, directory: Directory) -> DealRule:
    """With the pipeline that the stage belongs to. Raises Invalid naming `deal.<part>`."""
    pipeline, faults = _placed(rule, directory)
    if text := sources.fault(f"{TEMPLATE}:{rule.title}"):
        faults.append(("title", text))
    if rule.amount and (text := sources.fault(rule.amount) or _fixed_fault(rule.amount)):
        faults.append(("amount", text))
    if max(len(rule.title), len(rule.amount)) > LONGEST:
        faults.append(("title", f"At most {LONGEST} characters."))
    currency = rule.currency.strip().upper()
    if currency and currency not in CODES:
        text = f"There is no currency {rule.currency[:20]!r}: three letters of ISO 4217, such as EUR or USD."
        faults.append(("currency", text))
    if faults:
        refused = [FieldError(f"deal.{part}", text) for part, text in faults]
        raise Invalid(refused[0].message, errors=refused)
    return msgspec.structs.replace(rule, pipeline=pipeline, currency=currency)


def place_name(rule: DealRule, directory: Directory) -> str:
    """`Sales pipeline: New`, as far as it is known."""
    for pipeline in directory.pipelines:
        if pipeline.id == rule.pipeline:
            stage = next((stage.label for stage in pipeline.stages if stage.id == rule.stage), rule.stage)
            return f"{pipeline.label}: {stage}" if stage else pipeline.label
    return ": ".join(part for part in (rule.pipeline, rule.stage) if part)


def _placed(rule: DealRule, directory: Directory) -> tuple[str, list[tuple[str, str]]]:
    known = directory.pipelines
    if not known:
        return rule.pipeline, []
    having = [pipeline.id for pipeline in known if any(stage.id == rule.stage for stage in pipeline.stages)]
    pipeline = rule.pipeline or (having[0] if rule.stage and len(having) == 1 else "")
    if pipeline and pipeline not in [each.id for each in known]:
        names = ", ".join(f"{each.label} ({each.id})" for each in known[:8])
        return pipeline, [("pipeline", f"The CRM has no pipeline {pipeline[:60]!r}. It has {names}.")]
    if rule.stage and pipeline not in having:
        stages = [stage for each in known if pipeline in ("", each.id) for stage in each.stages]
        names = ", ".join(f"{stage.label} ({stage.id})" for stage in stages[:12])
        return pipeline, [("stage", f"The pipeline has no stage {rule.stage[:60]!r}. It has {names}.")]
    return pipeline, []


def _fixed_fault(amount: str) -> str:
    head, _, text = amount.partition(":")
    if head != CONSTANT:
        return ""
    said = coercion.amount(text)
    if said is None:
        return f"{text[:40]!r} is not an amount: write 1500 or 1500.50."
    return "A deal cannot be worth less than nothing: write 1500 or 1500.50." if said < 0 else ""


def _money(rule: DealRule, lead: LeadValues) -> tuple[Money | None, str]:
    said = first_of([rule.amount], lead) if rule.amount else ""
    if said == "":
        return None, ""
    read = None if isinstance(said, datetime) else coercion.amount(said)
    if read is None:
        return None, f"{str(said)[:40]!r} is not an amount: the deal is made without one."
    return Money(Decimal(read), rule.currency or None), ""


def _later(day: date, days: int | None) -> date | None:
    return None if days is None else day + timedelta(days=days)
