"""Every link in memory, by host and slug: a click is answered without a look at the database.

A change is read by the number that `service` gave it (`Link.revision`): one edited link among a hundred thousand costs
one row. Numbers, not clocks: a clock that was set back would hide what the command line wrote.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from sqlalchemy import String, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.machine import Machine
from site2crm.core.snapshot import Snapshot
from site2crm.links import slugs
from site2crm.links.models import Link
from site2crm.links.service import CACHE
from site2crm.links.way import Way

AT_ONCE = 2_000

_TABLE = Link.__table__.c  # not the class: making a hundred thousand rows the mapper's way takes twice as long
_COLUMNS = (
    _TABLE.id, _TABLE.org_id, _TABLE.domain, _TABLE.slug, _TABLE.slug_key, _TABLE.url, _TABLE.campaign,
    cast(_TABLE.utm, String), _TABLE.carry_click, _TABLE.archived_at.is_not(None), _TABLE.revision,
)  # fmt: skip


_KEPT = (
    "id", "org_id", "domain", "slug", "slug_key", "url", "campaign", "utm", "carry", "archived", "revision",
)  # fmt: skip


class LinkSpec:
    """What the redirect needs of a link. `way`, the answer's bytes, is made at its first click."""

    __slots__ = (
        "archived", "campaign", "carry", "domain", "id", "org_id", "revision", "slug", "slug_key", "url", "utm", "way",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        org_id: str,
        domain: str,
        slug: str,
        slug_key: str | None,
        url: str,
        campaign: str,
        utm: str,
        carry: str,
        archived: bool,
        revision: int,
    ) -> None:
        self.id = id
        self.org_id = org_id
        self.domain = domain
        self.slug = slug
        self.slug_key = slug if slug_key == slug else slug_key
        self.url = url
        self.campaign = campaign
        self.utm = utm
        self.carry = carry
        self.archived = bool(archived)
        self.revision = revision
        self.way: Way | None = None


class LinkRegistry:
    """Archived links too: their visitors are told so."""

    def __init__(self) -> None:
        self.revision = 0
        """Everything up to this number has been read."""
        self._by_id: dict[str, LinkSpec] = {}
        self._by_slug: dict[str, dict[str, LinkSpec]] = {"": {}}
        self._by_key: dict[str, dict[str, LinkSpec]] = {"": {}}

    def __len__(self) -> int:
        return len(self._by_id)

    def rows(self) -> list[tuple[Any, ...]]:
        """What `LinkSpec` is made of, for each."""
        return [tuple(getattr(spec, name) for name in _KEPT) for spec in self._by_id.values()]

    def forget(self) -> None:
        """The next look reads every link, not only what has changed."""
        self.revision = 0

    def find(self, domain: str, slug: str) -> LinkSpec | None:
        """By its exact spelling; else by what is read as the same."""
        found = self._by_slug[domain].get(slug)
        if found is not None or len(slug) > 2 * slugs.LONGEST:
            return found
        return self._by_key[domain].get(slugs.key(slug))

    def apply(self, specs: Iterable[LinkSpec]) -> None:
        """Put them in the place of what was there. An older state, read by a slower reload, changes nothing."""
        for spec in specs:
            before = self._by_id.get(spec.id)
            if before is not None:
                if before.revision > spec.revision:
                    continue
                self._take_out(before)
            self._by_id[spec.id] = spec
            self._by_slug.setdefault(spec.domain, {})[spec.slug] = spec
            if spec.slug_key is not None:
                self._by_key.setdefault(spec.domain, {})[spec.slug_key] = spec

    def _take_out(self, spec: LinkSpec) -> None:
        """Its slug may belong to another by now: two links can change places in one step."""
        for index, name in ((self._by_slug, spec.slug), (self._by_key, spec.slug_key)):
            if name is not None and index[spec.domain].get(name) is spec:
                del index[spec.domain][name]


@asynccontextmanager
async def loaded(machine: Machine) -> AsyncIterator[None]:
    """The registry, filled now, and with what has changed whenever a link changes, here or in another process."""
    registry = LinkRegistry()
    machine.put(registry)
    kept = Snapshot(machine, CACHE, registry.rows)

    async def reload() -> None:
        async with machine.database.reading() as session:
            await refresh(session, registry)
        kept.keep()

    def recall() -> bool:
        rows = kept.recall(tuple)
        registry.apply(LinkSpec(*row) for row in rows or ())
        return rows is not None

    await machine.revisions.watch(CACHE, reload, recall=recall, forget=registry.forget)
    yield
    await kept.close()


async def refresh(session: AsyncSession, registry: LinkRegistry) -> None:
    """Read what was written since the last look, a few at a time, so that clicks are answered in between."""
    seen = registry.revision
    newest = seen
    rows = await session.stream(select(*_COLUMNS).where(_TABLE.revision > seen))
    async for some in rows.partitions(AT_ONCE):
        specs = [LinkSpec(*row) for row in some]
        registry.apply(specs)
        newest = max(newest, *(spec.revision for spec in specs))
        await asyncio.sleep(0)
    registry.revision = max(registry.revision, newest)  # at the end: a reload that breaks off is done again


def way_of(spec: LinkSpec, *, secure: bool) -> Way:
    """Kept on the link from its first click on."""
    # As JSON until then: most links have none, and most links of a large list are never clicked
    utm: dict[str, str] = {} if spec.utm in {"", "{}", "null"} else msgspec.json.decode(spec.utm)
    spec.way = Way(spec.url, utm, secure=secure)
    return spec.way
