"""Webhooks of an app at HubSpot: up to a hundred events in a call, each of some account (crm/hubspot.md 11).

They are set up in the app, by hand: HubSpot has no call for apps of its developer platform. Only signature v3 is taken:
the older ones say nothing of when. What tells of the fields of a contact is left out, for they are not read back; each
reading takes calls of the customer's day, and marketing changes contacts all the time.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from site2crm.connectors.hints import BadProof
from site2crm.kit import clock

SIGNATURE, TIMESTAMP = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
OLDEST_S = 300
_METHOD = b"POST"
_DIGITS = 15
"""Milliseconds have thirteen for the next two centuries."""

_READ = frozenset({"deal", "0-3", "0-27", "0-47", "0-48", "0-49"})
"""Deals, tasks, meetings, calls and e-mails: `deal.creation`, or `object.creation` with the type's number."""
_CONTACT = frozenset({"contact", "0-1"})
_OF_CONTACTS = frozenset({"deletion", "privacyDeletion", "merge", "restore", "associationChange"})


class _Event(Struct, frozen=True):
    """What we heed of one; `objectTypeId` only where the type does not name the object."""

    portal: int = msgspec.field(name="portalId")
    type: str = msgspec.field(name="subscriptionType")
    object: str | None = msgspec.field(name="objectTypeId", default=None)

    @property
    def is_news(self) -> bool:
        name, _, what = self.type.partition(".")
        about = self.object if name == "object" else name
        return about in _READ or (about in _CONTACT and what in _OF_CONTACTS)


class HubSpotHooks:
    """Of any app."""

    def check(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> None:
        stamp, given = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not secret or not given or not stamp.isdecimal() or len(stamp) > _DIGITS:
            raise BadProof("It carries no signature of HubSpot, version 3.")
        if abs(clock.unix() - int(stamp) / 1000) > OLDEST_S:
            raise BadProof("It was signed more than five minutes ago.")
        wanted = hmac.new(secret.encode(), _METHOD + url.encode() + body + stamp.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(given.encode(), base64.b64encode(wanted)):
            raise BadProof(f"The signature is not the one of this app's client secret for a call of {url}")

    def accounts(self, body: bytes) -> Collection[str]:
        try:
            events = msgspec.json.decode(body, type=list[_Event])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError("HubSpot sends a list of events.") from error
        return {str(event.portal) for event in events if event.is_news}
