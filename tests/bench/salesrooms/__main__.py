"""A CRM with very many deals, in a process of its own: `python -m tests.bench.salesrooms hubspot --port 9401`.

Its limits are lifted: what is measured is what reads from it.
"""

import argparse
import asyncio

from tests.bench.salesrooms.rooms import ROOMS
from tests.bench.salesrooms.stock import DEALS


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.salesrooms")
    parser.add_argument("kind", choices=ROOMS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deals", type=int, default=DEALS)
    args = parser.parse_args()
    crm = ROOMS[args.kind](args.deals)
    await crm.start(port=args.port)
    print(crm.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
