"""The demo's HubSpot, with both sides of each call checked against the vendor's document.

In a test: `fake = HubSpotFake(); await fake.start()`. As a process: `python -m tests.fakes.hubspot --port 9401`.
"""

import argparse
import asyncio

from site2crm.demo.hubspot import READ, TOKEN, WRITE, HubSpot
from site2crm.demo.hubspot_oauth import AUTHORIZE
from site2crm.demo.server import Answer, Request
from tests.fakes.openapi import Checked, Document

__all__ = ["DOCUMENT", "READ", "TOKEN", "WRITE", "HubSpotFake"]

DOCUMENT = "hubspot-2026-09.json"


class HubSpotFake(Checked, HubSpot):
    documents = (Document(DOCUMENT, "https://api.hubapi.com"),)

    def checked(self, request: Request, answer: Answer) -> None:
        if request.raw_path != AUTHORIZE:  # a page, which the document does not tell of
            super().checked(request, answer)


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.hubspot")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--validate", action="store_true", help="check every call against the vendor's document")
    args = parser.parse_args()
    fake = HubSpotFake(validate=args.validate, token=args.token)
    await fake.start(port=args.port)
    print(f"fake HubSpot at {fake.url} token {args.token}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
