"""Zoho's channels: they lapse within a week, in silence, and prove themselves by a token of ours (crm/zoho.md 11)."""

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from site2crm.connectors.contract import Context, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.wire import json_object
from site2crm.connectors.zoho import answers
from site2crm.connectors.zoho.client import Client, chunks, moment, rows_of, written_time
from site2crm.kit import clock

LIVES = timedelta(days=7) - timedelta(hours=1)
"""A week at most; Zoho's clock is not ours."""
EVENTS = ("Deals.all", "Contacts.edit", "Contacts.delete", "Leads.edit", "Leads.delete")
_KINDS = {"Deals": Kind.DEAL, "Contacts": Kind.PERSON, "Leads": Kind.PERSON}
_TOKEN_CHARACTERS = 40
"""The guides allow 50, the document more."""
_DELETED_AT_ONCE = 20


class ZohoHooks:
    """Renewed by a new channel beside the old one: Zoho's two documents disagree about how to prolong one."""

    def __init__(self, context: Context) -> None:
        self._client = Client(context)

    async def watch(self, url: str, secret: str) -> datetime | None:
        old = await self._channels(url)
        ends = clock.now() + LIVES
        channel = {
            "channel_id": str(time.time_ns() // 1000),
            "events": list(EVENTS),
            "notify_url": url,
            "token": _token(secret),
            "channel_expiry": written_time(ends),
            "notify_on_related_action": False,
        }
        [told] = await self._client.write("POST", "actions/watch", {"watch": [channel]}, key="watch")
        if not answers.is_success(told):
            raise answers.refusal(told)
        await self._remove(old)
        return _ends(told) or ends

    async def unwatch(self, path: str) -> None:
        await self._remove(await self._channels(path))

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """The proof stands in the body: of that nothing else is looked at before."""
        said = json_object(body)
        token = said.get("token") if said else None
        if (
            said is None
            or not isinstance(token, str)
            or not hmac.compare_digest(token.encode(), _token(secret).encode())
        ):
            raise BadProof("The token is not the one that we gave to Zoho.")
        ids = said.get("ids")
        if not isinstance(ids, list) or not isinstance(said.get("module"), str):
            raise ValueError("Zoho's notice names no records.")
        kind = _KINDS.get(str(said["module"]))
        if kind is None:
            return []
        op: Literal["upsert", "delete"] = "delete" if said.get("operation") == "delete" else "upsert"
        return [Change(kind, str(id), op, _at(said.get("server_time"))) for id in ids]

    async def _channels(self, part: str) -> list[str]:
        """Those that call an address with this in it."""
        listed = rows_of(await self._client.get("actions/watch"), "watch")
        ours = [one for one in listed if part in str(one.get("notify_url")) and one.get("channel_id")]
        return list(dict.fromkeys(str(one["channel_id"]) for one in ours))

    async def _remove(self, channels: Sequence[str]) -> None:
        for some in chunks(channels, _DELETED_AT_ONCE):
            try:
                await self._client.send("DELETE", f"actions/watch?channel_ids={','.join(some)}")
            except answers.ZohoError as error:
                if error.code not in ("NOT_SUBSCRIBED", "INVALID_DATA"):  # it lapsed meanwhile
                    raise


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), b"zoho channel", hashlib.sha256).hexdigest()[:_TOKEN_CHARACTERS]


def _ends(told: answers.Item) -> datetime | None:
    details = told.get("details")
    events = details.get("events") if isinstance(details, dict) else None
    ends = [moment(event.get("channel_expiry")) for event in events or [] if isinstance(event, dict)]
    return min(filter(None, ends), default=None)


def _at(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
