"""`/o/{org}/crms`: the connections, a new one, and the page of one."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service, showing, views
from site2crm.connectors.errors import NotSending, StillRefused
from site2crm.connectors.kinds import Way
from site2crm.connectors.service import ConnectionIn, ConnectionPatch, Made
from site2crm.connectors.states import State
from site2crm.core import web
from site2crm.core.access import Who, needs
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html

READ, WRITE = needs("connections:read"), needs("connections:write")

Answer = Response[Any]
UNTESTED = "Saved without a test. Leads go there from now on; test it as soon as you can."


@get("/new", opt=WRITE)
async def choose_kind(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    return await web.page(
        request, session, "connectors/choose.html", title="Connect a CRM", offers=views.offers(), **showing.around(who)
    )


@get("/new/{kind:str}", opt=WRITE)
async def new_crm(
    kind: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    way: FromQuery[str] = "",
) -> Html:
    """The query may bring what was typed before a sign-in that came to nothing; a secret of it is not shown."""
    chosen, typed = showing.kind_of(kind), showing.read(request.query_params)
    wanted = next((each for each in chosen.ways if each == way), None)
    return await showing.offered(request, session, who, kind=chosen, draft=showing.Draft(typed, way=wanted))


@post("/new/{kind:str}", opt=WRITE)
async def create_crm(
    kind: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Connect and test in one go. What the CRM refuses is not saved, unless it is asked for then."""
    assert who.org is not None
    chosen = showing.kind_of(kind)
    fields = showing.read(await request.form())
    make = service.create_untested if fields.get("save") == showing.ANYWAY else service.create
    try:
        data = ConnectionIn(
            kind=chosen.name,
            name=showing.name_in(fields),
            settings=showing.before_and_now(machine, who.org_id, kind, fields),
            form_ids=list(fields.lists.get("form_ids", ())),
        )
        made = await make(session, machine, org=who.org, data=data)
    except Invalid as refused:
        await session.rollback()
        draft = showing.drafted(machine, who.org_id, chosen, fields, way=Way.KEY, errors=refused)
        return await showing.offered(request, session, who, kind=chosen, draft=draft)
    return await _after_creation(request, session, who, made)


@get("/{connection_id:str}", opt=READ)
async def show_crm(
    connection_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    return await showing.shown(request, session, who, connection=await service.get(session, who.org_id, connection_id))


@post("/{connection_id:str}/test", opt=WRITE)
async def test_crm(
    connection_id: FromPath[str], request: AnyRequest, who: NamedDependency[Who], machine: NamedDependency[Machine]
) -> Answer:
    checked = await service.test(machine, who.org_id, connection_id)
    async with machine.session() as reading:
        kind = (await service.get(reading, who.org_id, connection_id)).kind
    text, tone = views.said(kind, checked)
    return web.redirect(showing.place_of(request, who, connection_id), flash=text, tone=tone)


@post("/{connection_id:str}/reconnect", opt=WRITE)
async def reconnect_crm(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """New access, tested before it replaces the old one; `way=key` takes the place of a sign-in."""
    fields = showing.read(await request.form())
    way = Way.KEY if fields.get("way") == Way.KEY else UNSET
    patch = ConnectionPatch(way=way, settings=showing.given(fields))
    try:
        connection = await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch)
    except Invalid as refused:
        await session.rollback()
        connection = await service.get(session, who.org_id, connection_id)
        return await showing.shown(request, session, who, connection=connection, fields=fields, errors=refused.errors)
    if connection.state == State.PARKED:
        text = f"Saved, but {connection.name} could not be asked at the moment. Test it again."
        return web.redirect(showing.url_of(who, connection_id), flash=text, tone="warn")
    return web.redirect(
        showing.url_of(who, connection_id), flash=f"{connection.name} is connected. Waiting leads go out now."
    )


@post("/{connection_id:str}/edit", opt=WRITE)
async def edit_crm(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Name, and which forms' leads it gets."""
    fields = showing.read(await request.form())
    try:
        name = showing.name_in(fields, needed=True)
        patch = ConnectionPatch(name=name, form_ids=list(fields.lists.get("form_ids", ())))
        await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch)
    except Invalid as refused:
        await session.rollback()
        connection = await service.get(session, who.org_id, connection_id)
        return await showing.shown(request, session, who, connection=connection, fields=fields, errors=refused.errors)
    return web.redirect(showing.url_of(who, connection_id), flash="Saved.")


@post("/{connection_id:str}/pause", opt=WRITE)
async def pause_crm(
    connection_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    connection = await service.pause(session, who.org_id, connection_id)
    text = f"{connection.name} is paused. New leads wait."
    return web.redirect(showing.place_of(request, who, connection_id), flash=text)


@post("/{connection_id:str}/drain", opt=WRITE)
async def drain_crm(
    connection_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    place = showing.place_of(request, who, connection_id)
    try:
        connection = await service.drain(session, who.org_id, connection_id)
    except NotSending as refused:  # by a page that was open while somebody paused it, or the CRM said no
        await session.rollback()
        return web.redirect(place, flash=refused.detail, tone="warn")
    text = f"{connection.name} gets what waits now; later leads wait. Then it is paused."
    if connection.state == State.PAUSED:
        text = f"Nothing was waiting for {connection.name}: it is paused. New leads wait."
    return web.redirect(place, flash=text)


@post("/{connection_id:str}/resume", opt=WRITE)
async def resume_crm(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    place = showing.place_of(request, who, connection_id)
    try:
        connection = await service.resume(session, machine, org_id=who.org_id, connection_id=connection_id)
    except StillRefused as refused:
        await session.rollback()
        return web.redirect(place, flash=await _still(session, who, connection_id, refused), tone="bad")
    return web.redirect(place, flash=f"{connection.name} is active. Waiting leads go out now.")


@post("/{connection_id:str}/remove", opt=WRITE)
async def remove_crm(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.remove(session, who.org_id, connection_id)
    return web.redirect(showing.base_of(who), flash="The connection is removed, and its access with it.")


async def _still(session: AsyncSession, who: Who, connection_id: str, refused: StillRefused) -> str:
    kind, said = (await service.get(session, who.org_id, connection_id)).kind, refused.detail
    text = f"{views.label(kind)} said no: {views.sentence(said)} {views.cure(kind, said)}"
    return text[: views.LONGEST_FLASH]


async def _after_creation(request: AnyRequest, session: AsyncSession, who: Who, made: Made) -> Answer:
    connection = made.connection
    text, tone = views.said(connection.kind, made.checked) if made.checked else (UNTESTED, "warn")
    if made.checked and tone == "good":
        text = f"{text} {views.what_next(connection.kind)}"
    if not made.secrets:
        return web.redirect(showing.url_of(who, connection.id), flash=text, tone=tone)
    return await web.page(
        request,
        session,
        "connectors/secret.html",
        title=f"{connection.name}: its secret",
        secrets=made.secrets,
        connection=connection,
        said=text,
        tone=tone,
        **showing.around(who),
    )


router = Router(
    path="/o/{org:str}/crms",
    route_handlers=[
        choose_kind,
        new_crm,
        create_crm,
        show_crm,
        test_crm,
        reconnect_crm,
        edit_crm,
        pause_crm,
        drain_crm,
        resume_crm,
        remove_crm,
    ],
    include_in_schema=False,
)
