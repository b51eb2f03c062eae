"""Our fields to the CRM's properties: a table of values, the faults of a mapping, the suggestion."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from site2crm.connectors import mapping
from site2crm.connectors.contract import FieldDef, FieldType, Value
from site2crm.connectors.hubspot.kind import HUBSPOT
from site2crm.connectors.mapping import Row, Transform
from site2crm.connectors.sources import LeadValues
from site2crm.connectors.suggest import Question, suggest
from site2crm.connectors.webhook.kind import WEBHOOK
from site2crm.core.errors import Invalid

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ADA = LeadValues(
    lead_id="led_1",
    email="Ada@Example.com",
    first_name="Ada",
    last_name="Lovelace King",
    phone="(202) 555-0143",
    company="Engines",
    message="Hello\nthere",
    custom={"Favourite colour": "Green", "budget": "1.500,50 €", "twitter": ""},
    consent={"newsletter": "Yes, I agree to the letters"},
    first={"utm_source": "google", "gclid": "abc", "short_url": "https://s.example/spring"},
    last={"utm_source": "newsletter", "page_url": "https://example.com/a"},
    form="Contact",
    submitted_at=AT,
    country="US",
)
COLOURS = (("green", "Green"), ("sky_blue", "Sky blue"))


def field(type: FieldType, *, choices: tuple[tuple[str, str], ...] = ()) -> FieldDef:
    return FieldDef("p", "P", type, choices=choices)


def mapped(row: Row, *, lead: LeadValues = ADA, known: FieldDef | None = None) -> Value:
    return mapping.apply([row], lead, [known] if known else []).fields.get("p")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("email", "Ada@Example.com"),
        ("name", "Ada Lovelace King"),
        ("first_name", "Ada"),
        ("last_name", "Lovelace King"),
        ("phone", "+12025550143"),
        ("phone_e164", "+12025550143"),
        ("phone_as_typed", "(202) 555-0143"),
        ("message", "Hello\nthere"),
        ("custom.Favourite colour", "Green"),
        ("custom.favourite_colour", "Green"),
        ("custom.twitter", None),
        ("custom.nobody asked", None),
        ("consent.newsletter", "Yes, I agree to the letters"),
        ("utm_source", "newsletter"),
        ("first.utm_source", "google"),
        ("last.utm_source", "newsletter"),
        ("short_url", "https://s.example/spring"),
        ("first.short_url", "https://s.example/spring"),
        ("last.short_url", None),
        ("gclid", "abc"),
        ("page_url", "https://example.com/a"),
        ("form", "Contact"),
        ("submitted_at", AT),
        ("lead_id", "led_1"),
        ("constant:Website", "Website"),
        ("template:{first_name} from {utm_source|web}", "Ada from newsletter"),
        ("template:{first_name} from {utm_term|web}", "Ada from web"),
        ("template:{ custom.favourite colour | none }", "Green"),
        ("template:Enquiry {custom.nobody asked}", None),
        ("template:{{{lead_id}}} at {submitted_at}", "{led_1} at 2026-11-22 09:30"),
        ("template:no field at all", "no field at all"),
    ],
)
def test_every_source_gives_its_value(source: str, value: Value) -> None:
    assert mapped(Row(source, "p")) == value


@pytest.mark.parametrize(
    ("source", "transform", "value"),
    [
        ("email", Transform.LOWER, "ada@example.com"),
        ("name", Transform.FIRST_WORD, "Ada"),
        ("name", Transform.REST_WORDS, "Lovelace King"),
        ("phone_as_typed", Transform.E164, "+12025550143"),
        ("company", Transform.E164, "Engines"),
        ("company", Transform.UPPER, "ENGINES"),
        ("constant:ada LOVELACE", Transform.NAME_CASE, "Ada Lovelace"),
    ],
)
def test_transforms_change_the_value(source: str, transform: Transform, value: Value) -> None:
    assert mapped(Row(source, "p", transform)) == value


def test_a_value_map_translates_what_it_knows_and_leaves_the_rest() -> None:
    row = Row("custom.Favourite colour", "p", Transform.VALUE_MAP, {"GREEN": "g"})
    assert mapped(row) == "g"
    assert mapped(row, lead=LeadValues(custom={"Favourite colour": "Red"})) == "Red"


def test_an_empty_field_takes_the_default_or_is_left_out() -> None:
    assert mapped(Row("custom.twitter", "p", default="none")) == "none"
    assert mapping.apply([Row("custom.twitter", "p")], ADA).fields == {}


def test_the_first_field_that_has_a_value_is_taken() -> None:
    row = Row("custom.twitter", "p", Transform.LOWER, default="none", otherwise=["custom.nobody asked", "company"])
    assert mapped(row) == "engines"
    assert mapped(row, lead=LeadValues(custom={"twitter": "@Ada"})) == "@ada"
    assert mapped(row, lead=LeadValues()) == "none"


def test_an_unknown_name_in_a_template_is_refused_with_the_cure() -> None:
    with pytest.raises(Invalid, match=r"There is no field 'frist_name'.*Perhaps first_name or custom.frist_name"):
        mapping.rows_of([Row("template:Hello {frist_name}", "x")])


def test_a_number_of_an_unknown_country_stays_as_typed() -> None:
    lead = LeadValues(phone="030 901820")
    assert mapped(Row("phone", "p"), lead=lead) == "030 901820"
    assert mapped(Row("phone_e164", "p"), lead=lead) is None


@pytest.mark.parametrize(
    ("text", "known", "value"),
    [
        ("Green", field("choice", choices=COLOURS), "green"),
        ("SKY BLUE", field("choice", choices=COLOURS), "sky_blue"),
        ("green, Sky blue", field("choices", choices=COLOURS), ["green", "sky_blue"]),
        ("yes", field("bool"), True),
        ("Nein", field("bool"), False),
        ("I agree to the terms", field("bool"), True),
        ("1.500,50 €", field("number"), Decimal("1500.50")),
        ("$ 1,500", field("number"), Decimal("1500")),
        ("1,500.25", field("number"), Decimal("1500.25")),
        ("-3.5", field("money"), Decimal("-3.5")),
        ("2026-03-04", field("date"), date(2026, 3, 4)),
        ("24.12.2026", field("date"), date(2026, 12, 24)),
        ("12/24/2026", field("date"), date(2026, 12, 24)),
        ("2026-03-04T10:00:00+01:00", field("datetime"), datetime(2026, 3, 4, 9, tzinfo=UTC)),
        ("2026-03-04", field("datetime"), datetime(2026, 3, 4, tzinfo=UTC)),
        ("anything", field("text"), "anything"),
        ("42", field("ref"), "42"),
    ],
)
def test_values_take_the_type_of_the_property(text: str, known: FieldDef, value: Value) -> None:
    assert mapped(Row(f"constant:{text}", "p"), known=known) == value


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("purple", field("choice", choices=COLOURS)),
        ("green, purple", field("choices", choices=COLOURS)),
        ("perhaps", field("bool")),
        ("about 5 or 6", field("number")),
        ("03/04/2026", field("date")),
        ("31.02.2026", field("date")),
        ("tomorrow", field("datetime")),
        ("0001-01-01T00:00:00+14:00", field("datetime")),
        ("9999-12-31T23:59:59-14:00", field("datetime")),
        ("9" * 400, field("money")),
    ],
)
def test_what_does_not_fit_is_sent_as_typed_with_a_warning(text: str, known: FieldDef) -> None:
    result = mapping.apply([Row(f"constant:{text}", "p")], ADA, [known])
    assert result.fields == {"p": text}
    assert [problem.property for problem in result.problems] == ["p"]


def test_a_moment_suits_date_text_and_datetime() -> None:
    row = Row("submitted_at", "p")
    assert mapped(row, known=field("date")) == date(2026, 11, 22)
    assert mapped(row, known=field("text")) == "2026-11-22T09:30:00Z"
    assert mapped(row, known=field("datetime")) == AT


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([], "mapping"),
        ([Row("e-mail", "email")], "mapping[0].source"),
        ([Row("email", "")], "mapping[0].property"),
        ([Row("email", "email"), Row("name", "email")], "mapping[1].property"),
        ([Row("constant:", "email")], "mapping[0].source"),
        ([Row("email", "email", Transform.VALUE_MAP)], "mapping[0].value_map"),
        ([Row("email", "x" * 501)], "mapping[0].source"),
        ([Row("template:", "x")], "mapping[0].source"),
        ([Row("template:{frist_name}", "x")], "mapping[0].source"),
        ([Row("template:{first_name.__class__}", "x")], "mapping[0].source"),
        ([Row("template:{constant:a}", "x")], "mapping[0].source"),
        ([Row("template:{}", "x")], "mapping[0].source"),
        ([Row("template:{first_name", "x")], "mapping[0].source"),
        ([Row("template:first_name}", "x")], "mapping[0].source"),
        ([Row("template:{first_name}", "x", default="y")], "mapping[0].default"),
        ([Row("email", "x", otherwise=["phone", "mobile"])], "mapping[0].otherwise[1]"),
        ([Row("email", "x", otherwise=["phone"] * 4)], "mapping[0].otherwise"),
        ({"budget": "budget"}, "mapping.budget"),
    ],
)
def test_a_faulty_mapping_is_refused_at_its_place(rows: list[Row] | dict[str, str], place: str) -> None:
    with pytest.raises(Invalid) as refused:
        mapping.rows_of(rows)
    assert [error.field for error in refused.value.errors] == [place]


def test_the_short_form_is_our_field_to_the_crms_property() -> None:
    assert mapping.rows_of({"email": "email", "first_name": "firstname"}) == [
        Row("email", "email"),
        Row("first_name", "firstname"),
    ]


def test_rows_survive_the_database() -> None:
    rows = [Row("email", "email", Transform.LOWER), Row("constant:x", "s", default="y", otherwise=["name"])]
    assert mapping.stored(msgspec.json.decode(msgspec.json.encode(rows))) == rows


def test_an_edited_address_is_the_one_to_look_for() -> None:
    rows = [Row("email", "email"), Row("phone", "mobile")]
    person = mapping.person(rows, ADA, {"email": "right@example.com", "mobile": "+1"}, ref="dlv_1")
    assert (person.email, person.phone) == ("right@example.com", "+1")
    assert mapping.person([], ADA, {}, ref="dlv_1").email == "Ada@Example.com"


def test_the_suggestion_takes_what_exists_and_is_called_alike() -> None:
    fields = [
        FieldDef("email", "Email", "text"),
        FieldDef("firstname", "First name", "text"),
        FieldDef("favourite_colour", "Favourite colour", "choice", custom=True),
        FieldDef("utm_source", "UTM source", "text", custom=True),
        FieldDef("createdate", "Created", "datetime", writable=False),
    ]
    questions = [
        Question("custom.colour", "colour", "Favourite colour"),
        Question("custom.createdate", "createdate", "createdate"),
    ]
    assert suggest(HUBSPOT, fields, questions) == [
        Row("email", "email"),
        Row("first_name", "firstname"),
        Row("custom.colour", "favourite_colour"),
        Row("utm_source", "utm_source"),
    ]


def test_a_receiver_of_free_names_gets_every_answer() -> None:
    rows = suggest(WEBHOOK, [], [Question("custom.team_size", "team_size", "Team size")])
    assert rows[-1] == Row("custom.team_size", "team_size")
    assert Row("message", "message") in rows
