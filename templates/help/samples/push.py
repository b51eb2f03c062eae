import base64
import hashlib
import hmac
import json
import time
import urllib.request
import uuid

message = {
    "contacts": [{"id": "7", "lead_id": "led_01J...", "url": "https://crm.example.com/contacts/7"}],
    "deals": [
        {
            "id": "42",
            "title": "Website for Ada",
            "status": "won",
            "amount": "1500.00",
            "currency": "EUR",
            "owner": "sam",
            "contacts": ["7"],
            "closed_at": "2026-11-20T16:30:00Z",
            "updated_at": "2026-11-20T16:30:00Z",
        }
    ],
    "activities": [{"id": "c9", "kind": "call", "owner": "sam", "at": "2026-11-19T09:00:00Z", "seconds": 240}],
}


def send(address: str, secret: str, message: dict, id: str) -> None:
    """`id`: the same at every try of this message."""
    body = json.dumps(message).encode()
    sent_at = int(time.time())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{id}.{sent_at}.".encode() + body, hashlib.sha256)
    headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }
    urllib.request.urlopen(urllib.request.Request(address, body, headers))


send("https://leads.example.com/hooks/con_.../records", "whsec_...", message, id=f"msg_{uuid.uuid4()}")
