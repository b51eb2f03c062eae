"""Imported by the process that others are forked from: the product has started once, so each of them starts at once."""

import asyncio
import tempfile
from pathlib import Path

from tests import cast, records


async def _start_once() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with cast.an_instance(Path(folder), background=True, database__url=records.SQLITE):
            pass


asyncio.run(_start_once())
