"""What CRMs are let in with, and what was read there, comes back from a backup: with the key as it was, else in words."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import func, select, update

from site2crm.accounts.permissions import Role
from site2crm.accounts.queries import OrgOut
from site2crm.app import Instance
from site2crm.connectors import sealing
from site2crm.connectors import service as connections
from site2crm.connectors.grants import Grant
from site2crm.connectors.service import ConnectionIn
from site2crm.core import folder
from site2crm.core.access import OrgRef
from site2crm.core.backup import restore
from site2crm.core.backup.create import Made
from site2crm.core.queue import JobContext
from site2crm.deals import hooks, jobs, syncing
from site2crm.deals.models import Deal, Feed
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.demo.nutshell import EMAIL
from site2crm.demo.nutshell import KEY as NUTSHELL_KEY
from site2crm.features import tables
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from site2crm.kit import clock
from tests import cast
from tests.backup.conftest import made, settings_of
from tests.cast import Cast, an_instance
from tests.connectors.signed_in import signed_in
from tests.core.filled import everything, fill
from tests.delivery.conftest import MAPPING, Office, flags
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.nutshell import NutshellFake


class Agency(NamedTuple):
    """An instance at rest, with a CRM that somebody signed in to and one that has a key."""

    folder: Path
    flags: dict[str, str]
    org: OrgOut
    form_id: str
    signed_in: str
    keyed: str
    grant: Grant
    hook_secret: str


@pytest.fixture
async def fakes() -> AsyncIterator[tuple[HubSpotFake, NutshellFake]]:
    portal, nutshell = HubSpotFake(), NutshellFake()
    await portal.start()
    await nutshell.start()
    yield portal, nutshell
    await portal.stop()
    await nutshell.stop()
    assert portal.violations == []


@pytest.fixture
async def agency(tmp_path: Path, fakes: tuple[HubSpotFake, NutshellFake]) -> Agency:
    portal, nutshell = fakes
    chosen = {
        **flags(portal),
        "connectors__hubspot__client_id": CLIENT_ID,
        "connectors__hubspot__client_secret": CLIENT_SECRET,
        "connectors__nutshell__base_url": nutshell.url,
    }
    async with cast.AsyncExitStack() as stack, an_instance(tmp_path / "first", **chosen) as instance:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        org = alice.org
        id = await signed_in(alice, portal, {})
        async with instance.machine.session() as session:
            form = await forms.create(session, org.id, FormIn(name="Contact"))
        data = ConnectionIn(kind="nutshell", settings={"email": EMAIL, "api_key": NUTSHELL_KEY}, mapping=MAPPING)
        async with instance.machine.session() as session:
            ref = OrgRef(id=org.id, slug=org.slug, name=org.name)
            keyed = (await connections.create(session, instance.machine, org=ref, data=data)).connection.id
        portal.sales.add("deals", dealname="Before", amount="1500")
        await read(instance, org.id, id, keyed)
        grant, secret = await sealed(instance, org.id, id)
    return Agency(tmp_path / "first", chosen, org, form.id, id, keyed, grant, secret)


async def read(instance: Instance, org_id: str, *ids: str) -> None:
    await jobs.look(JobContext(instance.machine, 1, "cron"))
    for id in ids:
        async with instance.machine.session() as session:
            await session.execute(update(Feed).where(Feed.connection_id == id).values(due_at=clock.now()))
        await syncing.read(instance.machine, org_id, id)


async def sealed(instance: Instance, org_id: str, id: str) -> tuple[Grant, str]:
    async with instance.machine.session() as session:
        connection = await connections.get(session, org_id, id)
        feed = await session.get(Feed, id)
        assert feed is not None
        return sealing.grant_of(instance.machine.vault, connection), hooks.secret_of(instance.machine, feed)


async def deals(instance: Instance) -> int:
    async with instance.machine.session() as session:
        return await session.scalar(select(func.count()).select_from(Deal)) or 0


def put_back(agency: Agency, target: Path, *, with_key: bool) -> Made:
    settings = settings_of(agency.folder)
    backup = made(settings)
    (target / "data").mkdir(parents=True)
    if with_key:
        shutil.copy(settings.data.dir / "secret.key", target / "data" / "secret.key")
    with folder.held(target / "data"):
        restore.restore(settings_of(target), backup.path, replace=False, new_key=not with_key)
    return backup


async def test_a_row_of_every_table_comes_back(agency: Agency, tmp_path: Path) -> None:
    first, second = (root / "data" / folder.DATABASE for root in (agency.folder, tmp_path / "second"))
    await fill(first)
    before = await everything(first)
    assert [name for name, rows in before.items() if not rows] == []
    backup = put_back(agency, tmp_path / "second", with_key=True)
    assert await everything(second) == before
    assert {known.name for known in tables().sorted_tables} <= set(backup.counts.tables)


async def test_with_the_key_the_sign_in_goes_on(
    agency: Agency, tmp_path: Path, fakes: tuple[HubSpotFake, NutshellFake]
) -> None:
    put_back(agency, tmp_path / "second", with_key=True)
    async with an_instance(tmp_path / "second", **agency.flags) as instance:
        assert await sealed(instance, agency.org.id, agency.signed_in) == (agency.grant, agency.hook_secret)
        assert (await connections.test(instance.machine, agency.org.id, agency.signed_in)).ok
        assert (await connections.test(instance.machine, agency.org.id, agency.keyed)).ok
        fakes[0].sales.add("deals", dealname="After")
        await read(instance, agency.org.id, agency.signed_in)
        assert await deals(instance) == 2


async def test_with_a_new_key_a_person_is_asked_and_leads_wait(
    agency: Agency, tmp_path: Path, fakes: tuple[HubSpotFake, NutshellFake]
) -> None:
    put_back(agency, tmp_path / "second", with_key=False)
    async with cast.AsyncExitStack() as stack, an_instance(tmp_path / "second", **agency.flags) as instance:
        org = OrgRef(id=agency.org.id, slug=agency.org.slug, name=agency.org.name)
        office = Office(instance.machine, org, agency.form_id, agency.signed_in, fakes[0])
        await office.submit("waits@example.com")
        await office.work()
        assert {delivery.state for delivery in await office.deliveries()} <= {"pending", "retrying", "parked"}
        assert len(await office.deliveries()) == 2
        for id, how in ((agency.signed_in, "Sign in again"), (agency.keyed, "Enter it again")):
            checked = await connections.test(instance.machine, agency.org.id, id)
            assert how in checked.error
        assert await deals(instance) == 1
        await read(instance, agency.org.id, agency.signed_in)
        people = Cast(instance, stack)
        people._orgs["acme"] = agency.org
        eve = await people.person("eve", Role.ADMIN, "acme")
        async with instance.machine.session() as session:
            feeds = {feed.connection_id: feed for feed in await session.scalars(select(Feed))}
        fresh = {id: hooks.secret_of(instance.machine, feed) for id, feed in feeds.items()}
        assert agency.hook_secret not in fresh.values()
        page = await eve.web.get(f"/o/acme/crms/{agency.keyed}")
        assert page.status_code == 200
        assert fresh[agency.keyed] in page.text
