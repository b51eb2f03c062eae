"""The editor's rows: what the owner leaves empty gets a name that others use too."""

import pytest

from site2crm.core.errors import Invalid
from site2crm.forms import editor
from site2crm.forms.editor import Edited, Row


def names(*rows: Row) -> list[str]:
    patch = editor.to_patch(Edited("Contact", list(rows), "", "", "", "", "", ""))
    assert isinstance(patch.fields, list)
    return [field.name for field in patch.fields]


@pytest.mark.parametrize("kind", ["email", "name", "first_name", "last_name", "phone", "company", "message"])
def test_a_person_field_is_called_by_its_type_whatever_its_label(kind: str) -> None:
    assert names(Row(type=kind, label="E-mail address, please")) == [kind]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Your budget?", "your_budget"),
        ("Größe", "grosse"),
        ("2nd choice", "f_2nd_choice"),
        ("予算", "field"),
        ("x" * 80, "x" * 50),
    ],
)
def test_any_other_is_called_by_its_label(label: str, name: str) -> None:
    assert names(Row(type="text", label=label)) == [name]


def test_no_two_are_called_alike() -> None:
    rows = [
        Row(type="email", label="E-mail"),
        Row(type="email", label="E-mail of a colleague"),
        Row(type="text", label="予算"),
        Row(type="text", label="予定"),
        Row(type="text", label="Phone"),
        Row(type="phone", label="Phone"),
    ]
    assert names(*rows) == ["email", "e_mail_of_a_colleague", "field", "field_2", "phone_2", "phone"]


def test_a_name_that_is_given_stays_and_is_not_taken_by_another() -> None:
    rows = [Row(type="email", label="Work"), Row(name="email", type="email", label="Private")]
    assert names(*rows) == ["work", "email"]
    with pytest.raises(Invalid):
        names(Row(type="nonsense", label="x"))
