"""A webhook of Pipedrive, made by its API: a deal was changed (crm/pipedrive.md 11).

Of persons none is asked for: each hint makes us read, and reading takes tokens of the customer's day. Hooks carry no
signature. The proof is HTTP Basic with a password that we gave, and the address itself.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from site2crm.connectors.contract import Context, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.pipedrive.answers import PipedriveError
from site2crm.connectors.pipedrive.capabilities import CAPS
from site2crm.connectors.pipedrive.client import Ask, Client, id_of, rows_of
from site2crm.connectors.wire import json_object
from site2crm.kit import clock

USER = "site2crm"
_OBJECTS = {"deal": Kind.DEAL, "person": Kind.PERSON, "organization": Kind.COMPANY}
_WATCHED = ("deal",)


class PipedriveHooks:
    """Those of one connection."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = Client(context)

    async def watch(self, url: str, secret: str) -> datetime | None:
        """Pipedrive removes those that fail for days: call it again by then."""
        good: set[object] = set()
        for hook in await self._ours(url):
            what = hook.get("event_object")
            if what in _WATCHED and what not in good and _is_good(hook, secret):
                good.add(what)
            else:
                await self._remove(hook)
        for what in _WATCHED:
            if what not in good:
                await self._client.record(Ask("POST", "webhooks", _body(url, what, secret)))
        return clock.now() + (CAPS.hook_max_age or timedelta(days=1))

    async def unwatch(self, path: str) -> None:
        for hook in await self._listed():
            if path in str(hook.get("subscription_url")):
                await self._remove(hook)

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """Our own writes come back too: they are left out."""
        wanted = base64.b64encode(f"{USER}:{secret}".encode())
        kind, _, given = headers.get("authorization", "").partition(" ")
        if not secret or kind.lower() != "basic" or not hmac.compare_digest(given.strip().encode(), wanted):
            raise BadProof("The webhook does not carry the password that was given to Pipedrive.")
        meta = (json_object(body) or {}).get("meta")
        if not isinstance(meta, dict) or not meta.get("entity") or not meta.get("action"):
            raise ValueError("This is no webhook of Pipedrive, version 2.")
        what, id = _OBJECTS.get(str(meta["entity"])), str(meta.get("entity_id") or "")
        if what is None or not id or self._is_echo(meta):
            return ()
        return [Change(what, id, "delete" if meta["action"] == "delete" else "upsert", _moment(meta.get("timestamp")))]

    def _is_echo(self, meta: Mapping[str, object]) -> bool:
        us = self._context.account.user_id if self._context.account else None
        return us is not None and meta.get("change_source") == "api" and str(meta.get("user_id")) == us

    async def _ours(self, url: str) -> list[dict[str, object]]:
        return [hook for hook in await self._listed() if hook.get("subscription_url") == url]

    async def _listed(self) -> list[dict[str, object]]:
        return rows_of((await self._client.ask(Ask("GET", "webhooks"))).get("data"))

    async def _remove(self, hook: Mapping[str, object]) -> None:
        try:
            await self._client.ask(Ask("DELETE", f"webhooks/{id_of(hook)}"))
        except PipedriveError as error:
            if error.code != "404":
                raise


def _body(url: str, what: str, secret: str) -> dict[str, object]:
    return {
        "subscription_url": url, "event_action": "*", "event_object": what, "name": f"Site2CRM {what}s",
        "version": "2.0", "http_auth_user": USER, "http_auth_password": secret,
    }  # fmt: skip


def _is_good(hook: Mapping[str, object], secret: str) -> bool:
    """Pipedrive may hide the password; one that it shows has to be ours."""
    shown = hook.get("http_auth_password")
    return bool(hook.get("is_active")) and hook.get("event_action") == "*" and (not shown or shown == secret)


def _moment(value: object) -> datetime | None:
    """ISO text or Unix seconds: the vendor's example shows the one, its table the other."""
    try:
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            return datetime.fromtimestamp(int(value), UTC)
        moment = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
