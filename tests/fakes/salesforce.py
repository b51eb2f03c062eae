"""The demo's Salesforce, with both sides of each call checked against the document of its API.

In a test: `fake = SalesforceFake(); await fake.start()`. As a process: `python -m tests.fakes.salesforce --port 9402`.
"""

import argparse
import asyncio

from site2crm.connectors.grants import Grant
from site2crm.demo.salesforce import INSTANCE_URL, Salesforce
from site2crm.demo.salesforce_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.demo.server import Answer, Request
from tests.connectors.connector_cases import Granted
from tests.fakes.openapi import Checked, Document

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "DOCUMENT", "INSTANCE_URL", "SalesforceFake", "grant", "granted"]

DOCUMENT = "salesforce-v67.json"


class SalesforceFake(Checked, Salesforce):
    documents = (Document(DOCUMENT, "https://example.my.salesforce.com"),)

    def checked(self, request: Request, answer: Answer) -> None:
        """Pages for people are in no document."""
        if not isinstance(answer.body, bytes) and request.raw_path != "/services/oauth2/authorize":
            super().checked(request, answer)


def grant(fake: Salesforce) -> Grant:
    """As the fake gives it to who signs in."""
    extra = {"instance_url": INSTANCE_URL}
    return Grant(fake.sign_in.give_access(), refresh=fake.sign_in.give_refresh(), extra=extra)


def granted(fake: Salesforce) -> Granted:
    return Granted(grant(fake))


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.salesforce")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--validate", action="store_true", help="check every call against the API's document")
    args = parser.parse_args()
    fake = SalesforceFake(validate=args.validate)
    await fake.start(port=args.port)
    print(f"fake Salesforce at {fake.url} key {CLIENT_ID} secret {CLIENT_SECRET}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
