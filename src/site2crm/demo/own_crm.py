"""The demo's custom CRM: it takes signed leads, refuses who leaves no number, and sends its own records, signed."""

from typing import Any

import msgspec

from site2crm.connectors.hints import BadProof
from site2crm.connectors.webhook.signing import key_of, proven, sign
from site2crm.demo.server import Answer, FakeServer, Request
from site2crm.kit import clock, ids

SECRET = "whsec_c3VtbWl0LWNvYWNoaW5nLWRlbW8tc2VjcmV0"
_SITE = "https://crm.summit.example"


class OwnCrm(FakeServer):
    """Somebody's own program, as the page Help, Custom CRM describes it."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, dict[str, Any]] = {}
        """By id, oldest first."""
        self._key = key_of(SECRET) or b""
        self._answered: dict[str, str] = {}

    def answer(self, request: Request) -> Answer:
        try:
            proof = proven(self._key, request.headers, request.body)
        except BadProof as error:
            return Answer(401, {"detail": str(error)})
        told = request.json()
        if told["type"] == "ping":
            return Answer(204)
        if not told["data"].get("phone"):
            return Answer(422, {"detail": "phone is missing: we call everybody back."})
        id = self._answered.setdefault(proof.id, told["data"].get("id") or f"P-{1000 + len(self._answered)}")
        self.people[id] = told["data"]
        return Answer(200, {"id": id, "url": f"{_SITE}/people/{id}"})

    def signed(self, records: object) -> tuple[bytes, dict[str, str]]:
        """A message to us: its body and its headers."""
        body = msgspec.json.encode(records)
        signature = sign(self._key, body, id=ids.new("msg"), timestamp=int(clock.unix()))
        return body, {"Content-Type": "application/json", **signature}
