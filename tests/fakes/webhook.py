"""A receiver of signed webhooks on loopback; verifies every call with the reference library."""

from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from site2crm.demo.server import Answer, FakeServer, Request


class WebhookFake(FakeServer):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.received: list[dict[str, Any]] = []
        self.by_webhook_id: dict[str, str] = {}
        self.says: Answer | None = None

    def answer(self, request: Request) -> Answer:
        try:
            event = Webhook(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError as error:
            return Answer(401, {"message": str(error)})
        self.received.append(event)
        if self.says is not None:
            return self.says
        id = self.by_webhook_id.setdefault(request.headers["webhook-id"], f"rec-{len(self.by_webhook_id) + 1}")
        return Answer(200, {"id": id, "url": f"https://crm.example.com/people/{id}"})
