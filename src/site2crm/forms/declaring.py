"""`[[orgs.forms]]` of the configuration file."""

from collections.abc import Collection, Sequence

import msgspec

from site2crm.core.db import in_org
from site2crm.core.declared.contract import Difference, Entry, Row, Work
from site2crm.core.declared.shape import shaped
from site2crm.core.errors import Invalid
from site2crm.forms import service
from site2crm.forms.errors import FormNotFound
from site2crm.forms.models import Form
from site2crm.forms.service import FormIn, FormPatch

_KEYS = tuple(field.name for field in msgspec.structs.fields(FormIn))


class Forms:
    """What is left out of an entry may be changed by hand. One that is gone leaves its form open: no lead is lost."""

    table = "orgs.forms"

    def keys(self, entry: Entry) -> Collection[str]:
        return _KEYS

    def check(self, entry: Entry) -> None:
        service.draft("", _wanted(entry))

    def locks(self, entry: Entry) -> Collection[str]:
        return {"name", "archive", *(entry.values.keys() & set(_KEYS))}

    async def find(self, work: Work, entry: Entry) -> str | None:
        given = entry.values.get("id")
        if given is None or work.org is None:
            return None
        if await work.session.scalar(in_org(Form, work.org.id).where(Form.id == str(given))) is None:
            raise Invalid.field("id", f"{work.org.slug} has no form {given}; leave it out to make one.")
        return str(given)

    async def differences(self, work: Work, entry: Entry, *, row: Row) -> Sequence[Difference] | None:
        try:
            form = await service.get(work.session, _org_id(work), row.id)
        except FormNotFound:
            return None
        wanted = service.draft("", _wanted(entry))
        names = sorted({"name", *(entry.values.keys() & set(_KEYS))})
        found = [Difference(name, _told(form, name), _told(wanted, name)) for name in names]
        if form.archived_at is not None:
            found.append(Difference("state", "archived", "open"))
        return [difference for difference in found if difference.before != difference.after]

    async def create(self, work: Work, entry: Entry) -> str:
        return (await service.create(work.session, _org_id(work), _wanted(entry))).id

    async def change(self, work: Work, entry: Entry, *, row: Row) -> None:
        wanted = _wanted(entry)
        given = {name: getattr(wanted, name) for name in ("name", *entry.values) if name in _KEYS}
        await service.declare(work.session, _org_id(work), row.id, patch=FormPatch(**given))

    async def release(self, work: Work, row_id: str, *, source: str) -> None:
        """It goes on taking leads; archive it by hand."""


def _wanted(entry: Entry) -> FormIn:
    return shaped(FormIn, {**entry.values, "name": entry.name})


def _told(form: Form, name: str) -> str:
    value = getattr(form, name)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _org_id(work: Work) -> str:
    assert work.org is not None
    return work.org.id
