"""Phone numbers as people type them, into E.164."""

import phonenumbers

_LONGEST = 60


def e164(text: str, default_country: str = "") -> str | None:
    """`(202) 555-0143` with `US` -> `+12025550143`; None if the country is unknown or the length impossible.

    "Possible" is asked, not "valid": the tables of assigned ranges lag behind, and a real number must not be dropped.
    """
    typed = text.strip()
    if not typed or len(typed) > _LONGEST:
        return None
    if not default_country:
        typed = _with_plus(typed)
        if not typed:
            return None
    try:
        number = phonenumbers.parse(typed, default_country.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def key(text: str) -> str:
    """Digits only, without an international prefix, for comparing numbers."""
    digits = "".join([c for c in text if c.isdecimal()])
    ascii_digits = digits if digits.isascii() else "".join(str(int(c)) for c in digits)
    return ascii_digits.removeprefix("00")


def _with_plus(typed: str) -> str:
    """Without a country only an international number can be read: `+1 202 ...`, `0049 30 ...`."""
    if typed.startswith("00"):
        return "+" + typed[2:]
    return typed if "+" in typed[:8] or "＋" in typed[:8] or typed.startswith("tel:") else ""
