"""What a check of `site2crm doctor` says: how it stands, in a sentence, and what to do about it."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(Struct, frozen=True):
    """`cure` is what a person does next; empty where there is nothing to do."""

    check: str
    level: Level
    says: str
    cure: str = ""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, cure: str) -> Finding:
    return Finding(check, Level.WARNING, says, cure)


def failed(check: str, says: str, cure: str) -> Finding:
    return Finding(check, Level.FAILED, says, cure)


def worst(findings: Sequence[Finding]) -> Level:
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAILED, Level.WARNING) if level in levels), Level.OK)
