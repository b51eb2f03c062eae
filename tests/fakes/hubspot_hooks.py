"""An app at HubSpot that tells of changes: signed as HubSpot signs, up to a hundred events in a call."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from site2crm.app import Instance
from site2crm.connectors import app_hooks
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.kit import clock

OPERATORS_APP = {"connectors__hubspot__client_id": CLIENT_ID, "connectors__hubspot__client_secret": CLIENT_SECRET}
"""The settings of an instance whose operator has an app."""
PORTAL = 62515
MOST = 100

_numbers = itertools.count(1)


def event(kind: str = "deal.propertyChange", *, portal: int = PORTAL, **said: Any) -> dict[str, Any]:
    return {
        "eventId": next(_numbers), "subscriptionId": 12345, "portalId": portal, "appId": 54321,
        "occurredAt": round(clock.unix() * 1000), "subscriptionType": kind, "attemptNumber": 0, "objectId": 123,
        "changeSource": "CRM_UI", **said,
    }  # fmt: skip


@dataclass
class TellingApp:
    """`target_url`: what its owner entered."""

    client_secret: str
    target_url: str
    answers: list[httpx.Response] = field(default_factory=list)

    async def tell(self, client: httpx.AsyncClient, *events: dict[str, Any]) -> list[int]:
        """The status of each call: of a hundred events at most, written as HubSpot writes them."""
        parts = [events[start : start + MOST] for start in range(0, len(events), MOST)]
        return [await self.send(client, json.dumps(part, separators=(",", ":")).encode()) for part in parts]

    async def send(
        self, client: httpx.AsyncClient, body: bytes, *, ago_s: float = 0.0, headers: Mapping[str, str] | None = None
    ) -> int:
        """These very bytes. `headers` replace those that prove it."""
        signed = {**self.signed(body, stamp=str(round((clock.unix() - ago_s) * 1000))), **(headers or {})}
        answer = await client.post(urlsplit(self.target_url).path, content=body, headers=signed)
        self.answers.append(answer)
        return answer.status_code

    def signed(self, body: bytes, *, stamp: str) -> dict[str, str]:
        said = b"POST" + self.target_url.encode() + body + stamp.encode()
        proof = hmac.new(self.client_secret.encode(), said, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "X-HubSpot-Request-Timestamp": stamp,
            "X-HubSpot-Signature-v3": base64.b64encode(proof).decode(),
            "X-HubSpot-Signature": hashlib.sha256(self.client_secret.encode() + body).hexdigest(),
            "X-HubSpot-Signature-Version": "v1",
        }


def app_of(instance: Instance, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> TellingApp:
    return TellingApp(secret, app_hooks.address(instance, "hubspot", client_id))
