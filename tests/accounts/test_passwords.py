"""Which passwords may be chosen."""

import pytest

from site2crm.accounts import passwords
from site2crm.core.errors import Invalid


@pytest.mark.parametrize(
    "password",
    ["short", "a" * 513, "password1234", "PassWord1234", "qwertyuiop123", "aaaaaaaaaaaaaa", "abababababab"],
)
def test_short_endless_and_common_ones_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.check(password, minimum=12)


def test_ones_own_address_is_refused() -> None:
    with pytest.raises(Invalid):
        passwords.check("Alice@Acme.example", minimum=12, like=("alice@acme.example",))


@pytest.mark.parametrize(
    "password",
    ["four quiet green otters", "só português aqui", "漢字仮名交じり文の長い合言葉", "x" * 3 + "y" * 3 + "z" * 500],
)
def test_anything_else_long_enough_is_good(password: str) -> None:
    passwords.check(password, minimum=12)
