"""The demo's Nutshell, with both sides of each call checked against the vendor's document."""

from site2crm.demo.nutshell import EMAIL, KEY, Nutshell
from site2crm.demo.server import Answer, Request
from tests.fakes.openapi import Checked, Document

__all__ = ["DOCUMENT", "EMAIL", "KEY", "NutshellFake"]

DOCUMENT = "nutshell-rest.json"


class NutshellFake(Checked, Nutshell):
    documents = (Document(DOCUMENT, "https://app.nutshell.com"),)

    def checked(self, request: Request, answer: Answer) -> None:
        # What is no JSON is in no document: 401, 403 and 415 come as plain text.
        super().checked(request, Answer(answer.status) if isinstance(answer.body, bytes) else answer)
