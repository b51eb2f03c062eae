"""Times and amounts as Nutshell tells them: a number here, an object there, now and then a text (contract, 7)."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from site2crm.connectors.sales import Money
from site2crm.kit import clock


def moment(value: object) -> datetime | None:
    """Unix seconds, plain or in an object, or ISO 8601; None for anything else."""
    if isinstance(value, dict):
        value = value.get("timestamp") if value.get("timestamp") is not None else value.get("value")
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float) or str(value).lstrip("-").isdecimal():
            return clock.as_utc(datetime.fromtimestamp(float(str(value)), UTC))
        told = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return clock.as_utc(told if told.tzinfo else told.replace(tzinfo=UTC))


def money(value: object, currency: str | None) -> Money | None:
    """`currency`: of the account, where the amount does not say."""
    if not isinstance(value, dict) or value.get("amount") in (None, ""):
        return None
    try:
        amount = Decimal(str(value["amount"]))
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    told = value.get("currency")
    return Money(amount, str(told) if told else currency)
