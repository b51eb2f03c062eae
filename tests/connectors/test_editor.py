"""Rows and rules as the page of the mapping has them: saved as they are shown, they are what they were."""

import pytest

from site2crm.connectors import editor, owners, rule_editor
from site2crm.connectors.mapping import Row, Transform
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.sales import Directory, Owner
from site2crm.core.errors import Invalid

PAIRS = {
    "Gold": "vip",
    "10;20": "a = b",
    "a=b": "c",
    '5" screen': 'say "no"',
    '"': '""',
    " padded ": "two\nlines",
    "< 10k, up": "Zoë & Co.",
}
ROWS = [
    Row("email", "Email"),
    Row("custom.plan", "Plan", Transform.VALUE_MAP, PAIRS, "none"),
    Row("custom.work", "Phone", Transform.E164, {}, "+49 30 1", ["custom.mobile", "phone"]),
    Row("constant:Web; always = yes", "Source", Transform.UPPER),
    Row("template:{first_name|Somebody}: {form}", "Title", Transform.NAME_CASE),
]


def test_rows_stay_what_they_are() -> None:
    assert editor.to_rows(editor.of_rows(ROWS)) == ROWS


@pytest.mark.parametrize("ours", PAIRS)
def test_a_pair_stays_what_it_is(ours: str) -> None:
    assert editor.pairs_of(editor.pairs_text({ours: PAIRS[ours]}), "here") == {ours: PAIRS[ours]}


@pytest.mark.parametrize("text", ["DE", "DE =", "= x", '"DE" "AT" = x', 'DE = "x', "a = b; DE"])
def test_a_pair_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="as “ours = theirs”"):
        editor.pairs_of(text, "here")


def test_a_quote_within_a_value_ends_nothing() -> None:
    text = '5" = small; 6" = large\n19" rack = r; "a;b" = "c"'
    assert editor.pairs_of(text, "here") == {'5"': "small", '6"': "large", '19" rack': "r", "a;b": "c"}


def test_a_long_text_that_is_no_pair_is_refused_at_once() -> None:
    with pytest.raises(Invalid):
        editor.pairs_of("a" + " " * 200_000 + "b", "here")


def test_a_value_that_would_be_two_is_refused_and_one_said_twice_is_one() -> None:
    assert editor.pairs_of("DE = x; DE = x", "here") == {"DE": "x"}
    with pytest.raises(Invalid, match="'DE' stands here twice"):
        editor.pairs_of("DE = x; AT = y; DE = z", "here")


def test_owners_of_one_name_stay_apart() -> None:
    known = Directory(
        owners=[
            Owner("1", "Ada Ark", "ada@one.example", True),
            Owner("2", "Ada Ark", "ada@two.example", True),
            Owner("3", "Ada Ark", None, True),
            Owner("4", "", None, True),
            Owner("5", "Bert Bow", None, True),
        ]
    )
    rule = OwnerRule(
        way=OwnerWay.BY_VALUE, source="company", value_map={each.name + each.id: each.id for each in known.owners}
    )
    shown = rule_editor.of_owner(rule, known)
    assert [name for _, name in rule_editor.owner_options(known, ())] == [
        "Ada Ark, ada@one.example",
        "Ada Ark, ada@two.example",
        "Ada Ark, 3",
        "4",
        "Bert Bow",
    ]
    assert shown.owner_map.endswith("4 = 4; Bert Bow5 = Bert Bow")
    assert owners.checked(rule_editor.to_owner(shown), known) == rule
