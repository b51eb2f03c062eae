"""`site2crm link`: short links, from the command line. The running server follows within a second."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.commands import _accounts, options
from site2crm.core.errors import AppError, NotFound
from site2crm.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from site2crm.links import filters, queries, service
from site2crm.links.destinations import UTM
from site2crm.links.errors import LinkNotFound
from site2crm.links.queries import LinkItem
from site2crm.links.shapes import Carry, LinkIn, LinkPatch
from site2crm.links.views import LinkOut, view

F = TypeVar("F", bound=Callable[..., object])
Given = str | tuple[str, ...] | None
S = TypeVar("S", LinkIn, LinkPatch)


@click.group("link")
def command() -> None:
    """Create, change, archive and list short links."""


def described(function: F) -> F:
    """What a link has beside its destination; an empty value clears."""
    carries = click.Choice([carry.value for carry in Carry])
    wrapped = function
    for name in reversed(UTM):
        wrapped = click.option(f"--{name.replace('_', '-')}", name, help=f"{name} for the destination.")(wrapped)
    wrapped = click.option("--carry-click", type=carries, help="Tell the destination which click it was.")(wrapped)
    wrapped = click.option("--campaign", help="What analytics group it by.")(wrapped)
    wrapped = click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")(wrapped)
    wrapped = click.option("--title", help="What people call it.")(wrapped)
    return click.option("--slug", help="The short link's own part of the address.")(wrapped)


@command.command("create")
@options.common
@click.option("--org", "org_slug", required=True, help="The org's slug.")
@click.option("--url", required=True, help="Where it leads.")
@described
def create(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    org_slug: str,
    **given: Given,
) -> None:
    """Create a link and print its address."""
    settings = options.settings_in_use(config_path, data_dir)
    data = _asked(given, LinkIn)

    async def work(session: AsyncSession) -> LinkOut:
        link = await service.create(session, await _org(session, org_slug), data, base_url=settings.base_url)
        return view(link, settings.base_url)

    _tell(as_json, _accounts.write(settings, _with_fields(work)))


@command.command("edit")
@options.common
@click.option("--org", "org_slug", help="The org's slug; only to be sure that the link is its own.")
@click.argument("link")
@click.option("--url", help="Where it leads.")
@described
def edit(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    org_slug: str | None,
    link: str,
    **given: Given,
) -> None:
    """Change a link, named by its id or slug. What is not given stays as it is."""
    settings = options.settings_in_use(config_path, data_dir)
    patch = _asked(given, LinkPatch)

    async def work(session: AsyncSession) -> LinkOut:
        found, org_id = await _named(session, org_slug, link)
        changed = await service.change(session, org_id, found.id, patch=patch, base_url=settings.base_url)
        return view(changed, settings.base_url)

    _tell(as_json, _accounts.write(settings, _with_fields(work)))


@command.command("archive")
@options.common
@click.option("--org", "org_slug", help="The org's slug; only to be sure that the link is its own.")
@click.argument("link")
def archive(*, config_path: Path | None, data_dir: Path | None, as_json: bool, org_slug: str | None, link: str) -> None:
    """Take a link, named by its id or slug, out of use."""
    settings = options.settings_in_use(config_path, data_dir)

    async def work(session: AsyncSession) -> LinkOut:
        found, org_id = await _named(session, org_slug, link)
        [changed] = await service.archive(session, org_id, [found.id])
        return view(changed, settings.base_url)

    _tell(as_json, _accounts.write(settings, work))


@command.command("list")
@options.common
@click.option("--org", "org_slug", required=True, help="The org's slug.")
@click.option("--q", default="", help="Words in slug, destination, title, tags.")
@click.option("--archived", is_flag=True, help="Those that are out of use.")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=DEFAULT_LIMIT, show_default=True, help="At most.")
def list_links(
    *, config_path: Path | None, data_dir: Path | None, as_json: bool, org_slug: str, q: str, archived: bool, limit: int
) -> None:
    """List links, newest first."""
    settings = options.settings_in_use(config_path, data_dir)
    asked = {"q": q, "archived": "true" if archived else ""}

    async def work(session: AsyncSession) -> list[LinkOut]:
        wanted = filters.of_query(asked, base_url=settings.base_url)
        found = await queries.page(session, await _org(session, org_slug), wanted, limit=limit)
        return [view(link, settings.base_url) for link in found.data]

    links = _accounts.write(settings, work)
    text = "\n".join(f"{link.short_url}  {link.target}" for link in links) or "No link."
    options.answer(as_json, {"data": [msgspec.to_builtins(link) for link in links]}, text)


def _asked(given: dict[str, Given], kind: type[S]) -> S:
    """Raises UsageError for a value that is too long; `service` checks the rest."""
    values: dict[str, object] = {
        name: given[name] for name in ("url", "slug", "title", "campaign", "carry_click") if given[name] is not None
    }
    if given["tags"]:
        values["tags"] = given["tags"]
    utm = {name: given[name] or None for name in UTM if given[name] is not None}
    if utm:
        values["utm"] = utm
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error


def _with_fields(work: _accounts.Work[LinkOut]) -> _accounts.Work[LinkOut]:
    """Say which option an error is about."""

    async def named(session: AsyncSession) -> LinkOut:
        try:
            return await work(session)
        except AppError as refused:
            refused.detail = "\n".join(f"--{each.field}: {each.message}" for each in refused.errors) or refused.detail
            raise

    return named


async def _org(session: AsyncSession, slug: str) -> str:
    try:
        return (await accounts.org_of_slug(session, slug)).id
    except NotFound as missing:
        raise NotFound(f"There is no org with the slug {slug}.") from missing


async def _named(session: AsyncSession, org_slug: str | None, name: str) -> tuple[LinkItem, str]:
    """The link, by its id or slug, and whose it is."""
    slug = name.removeprefix("/")
    try:
        org_id = await _org(session, org_slug) if org_slug else await queries.owner_of(session, slug)
        by_name = queries.link if name.startswith("lnk_") else queries.by_slug
        return await by_name(session, org_id, slug), org_id
    except LinkNotFound as missing:
        raise NotFound(f"There is no link {name}{' in this org' if org_slug else ''}.") from missing


def _tell(as_json: bool, link: LinkOut) -> None:
    options.answer(as_json, msgspec.to_builtins(link), f"{link.short_url}  {link.target}")
