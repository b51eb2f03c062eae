"""A form's answer as the type that the CRM's property has. Pure.

What does not fit is passed on as it was typed, with a sentence for the preview: the CRM has the last word, and its
refusal makes a dead letter that a person can mend. Dropping it here would lose it without a trace.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from site2crm.connectors.contract import FieldDef, Value
from site2crm.kit import clock
from site2crm.kit.text import fold

MOST_DIGITS = 30
"""With their marks: more are no amount, and no JSON number that a CRM would read."""

_YES = frozenset(["yes", "y", "true", "1", "on", "checked", "accepted", "agreed", "ja", "oui", "si", "sim", "ok"])
_NO = frozenset(["no", "n", "false", "0", "off", "unchecked", "declined", "nein", "non", "nao"])
_SEPARATORS = re.compile(r"[;,\n|]")
_AMOUNT = re.compile(r"-?\d[\d., '\u00a0\u202f]*")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


def fit(value: str | datetime, field: FieldDef | None) -> tuple[Value, str]:
    """The value as the property wants it, and what is wrong with it ("" if nothing is)."""
    if isinstance(value, datetime):
        return _moment(value, field), _no_moment(field)
    read = _READERS.get(field.type) if field else None
    if field is None or read is None:
        return value, ""
    fitted = read(value.strip(), field)
    if fitted is None:
        return value, f"{_short(value)} is not {wanted(field)}. It is sent as it is."
    return fitted, ""


def wanted(field: FieldDef) -> str:
    """Such as "a number", "one of the choices (Small, Large)"; of types that do not take every text."""
    return f"{_WANTED[field.type]}{_choices_of(field)}"


def _no_moment(field: FieldDef | None) -> str:
    takes_it = field is None or field.type not in _READERS or field.type in ("date", "datetime")
    return "" if takes_it or field is None else f"A moment is not {wanted(field)}. It is sent as it is."


def _moment(value: datetime, field: FieldDef | None) -> Value:
    match field.type if field else "datetime":
        case "datetime":
            return value
        case "date":
            return value.astimezone(UTC).date()
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _bool(text: str, _: FieldDef) -> Value:
    word = fold(text)
    if word in _YES:
        return True
    # A consent is stored with the sentence that was agreed to: whoever did not agree has no such answer.
    return False if word in _NO else (True if len(text.split()) > 2 else None)


def _number(text: str, _: FieldDef) -> Value:
    return amount(text)


def amount(text: str) -> Decimal | None:
    """`1.234,56 €` as a number; None where a person would have to guess."""
    found = _AMOUNT.search(text)
    if found is None or any(c.isalpha() for c in text[: found.start()].replace("EUR", "").replace("USD", "")):
        return None
    if any(c.isdigit() for c in text[found.end() :]):
        return None
    digits = re.sub(r"[ '\u00a0\u202f]", "", found[0]).rstrip(".,")
    try:
        return Decimal(_with_point(digits)) if len(digits) <= MOST_DIGITS else None
    except InvalidOperation:
        return None


def _with_point(digits: str) -> str:
    """`1.234,56` and `1,234.56` both mean 1234.56; a single mark before exactly three digits groups thousands."""
    marks = [c for c in digits if c in ".,"]
    if not marks:
        return digits
    last = marks[-1]
    whole, _, rest = digits.rpartition(last)
    groups = len(set(marks)) == 1 and (len(marks) > 1 or len(rest) == 3)
    plain = re.sub(r"[.,]", "", whole)
    return plain + rest if groups else f"{plain}.{rest}"


def _date(text: str, _: FieldDef) -> Value:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return _written_date(text)


def _written_date(text: str) -> date | None:
    try:
        if found := _DOTTED.fullmatch(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if found := _SLASHED.fullmatch(text):
            first, second, year = (int(part) for part in found.groups())
            if first > 12:
                return date(year, second, first)
            if second > 12 or first == second:
                return date(year, first, second)
    except ValueError:
        pass
    return None  # 03/04/2026: March or April, nobody can tell


def _datetime(text: str, field: FieldDef) -> Value:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        day = _date(text, field)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) if isinstance(day, date) else None
    return clock.as_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _choice(text: str, field: FieldDef) -> Value:
    if not field.choices or any(text == value for value, _ in field.choices):
        return text
    wanted = fold(text)
    for value, label in field.choices:
        if wanted in (fold(label), fold(value)):
            return value
    return None


def _choices(text: str, field: FieldDef) -> Value:
    whole = _choice(text, field)
    if isinstance(whole, str) and field.choices:
        return [whole]
    parts = [_choice(part.strip(), field) for part in _SEPARATORS.split(text) if part.strip()]
    known = [part for part in parts if isinstance(part, str)]
    return known if known and len(known) == len(parts) else None


def _choices_of(field: FieldDef) -> str:
    shown: Sequence[str] = [label or value for value, label in field.choices[:6]]
    more = ", …" if len(field.choices) > len(shown) else ""
    return f" ({', '.join(shown)}{more})" if shown and field.type != "bool" else ""


def _short(text: str) -> str:
    return f"“{text if len(text) <= 40 else text[:39] + '…'}”"


_READERS: dict[str, Callable[[str, FieldDef], Value]] = {
    "bool": _bool,
    "number": _number,
    "money": _number,
    "date": _date,
    "datetime": _datetime,
    "choice": _choice,
    "choices": _choices,
}
_WANTED = {
    "bool": "a yes or a no",
    "number": "a number",
    "money": "an amount",
    "date": "a date",
    "datetime": "a moment",
    "choice": "one of the choices",
    "choices": "among the choices",
}
