"""The demo's Pipedrive, with both sides of each call checked against the vendor's two documents.

In a test: `fake = PipedriveFake(); await fake.start()`. As a process: `python -m tests.fakes.pipedrive --port 9402`.
"""

import argparse
import asyncio

from site2crm.demo.pipedrive import TOKEN, Pipedrive
from site2crm.demo.server import Answer, Request
from tests.fakes.openapi import Checked, Document

__all__ = ["DOCUMENTS", "TOKEN", "PipedriveFake"]

DOCUMENTS = (
    Document("pipedrive-v2.json", "https://acme.pipedrive.com", "/api/v2"),
    Document("pipedrive-v1.json", "https://acme.pipedrive.com", "/api/v1"),
    Document("pipedrive-v1.json", "https://oauth.pipedrive.com", "/oauth"),
)
_WRONG_IN_THE_DOCUMENT = ("POST /api/v2/organizations: ", "'title' is a required property")
"""The vendor asks an organisation for a title, of which its own list of properties knows nothing."""


class PipedriveFake(Checked, Pipedrive):
    documents = DOCUMENTS

    def checked(self, request: Request, answer: Answer) -> None:
        if request.path == "/oauth/authorize":
            return  # a page for people
        if answer.status >= 400:
            answer = Answer(answer.status)  # the documents know few of the refusals
        super().checked(request, answer)
        self.violations = [text for text in self.violations if not all(w in text for w in _WRONG_IN_THE_DOCUMENT)]


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.pipedrive")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--validate", action="store_true", help="check every call against the vendor's documents")
    args = parser.parse_args()
    fake = PipedriveFake(validate=args.validate, token=args.token)
    await fake.start(port=args.port)
    print(f"fake Pipedrive at {fake.url} token {args.token}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
