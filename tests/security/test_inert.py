"""What strangers write is shown as text and exported as text."""

import csv
import io
from typing import Any

import pytest

from tests.security import pages
from tests.security.world import World, get, post, settled, work

SCRIPT = "\"'><script>alert(7)</script><img src=x onerror=alert(7)>{{7*7}}{%x%}"
ATTRIBUTE = '" onmouseover="alert(7)" x=\''
LINK = "javascript:alert(7)"
FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "＝1+1", "＋1", "－1", "＠x", "=cmd|' /C calc'!A0",
    '"=1+1', ";=1+1", "a;=1+1", '=HYPERLINK("http://evil.example","x")', "\u00a0=1", "\u200b=1", "\ufeff=1", "x\n=1+1", 'x","=1+1',
)  # fmt: skip
STARTS = tuple("=+-@\t\r\n＝＋－＠")


async def fill(world: World, text: str) -> None:
    """The same text in every field that anybody can write."""
    owner = world.acme.owner
    ids = world.acme.ids
    body = {
        "email": f"{abs(hash(text))}@example.com", "name": text, "first_name": text, "last_name": text, "phone": text,
        "company": text, "message": text, text: text, "Question?": text, "consent": text, "utm_source": text,
        "utm_campaign": text, "gclid": text, "referrer": text, "page_url": text, "landing_page": text, "s2c_page": text,
    }  # fmt: skip
    headers = {
        "User-Agent": text.encode("utf-8").replace(b"\r", b"").replace(b"\n", b""),
        "Origin": b"https://x.example",
    }
    for extra in ({}, {"_gotcha": text}):
        await owner.api.post(f"/f/{world.acme.form_key}", json={**body, **extra}, headers=headers)
    await owner.api.post(f"/f/{world.acme.form_key}", data={name: value for name, value in body.items() if name})
    await settled(world.instance)
    await work(world.instance)
    patch = {"first_name": text, "company": text, "phone": text, "message": text, "custom": {text[:200]: text}}
    await owner.api.patch(f"/api/v1/leads/{ids['lead_id']}", json=patch)


async def name_everything(world: World, text: str) -> None:
    """What an org's own people can write; each must be taken or refused, never run."""
    owner, ids = world.acme.owner, world.acme.ids
    field = {"name": "q", "type": "choice", "label": text, "placeholder": text, "choices": [text, "b"]}
    consent = {"name": "c", "type": "consent", "label": text, "text": text}
    changed: dict[str, Any] = {
        "name": text, "fields": [field, consent], "thanks_text": text, "submit_label": text, "field_map": {text: "company"},
    }  # fmt: skip
    for number, value in changed.items():
        await owner.api.patch(f"/api/v1/forms/{ids['form_id']}", json={number: value})
    await owner.api.patch(
        f"/api/v1/connections/{ids['connection_id']}",
        json={"name": text, "mapping": {"email": "email", f"custom.{text}": text}},
    )
    await owner.api.patch("/api/v1/org", json={"name": text[:80]})
    await owner.web.post("/profile", data={"name": text, "email": owner.email, "theme": "system"})
    await post(owner, "/api/v1/keys", {"name": text[:80], "scopes": ["org:read"]})


@pytest.mark.parametrize("text", [SCRIPT, ATTRIBUTE, LINK])
async def test_a_script_in_every_field_is_shown_as_text(world: World, text: str) -> None:
    await fill(world, text)
    await name_everything(world, text)
    found = await pages.all_pages(world, world.acme.owner)
    wrong = [f"{path}: {said}" for path, page in found.items() for said in pages.markup(page).wrong]
    raw = [path for path, page in found.items() if "<script>alert" in page.text or "<img src=x" in page.text]
    broken = [f"{path}: {page.status_code}" for path, page in found.items() if page.status_code >= 500]
    assert (wrong, raw, broken) == ([], [], [])
    shown = [path for path, page in found.items() if "alert(7)" in page.text]
    assert len(shown) > 10, "the text is really there"
    assert not any(">49<" in page.text or "&gt;49{" in page.text for page in found.values()), (
        "no template in a template"
    )


async def test_what_a_search_repeats_is_text(world: World) -> None:
    for name in ("q", "email", "form", "status", "sort", "from", "cursor", "state", "lead"):
        for path in ("/o/acme/leads", "/o/acme/deliveries", "/o/acme/quarantine", "/o/acme/forms", "/help", "/login"):
            page = await world.acme.owner.web.get(path, params={name: SCRIPT, "next": SCRIPT})
            if page.headers.get("content-type", "").startswith("text/html"):
                assert pages.markup(page).wrong == [], (path, name)
                assert "<script>alert" not in page.text


async def test_a_refused_form_is_shown_again_as_text(world: World) -> None:
    base, ids = "/o/acme", world.acme.ids
    posts = [
        (f"{base}/forms", {"name": SCRIPT, "field_name": SCRIPT, "field_type": SCRIPT, "field_label": SCRIPT, "origins": SCRIPT}),
        (f"{base}/leads/{ids['lead_id']}", {"email": SCRIPT, "first_name": SCRIPT, "custom." + SCRIPT: SCRIPT}),
        (f"{base}/crms/new/webhook", {"name": SCRIPT, "settings.url": SCRIPT, "settings.secret": SCRIPT}),
        (f"{base}/crms/{ids['connection_id']}/mapping", {"source": SCRIPT, "property": SCRIPT}),
        (f"{base}/settings/general", {"name": SCRIPT, "slug": SCRIPT, "time_zone": SCRIPT}),
        (f"{base}/settings/keys", {"name": SCRIPT, "scopes": SCRIPT}),
        (f"{base}/settings/team/invites", {"email": SCRIPT, "role": SCRIPT}),
        ("/profile", {"name": SCRIPT, "email": SCRIPT}),
        ("/orgs/new", {"name": SCRIPT, "slug": SCRIPT}),
        ("/login", {"email": SCRIPT, "password": SCRIPT, "next": SCRIPT}),
    ]  # fmt: skip
    for path, data in posts:
        page = await world.acme.owner.web.post(path, data=data)
        assert page.status_code < 500, path
        assert pages.markup(page).wrong == [], path
        assert "<script>alert" not in page.text, path


def cells(text: str, delimiter: str = ",") -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter) for cell in row]


async def test_no_cell_of_an_export_is_a_formula(world: World) -> None:
    for formula in FORMULAS:
        await fill(world, formula)
    await name_everything(world, FORMULAS[0])
    owner = world.acme.owner
    leads = await owner.web.get("/o/acme/leads.csv?status=all")
    deliveries = await owner.web.get("/o/acme/deliveries.csv")
    one = await owner.web.get("/o/acme/leads.csv", params={"id": world.acme.ids["lead_id"]})
    assert "1+1" in leads.text
    for answer in (leads, deliveries, one):
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        live = [cell for cell in cells(answer.text) if cell.lstrip(" \u00a0\u200b\ufeff").startswith(STARTS)]
        assert live == []


async def test_an_export_keeps_every_row_whole(world: World) -> None:
    """A quote, a comma or a line break in a value starts no new cell."""
    await fill(world, 'x","=1+1\r\n"y"\n,z')
    text = (await world.acme.owner.web.get("/o/acme/leads.csv?status=all")).text
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    total = len((await get(world.acme.owner, "/api/v1/leads", status="all"))["data"])
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == total + 1
