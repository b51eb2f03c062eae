"""Money as whole minor units (cents) of a currency. ISO 4217 says how many make one; most have a hundred."""

from decimal import ROUND_HALF_EVEN, Decimal

_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_NO_DIGITS.split(), 0) | dict.fromkeys(_THREE_DIGITS.split(), 3) | {"CLF": 4, "UYW": 4}
_MOST = 2**63 - 1


def code(text: str | None) -> str:
    """A currency's three letters, "" for anything else."""
    found = (text or "").strip().upper()
    return found if len(found) == 3 and found.isascii() and found.isalpha() else ""


def digits(currency: str) -> int:
    return _DIGITS.get(currency, 2)


def minor(amount: Decimal, currency: str) -> int | None:
    """Rounded half to even; None for what is no sum of money: not a number, or more than 64 bits hold."""
    if not amount.is_finite() or amount.adjusted() > 18:
        return None
    units = int(amount.scaleb(digits(currency)).to_integral_value(ROUND_HALF_EVEN))
    return units if abs(units) <= _MOST else None


def major(units: int, currency: str) -> Decimal:
    return Decimal(units).scaleb(-digits(currency))


def plain(units: int, currency: str) -> str:
    """For machines: `1500.00`."""
    return f"{major(units, currency):.{digits(currency)}f}"


def shown(units: int, currency: str) -> str:
    """For people: `1,500 EUR`, `0.10 EUR`."""
    whole = major(units, currency)
    places = 0 if whole == whole.to_integral_value() else digits(currency)
    return f"{whole:,.{places}f} {currency}".strip()


def rounded(units: int, currency: str) -> str:
    """For people who look at sums: `87,006 EUR`."""
    return f"{major(units, currency):,.0f} {currency}".strip()
