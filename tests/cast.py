"""The cast: Alice owns Acme, Bob is a member of it, Charlie owns another org; Vera may only look."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import httpx

from site2crm.accounts import keys, members, orgs, sessions, users
from site2crm.accounts.permissions import ROLES, Role
from site2crm.accounts.queries import OrgOut
from site2crm.app import Instance, running
from site2crm.core import config, migrate
from tests import clickhouse, records

BASE = "http://127.0.0.1:8080"
PASSWORD = "correct horse battery"
# argon2id of PASSWORD with the product's parameters: hashing it anew for every test would cost seconds
PASSWORD_HASH = "$argon2id$v=19$m=47104,t=1,p=1$UwbcGX1/cKnduQefyeaCjA$lUAitoUyPj0gz9fqcEHxuvJdm1uM7X5X2Z9KG0TAUmQ"


@dataclass
class Person:
    """Somebody with a role in an org, as a browser (`web`) and as a script (`api`)."""

    user_id: str
    email: str
    role: Role
    org: OrgOut
    web: httpx.AsyncClient
    api: httpx.AsyncClient
    key: str


@lru_cache(maxsize=1)
def migrated() -> Path:
    """An empty database with today's schema: migrating one for every test would take a minute of the run."""
    folder = Path(tempfile.mkdtemp(prefix="site2crm-schema-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate.upgrade(folder)
    return folder / "site2crm.db"


@asynccontextmanager
async def an_instance(
    folder: Path, *, background: bool = False, file: Path | None = None, **flags: str
) -> AsyncIterator[Instance]:
    """The whole product on a folder, without a port. Flags are settings: `outbound__allow_private='[...]'`."""
    chosen = {"data.dir": str(folder / "data"), **{key.replace("__", "."): value for key, value in flags.items()}}
    if "database.url" not in chosen:
        chosen["database.url"] = records.url_of(folder)
    chosen.setdefault("backup.every", "0s")  # who travels through days would wait for a backup of each
    chosen.setdefault("events.url", clickhouse.url_of(folder))
    settings = config.load(file, env={}, flags=chosen)
    if isinstance(settings.records, Path) and not (database := folder / "data" / "site2crm.db").exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        settings.keys()  # a database without its key is refused, and rightly so
        shutil.copy(migrated(), database)
    async with running(settings, background=background) as instance:
        yield instance


def client(instance: Instance, **headers: str) -> httpx.AsyncClient:
    """A client straight onto the ASGI app."""
    transport = httpx.ASGITransport(app=instance.app, client=("127.0.0.1", 50000))
    return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)


class Cast:
    """Makes the people, and closes their clients."""

    def __init__(self, instance: Instance, stack: AsyncExitStack) -> None:
        self._instance = instance
        self._stack = stack
        self._orgs: dict[str, OrgOut] = {}

    async def person(self, name: str, role: Role, org_name: str) -> Person:
        email = f"{name}@{org_name}.example"
        async with self._instance.machine.session() as session:
            user = await users.create(session, email=email, name=name.title(), password_hash=PASSWORD_HASH)
            org = self._orgs.get(org_name)
            if org is None:
                org = await orgs.create(session, user.id, name=org_name.title(), slug=org_name)
                self._orgs[org_name] = org
            else:
                await members.add(session, org.id, user_id=user.id, role=role)
            scopes = sorted(ROLES[role])
            made = await keys.create(session, org.id, name=name, scopes=scopes, by=ROLES[role], actor=user.id)
            token = await sessions.start(session, user.id, max_s=86_400)
        web = client(self._instance, Accept="text/html", **{"Sec-Fetch-Site": "same-origin"})
        web.cookies.set("s2c", token)
        api = client(self._instance, Authorization=f"Bearer {made.plain}")
        await self._stack.enter_async_context(web)
        await self._stack.enter_async_context(api)
        return Person(user.id, email, role, org, web, api, made.plain)
