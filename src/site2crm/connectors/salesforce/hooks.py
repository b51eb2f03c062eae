"""What a Flow of the customer's own calls out with. Salesforce makes no webhooks by itself (crm/salesforce.md 11)."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote, urlsplit

from site2crm.connectors.contract import Context, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.salesforce import soql
from site2crm.connectors.wire import json_object

SECRET_HEADER = "x-site2crm-secret"  # noqa: S105 - the name of it
_KINDS = {"Lead": Kind.PERSON, "Contact": Kind.PERSON, "Account": Kind.COMPANY, "Opportunity": Kind.DEAL}


class FlowHooks:
    """Made by hand there; `watch` and `unwatch` have nothing to do."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def watch(self, url: str, secret: str) -> datetime | None:
        return None

    async def unwatch(self, path: str) -> None:
        return None

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """`{"object": "Opportunity", "id": "006..."}`. What kind of change it was shows when the record is read."""
        given = headers.get(SECRET_HEADER) or unquote(urlsplit(url).path.rpartition("/")[2])
        if not secret or not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            raise BadProof("Neither the address nor the header X-Site2CRM-Secret has this connection's secret.")
        said = json_object(body)
        kind, id = _KINDS.get(str((said or {}).get("object"))), str((said or {}).get("id") or "")
        if said is None or kind is None or not soql.is_id(id):
            raise ValueError('The body is not {"object": "Opportunity", "id": "006..."}.')
        return [Change(kind, id, "upsert", None)]
