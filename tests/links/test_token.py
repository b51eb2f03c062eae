"""The click token: what this instance signed, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from site2crm.core.crypto import Vault
from site2crm.kit import clock
from site2crm.links import token
from site2crm.links.token import Click

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
VAULT = Vault(KEY)
AT = datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC)
CLICK, LINK = "clk_01M80SKD4FQ3SJ4QHRZ0E0C66T", "lnk_01M80SKD4FKPJH1MRZZ1TP39D5"
TOKEN = token.sign(VAULT, CLICK, LINK, AT.timestamp() + 0.9)


def test_a_token_says_which_click_on_which_link_and_when() -> None:
    assert token.verify(VAULT, TOKEN, AT) == Click(CLICK, LINK, AT)


def test_it_needs_no_escaping_in_an_address() -> None:
    assert len(TOKEN) == token.LENGTH
    assert TOKEN.isascii() and TOKEN.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN.lower(),
        TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"),
        ("0" if TOKEN[0] != "0" else "1") + TOKEN[1:],
        TOKEN[26:52] + TOKEN[:26] + TOKEN[52:],
        "é" * token.LENGTH,
        "\ud800" * token.LENGTH,
        "٣" * token.LENGTH,
        "A" * 100_000,
    ],
)
def test_what_was_not_signed_here_is_no_token(forged: str) -> None:
    assert token.verify(VAULT, forged, AT) is None


@pytest.mark.parametrize("place", range(token.LENGTH))
def test_no_character_may_be_changed(place: int) -> None:
    other = "0" if TOKEN[place] != "0" else "1"
    assert token.verify(VAULT, TOKEN[:place] + other + TOKEN[place + 1 :], AT) is None


def test_another_instance_signs_in_vain() -> None:
    assert token.verify(VAULT, token.sign(Vault(OTHER_KEY), CLICK, LINK, AT.timestamp()), AT) is None


def test_tokens_outlive_a_change_of_the_key() -> None:
    rotated = Vault(OTHER_KEY, previous=[KEY])
    assert token.verify(rotated, TOKEN, AT) == Click(CLICK, LINK, AT)
    assert token.verify(VAULT, token.sign(rotated, CLICK, LINK, AT.timestamp()), AT) is None


def test_a_token_ends_after_90_days() -> None:
    with clock.travel(AT) as forward:
        forward(timedelta(days=90).total_seconds())
        assert token.verify(VAULT, TOKEN, clock.now()) is not None
        forward(1)
        assert token.verify(VAULT, TOKEN, clock.now()) is None


@pytest.mark.parametrize(
    ("url", "with_token"),
    [
        ("https://a.example", "https://a.example?s2c_click=T"),
        ("https://a.example/x?y=1", "https://a.example/x?y=1&s2c_click=T"),
        ("https://a.example/x?", "https://a.example/x?s2c_click=T"),
        ("https://a.example/x?y&", "https://a.example/x?y&s2c_click=T"),
        ("https://a.example/x?y=1#end?", "https://a.example/x?y=1&s2c_click=T#end?"),
        ("https://a.example/x?s2c_click=OLD&y=1", "https://a.example/x?y=1&s2c_click=T"),
        ("https://a.example/x?y=1&s2c_click=OLD#end", "https://a.example/x?y=1&s2c_click=T#end"),
    ],
)
def test_the_token_is_added_once_before_the_fragment(url: str, with_token: str) -> None:
    assert token.appended(url, "T") == with_token


@pytest.mark.parametrize(
    ("url", "without"),
    [
        (f"https://a.example/?s2c_click={TOKEN}", "https://a.example/"),
        (f"https://a.example/?s2c_click={TOKEN}&y=1#end", "https://a.example/?y=1#end"),
        (f"https://a.example/?y=1&s2c_click={TOKEN}&s2c_click={TOKEN}", "https://a.example/?y=1"),
        (f"see https://a.example/?s2c_click={TOKEN} and more?", "see https://a.example/ and more?"),
        ("https://a.example/?not_s2c_click=1", "https://a.example/?not_s2c_click=1"),
        ("https://a.example/?", "https://a.example/?"),
    ],
)
def test_an_address_is_rid_of_its_token(url: str, without: str) -> None:
    assert token.stripped(url) == without
