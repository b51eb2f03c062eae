"""Money is whole minor units: as many to one as ISO 4217 says, and nothing that is no sum of money."""

from decimal import Decimal

import pytest

from site2crm.kit import money


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("1500.00", "EUR", 150000),
        ("0.1", "USD", 10),
        ("3000", "JPY", 3000),
        ("1.2345", "KWD", 1234),
        ("0.005", "EUR", 0),
        ("-12.34", "EUR", -1234),
        ("7", "", 700),
        ("1e30", "EUR", None),
        ("99999999999999999", "EUR", None),
        ("NaN", "EUR", None),
        ("Infinity", "EUR", None),
    ],
)
def test_an_amount_becomes_minor_units(amount: str, currency: str, units: int | None) -> None:
    assert money.minor(Decimal(amount), currency) == units


@pytest.mark.parametrize(
    ("units", "currency", "shown", "plain"),
    [
        (150000, "EUR", "1,500 EUR", "1500.00"),
        (150050, "EUR", "1,500.50 EUR", "1500.50"),
        (3000, "JPY", "3,000 JPY", "3000"),
        (1234, "KWD", "1.234 KWD", "1.234"),
        (700, "", "7", "7.00"),
    ],
)
def test_minor_units_are_shown(units: int, currency: str, shown: str, plain: str) -> None:
    assert (money.shown(units, currency), money.plain(units, currency)) == (shown, plain)


@pytest.mark.parametrize(("text", "code"), [("eur ", "EUR"), (None, ""), ("euro", ""), ("E1R", ""), ("ÄÖÜ", "")])
def test_a_currency_is_three_letters(text: str | None, code: str) -> None:
    assert money.code(text) == code
