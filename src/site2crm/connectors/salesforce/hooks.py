"""What a Flow of the customer's own calls out with, or an outbound message. Salesforce makes no webhooks by itself, and
signs nothing (crm/salesforce.md 11): the proof is the secret in the address, and of a message the org that it names.

Change data capture would need no hand there, but a stream that is held open for each org, by gRPC.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote, urlsplit

from site2crm.connectors.contract import Act, Context, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.salesforce import outbound, soql
from site2crm.connectors.wire import json_object

SECRET_HEADER = "x-site2crm-secret"  # noqa: S105 - the name of it
_SAME = 15
"""Characters of an id; the longer form adds three that say nothing new."""
_KINDS: dict[str, Kind | Act] = {
    "Lead": Kind.PERSON, "Contact": Kind.PERSON, "Account": Kind.COMPANY, "Opportunity": Kind.DEAL,
    "Task": Act.TASK, "Event": Act.MEETING,
}  # fmt: skip


class FlowHooks:
    """Made by hand there; `watch` and `unwatch` have nothing to do."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def watch(self, url: str, secret: str) -> datetime | None:
        return None

    async def unwatch(self, path: str) -> None:
        return None

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """`{"object": "Opportunity", "id": "006..."}`, or a message. Which change it was shows when it is read."""
        given = headers.get(SECRET_HEADER) or unquote(urlsplit(url).path.rpartition("/")[2])
        if not secret or not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            raise BadProof("Neither the address nor the header X-Site2CRM-Secret has this connection's secret.")
        if outbound.is_one(body):
            return self._told(outbound.read(body))
        said = json_object(body)
        kind, id = _KINDS.get(str((said or {}).get("object"))), str((said or {}).get("id") or "")
        if said is None or kind is None or not soql.is_id(id):
            raise ValueError('The body is not {"object": "Opportunity", "id": "006..."}.')
        return [Change(kind, id, "upsert", None)]

    def _told(self, message: outbound.Message) -> Sequence[Change]:
        org = self._context.account.id if self._context.account else ""
        if not org or message.org[:_SAME] != org[:_SAME]:
            raise BadProof("The message comes from another org than the one that is connected.")
        known = [(_KINDS.get(name), id) for name, id in message.records if soql.is_id(id)]
        return [Change(kind, id, "upsert", None) for kind, id in known if kind is not None]


def receipt(body: bytes) -> tuple[str, str] | None:
    """What a message wants to be answered; a Flow wants nothing."""
    return outbound.RECEIPT if outbound.is_one(body) else None
