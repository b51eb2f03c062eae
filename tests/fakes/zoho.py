"""The demo's Zoho CRM, with both sides of each call checked against the vendor's document."""

from site2crm.demo.server import Answer, Request
from site2crm.demo.zoho import Zoho
from tests.fakes.openapi import Checked, Document

__all__ = ["DOCUMENT", "ZohoFake"]

DOCUMENT = "zoho-crm-v8.json"


class ZohoFake(Checked, Zoho):
    documents = (
        Document(DOCUMENT, "https://www.zohoapis.com", "/crm/v8/"),
        Document(DOCUMENT, "https://accounts.zoho.com", "/oauth/v2/token"),
    )

    def checked(self, request: Request, answer: Answer) -> None:
        if request.path == "/oauth/v2/auth":  # a page for people
            return
        # The document has no answer for a plain write of which some are refused: then only the request is checked.
        unsaid = answer.status == 207 and not request.path.endswith("upsert")
        super().checked(request, Answer(answer.status) if unsaid else answer)
