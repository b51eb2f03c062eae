"""The form editor, without JavaScript."""

from tests.cast import Person


def seen(page: str) -> str:
    return page.partition('name="seen" value="')[2].partition('"')[0]


async def test_what_somebody_else_saved_meanwhile_is_undone_only_by_saving_twice(alice: Person) -> None:
    made = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()["id"]
    url = f"/o/acme/forms/{made}/edit"

    async def name() -> str:
        return str((await alice.api.get(f"/api/v1/forms/{made}")).json()["name"])

    def posted(name: str, mark: str) -> dict[str, str]:
        return {"name": name, "field_name": "email", "field_type": "email", "field_label": "E-mail", "seen": mark}

    opened = seen((await alice.web.get(url)).text)
    assert (await alice.web.post(url, data=posted("Hers", opened))).status_code == 303
    refused = await alice.web.post(url, data=posted("His", opened))
    assert (refused.status_code, await name()) == (409, "Hers")
    assert "Not saved: this form was changed elsewhere" in refused.text and 'value="His"' in refused.text
    assert (await alice.web.post(url, data=posted("His", seen(refused.text)))).status_code == 303
    assert await name() == "His"


async def test_a_faulty_form_comes_back_with_the_mark_of_when_it_was_opened(alice: Person) -> None:
    made = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()["id"]
    url = f"/o/acme/forms/{made}/edit"
    opened = seen((await alice.web.get(url)).text)
    refused = await alice.web.post(url, data={"name": "", "seen": opened})
    assert (refused.status_code, seen(refused.text)) == (422, opened)
