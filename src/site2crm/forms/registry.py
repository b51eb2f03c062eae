"""Every form in memory, by its public key: a submission is taken without a look at the database."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct
from sqlalchemy import select

from site2crm.accounts import queries as accounts
from site2crm.core import sites
from site2crm.core.machine import Machine
from site2crm.core.snapshot import Snapshot
from site2crm.forms.fields import Field
from site2crm.forms.models import Form
from site2crm.kit import urls

CACHE = "forms"

_ORIGIN_WITH_STAR = re.compile(r"https?://\*\.(.+)")


class FormSpec(Struct, frozen=True):
    """What the intake and the hosted page need of a form."""

    id: str
    org_id: str
    key: str
    name: str
    fields: tuple[Field, ...]
    types: tuple[tuple[str, str], ...]
    origins: frozenset[str]
    redirect_url: str
    thanks_text: str
    submit_label: str
    field_map: dict[str, str]
    country: str

    def admits(self, origin: str | None) -> bool:
        """Whether a page of this origin may post. No list: any. An absent Origin (curl, a server) is no page."""
        if not self.origins or not origin:
            return True
        return origin in self.origins or any(
            (match := _ORIGIN_WITH_STAR.fullmatch(allowed)) and origin.endswith("." + match[1])
            for allowed in self.origins
        )


class FormRegistry:
    def __init__(self) -> None:
        self._by_key: dict[str, FormSpec] = {}
        self.origins: frozenset[str] = frozenset()
        """Every origin that some form names."""

    def find(self, key: str) -> FormSpec | None:
        return self._by_key.get(key)

    def __iter__(self) -> Iterator[FormSpec]:
        return iter(self._by_key.values())

    def replace(self, specs: list[FormSpec]) -> None:
        self._by_key = {spec.key: spec for spec in specs}
        self.origins = frozenset(origin for spec in specs for origin in spec.origins)


@asynccontextmanager
async def loaded(machine: Machine) -> AsyncIterator[None]:
    """The registry, filled now and again whenever a form changes, here or in another process."""
    registry = FormRegistry()
    machine.put(registry)
    kept = Snapshot(machine, CACHE, lambda: registry)
    own = urls.origin(machine.settings.base_url)

    def fill(specs: list[FormSpec]) -> None:
        registry.replace(specs)
        sites.of_machine(machine).replace(websites(specs, own=own))

    async def reload() -> None:
        async with machine.database.reading() as session:
            countries = await accounts.countries(session)
            rows = (await session.scalars(select(Form).where(Form.archived_at.is_(None)))).all()
        fill([spec_of(form, countries.get(form.org_id, "")) for form in rows])
        kept.keep()

    def recall() -> bool:
        specs = kept.recall(FormSpec)
        fill(specs or [])
        return specs is not None

    await machine.revisions.watch(CACHE, reload, recall=recall)
    yield
    await kept.close()


def websites(specs: Iterable[FormSpec], *, own: str | None) -> dict[str, frozenset[str]]:
    """Org -> where its forms are: the websites that they allow, and this instance, which has a page for each."""
    found: dict[str, set[str]] = defaultdict(lambda: {own} if own else set())
    for spec in specs:
        found[spec.org_id] |= spec.origins
    return {org_id: frozenset(origins) for org_id, origins in found.items()}


def spec_of(form: Form, org_country: str) -> FormSpec:
    fields = tuple(msgspec.convert(form.fields, list[Field]))
    return FormSpec(
        id=form.id,
        org_id=form.org_id,
        key=form.key,
        name=form.name,
        fields=fields,
        types=tuple((field.name, field.type.value) for field in fields),
        origins=frozenset(form.allowed_origins),
        redirect_url=form.redirect_url,
        thanks_text=form.thanks_text,
        submit_label=form.submit_label,
        field_map=form.field_map,
        country=form.country or org_country,
    )
