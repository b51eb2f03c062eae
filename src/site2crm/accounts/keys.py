"""API keys of an org: `s2c_live_<id>_<secret>`."""

import hmac
import secrets
from collections.abc import Collection, Sequence

from msgspec import Struct
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import names
from site2crm.accounts.events import KeyCreated, KeyRevoked
from site2crm.accounts.models import ApiKey
from site2crm.accounts.permissions import ALL_SCOPES, Permission, scopes_of
from site2crm.core import crypto, db
from site2crm.core.errors import Forbidden, Invalid, NotFound
from site2crm.core.events import emit
from site2crm.kit import clock, ids

PREFIX = "s2c_live_"
TOUCH_S = 60
"""`last_used_at` is written at most this often."""

_NOBODY = crypto.digest("no key has this secret")


class MadeKey(Struct, frozen=True):
    """The whole key is known here and never again."""

    row: ApiKey
    plain: str


async def create(
    session: AsyncSession, org_id: str, *, name: str, scopes: Sequence[str], by: Collection[str], actor: str | None
) -> MadeKey:
    """`by`: the permissions of who asks, which the scopes must be among. Raises Invalid, Forbidden."""
    public_id, secret = secrets.token_hex(8), crypto.token()
    row = ApiKey(
        id=ids.new("key"),
        org_id=org_id,
        name=names.needed(name, cure="What uses this key? For example: Zapier."),
        public_id=public_id,
        secret_hash=crypto.digest(secret),
        scopes=checked_scopes(scopes, by=by),
        created_by=actor,
        created_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    await emit(session, KeyCreated(org_id=org_id, key_id=row.id, name=row.name, scopes=tuple(row.scopes)))
    return MadeKey(row, f"{PREFIX}{public_id}_{secret}")


async def revoke(session: AsyncSession, org_id: str, *, key_id: str) -> None:
    """From now on it opens nothing. Raises NotFound."""
    await db.lock(session)
    key = await session.scalar(db.in_org(ApiKey, org_id).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)))
    if key is None:
        raise NotFound
    key.revoked_at = clock.now()
    await session.flush()
    await emit(session, KeyRevoked(org_id=org_id, key_id=key.id))


async def touch(session: AsyncSession, key_id: str) -> None:
    await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=clock.now()))


def parts(plain: str) -> tuple[str, str] | None:
    """Id and secret of what somebody sent, if it has the shape of a key."""
    if not plain.startswith(PREFIX):
        return None
    public_id, _, secret = plain.removeprefix(PREFIX).partition("_")
    return (public_id, secret) if public_id and secret else None


def proves(key: ApiKey | None, secret: str) -> bool:
    """Whether this is the key's secret, in the same time for every wrong one."""
    stored = key.secret_hash if key else _NOBODY
    return hmac.compare_digest(stored, crypto.digest(secret)) and key is not None


def checked_scopes(scopes: Sequence[str], *, by: Collection[str]) -> list[str]:
    """In the order of the table, each once."""
    if not scopes:
        raise Invalid.field("scopes", "Choose at least one, or `all`.")
    unknown = sorted(set(scopes) - set(Permission) - {ALL_SCOPES})
    if unknown:
        raise Invalid.field("scopes", f"There is no scope `{unknown[0]}`. There are: all, {', '.join(Permission)}.")
    beyond = sorted(scopes_of(scopes) - set(by))
    if beyond:
        raise Forbidden(f"Your own rights do not include `{beyond[0]}`, so a key of yours cannot have it.")
    return [ALL_SCOPES] if ALL_SCOPES in scopes else [scope for scope in Permission if scope in scopes]
