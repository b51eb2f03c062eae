"""Phone numbers as people type them."""

import pytest

from site2crm.kit import phone


@pytest.mark.parametrize(
    ("typed", "country", "expected"),
    [
        ("+1 (202) 555-0143", "", "+12025550143"),
        ("(202) 555-0143", "US", "+12025550143"),
        ("(202) 555-0143", "us", "+12025550143"),
        ("(202) 555-0143", "", None),
        ("0049 30 1234567", "", "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("+39 06 1234567", "", "+39061234567"),
        ("٠٥٠٠٠٠٠٠٠٠", "SA", "+966500000000"),
        ("call me", "US", None),
        ("12", "US", None),
        ("1" * 100_000, "US", None),
        ("+1 202 555 0143", "nowhere", "+12025550143"),
    ],
)
def test_numbers_become_e164_where_the_country_is_known(typed: str, country: str, expected: str | None) -> None:
    assert phone.e164(typed, country) == expected


def test_keys_compare_digits_only() -> None:
    assert phone.key("+1 (202) 555-0143") == phone.key("001 202 555 0143") == "12025550143"
