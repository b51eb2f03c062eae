"""Nutshell's webhooks, which a person makes by hand: one for all events, unsigned, to an address that is a secret.

Nothing of the body is believed but which records to read again (contract, 11).
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import unquote, urlsplit

from site2crm.connectors.contract import Act, Context, CrmError, ErrorClass, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.nutshell.answers import Record
from site2crm.connectors.nutshell.properties import ids_in
from site2crm.connectors.nutshell.values import moment
from site2crm.connectors.wire import json_object

_KINDS: dict[str, Kind | Act] = {
    "contacts": Kind.PERSON, "accounts": Kind.COMPANY, "leads": Kind.DEAL, "activities": Act.MEETING,
}  # fmt: skip
_BY_HAND = "Nutshell has no call for webhooks: make it there under Setup, API keys."


class NutshellHooks:
    """Only `parse` does something; the rest says where to click."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def watch(self, url: str, secret: str) -> datetime | None:
        raise CrmError(ErrorClass.CONFIG, _BY_HAND, code="BY_HAND")

    async def unwatch(self, path: str) -> None:
        raise CrmError(ErrorClass.CONFIG, _BY_HAND, code="BY_HAND")

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """What changed. The proof is the last part of the address that was called."""
        said = unquote(urlsplit(url).path.rpartition("/")[2])
        if not secret or not hmac.compare_digest(said.encode(), secret.encode()):
            raise BadProof("The address of the webhook does not end in its secret.")
        document = json_object(body)
        events = document.get("events") if document else None
        if not isinstance(events, list):
            raise ValueError("A webhook of Nutshell has a list of events.")
        found = [change for event in events if isinstance(event, dict) for change in _changes(event)]
        return list(dict.fromkeys(found))


def _changes(event: Record) -> list[Change]:
    kind = _KINDS.get(str(event.get("payloadType")))
    if kind is None:
        return []
    op: Literal["upsert", "delete"] = "delete" if str(event.get("action")).startswith("delet") else "upsert"
    return [Change(kind, id, op, moment(event.get("createdTime"))) for id in ids_in(event.get("links"), "payloads")]
