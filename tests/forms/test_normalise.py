"""Every body of `intake/` becomes the lead that `expected.json` describes."""

import json
from pathlib import Path
from typing import Any

import pytest

from site2crm.forms.normalise import BodyRefused, Normalised, normalise

INTAKE = Path(__file__).parent / "intake"
CASES: list[dict[str, Any]] = json.loads((INTAKE / "expected.json").read_text())["cases"]
PERSON = ("email", "first_name", "last_name", "phone", "company", "message")


def read(case: dict[str, Any], **options: Any) -> Normalised:
    return normalise((INTAKE / case["file"]).read_bytes(), case["content_type"], **options)


def comparable(field: str, value: str | None) -> str | None:
    if field == "phone" and value:
        return "".join(c for c in value if c.isdigit())
    return value.replace("\r\n", "\n") if value else None


def named(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["file"]) for case in CASES if case["kind"] == kind]


def kept(lead: Normalised) -> set[str]:
    return {
        *lead.custom.values(),
        *lead.consent.values(),
        *lead.attribution.values(),
        *filter(None, (lead.ip, lead.redirect_to)),
    }


@pytest.mark.parametrize("case", named("lead"))
def test_the_person_is_read_as_expected(case: dict[str, Any]) -> None:
    lead = read(case)

    got = {field: comparable(field, getattr(lead, field)) for field in PERSON}
    assert got == {field: comparable(field, case["expected"][field]) for field in PERSON}
    assert lead.kind == "lead"


@pytest.mark.parametrize("case", [p for p in named("lead") if "expected_extra" in p.values[0]])
def test_nothing_beside_the_person_is_lost(case: dict[str, Any]) -> None:
    lead = read(case)

    for name, value in case["expected_extra"].items():
        text = ", ".join(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else value
        assert text in kept(lead), name


@pytest.mark.parametrize("case", [p for p in [*named("lead"), *named("test")] if "provider_id" in p.values[0]])
def test_the_builders_own_id_is_found(case: dict[str, Any]) -> None:
    assert read(case).provider_id == case["provider_id"]


@pytest.mark.parametrize("case", [p for p in named("lead") if "field_map" in p.values[0]])
def test_a_field_map_outweighs_the_guess(case: dict[str, Any]) -> None:
    lead = read(case, field_map=case["field_map"])

    got = {field: comparable(field, getattr(lead, field)) for field in PERSON}
    assert got == {field: comparable(field, value) for field, value in case["expected_with_field_map"].items()}


@pytest.mark.parametrize("case", [*named("spam"), *named("test")])
def test_bots_and_test_buttons_are_told_apart(case: dict[str, Any]) -> None:
    assert read(case).kind == case["kind"]


@pytest.mark.parametrize("case", named("reject"))
def test_an_empty_body_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(BodyRefused) as refused:
        read(case)

    assert refused.value.status == case["expected"]["status"]


UNSEEN: list[dict[str, Any]] = json.loads((INTAKE / "unseen.json").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in UNSEEN])
def test_shapes_seen_in_the_wild_are_read(case: dict[str, Any]) -> None:
    lead = normalise(case["body"].encode(), case["content_type"])

    expected = case["expected"]
    got = {field: getattr(lead, field) for field in PERSON if expected is not None}
    assert got == {field: expected.get(field) for field in PERSON if expected is not None}
    assert lead.kind == case.get("kind", "lead")
    assert set(case["kept"]) <= kept(lead)
    assert lead.provider_id == case.get("provider_id", lead.provider_id)


FORM = "application/x-www-form-urlencoded"


def test_our_forms_own_fields_outweigh_the_guess() -> None:
    body = b"q1=ada.sample%40example.com&q2=Sample+Ltd&name=Rex&email=bob%40example.com&ok=1&src=footer"
    fields = [("q1", "email"), ("q2", "company"), ("name", "text"), ("ok", "consent"), ("src", "hidden")]

    lead = normalise(body, FORM, form_fields=fields)

    assert (lead.email, lead.company, lead.first_name) == ("ada.sample@example.com", "Sample Ltd", None)
    assert lead.custom == {"name": "Rex", "src": "footer", "email": "bob@example.com"}
    assert lead.consent == {"ok": "1"}


def test_a_declared_field_with_the_wrong_value_is_kept_as_an_answer() -> None:
    lead = normalise(b"q1=no+thanks&email=ada.sample%40example.com", FORM, form_fields=[("q1", "email")])

    assert lead.email == "ada.sample@example.com"
    assert lead.custom == {"q1": "no thanks"}


def test_a_field_map_can_name_custom_fields_and_ignore_others() -> None:
    lead = normalise(b"email=ada%40example.com&f7=10k&f8=x", FORM, field_map={"f7": "budget", "f8": "ignore"})

    assert lead.custom == {"budget": "10k"}


def test_both_touches_of_the_embed_are_told_apart() -> None:
    lead = normalise(b"email=a%40b.example&s2c_first_utm_source=x&s2c_last_gclid=y&s2c_started=5", FORM)

    assert lead.attribution == {"first.utm_source": "x", "last.gclid": "y"}
    assert lead.ours == {"started": "5"}


def test_a_further_honeypot_may_be_named() -> None:
    body = b"email=a%40b.example&nickname2=x"

    assert normalise(body, FORM, honeypots=frozenset(["nickname2"])).reason == "honeypot"
    assert normalise(body, FORM).kind == "lead"


def test_an_answer_about_landing_pages_is_no_attribution() -> None:
    lead = normalise(b"email=a%40b.example&Landing+page=Yes%2C+please&Referrer=Bob&next=soon", FORM)

    assert lead.custom == {"Landing page": "Yes, please", "Referrer": "Bob", "next": "soon"}
    assert lead.attribution == {}
    assert lead.redirect_to is None


def test_a_subject_is_an_answer_of_the_lead() -> None:
    assert normalise(b"email=a%40b.example&your-subject=Quote", FORM).custom == {"subject": "Quote"}


def test_our_own_form_is_nobody_elses() -> None:
    assert normalise(b"email=a%40b.example&_gotcha=&s2c_key=1", FORM).provider == ""
