"""kill -9 at any moment: what was acknowledged is read back."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.core.journal_support import opened, payloads_of

SRC = Path(__file__).parents[2] / "src"
WRITER = """
    import asyncio, os, sys
    from pathlib import Path
    from site2crm.core.journal.journal import Journal

    async def write(journal, worker, run):
        number = 0
        while True:
            name = b"%d/%d/%d" % (run, worker, number)
            await journal.append_durable(name + b" " * 300)
            os.write(1, b"s " + name + b"\\n")
            if journal.append(name + b" " * 100):
                os.write(1, b"e " + name + b"\\n")
            number += 1

    async def main():
        folder, run = Path(sys.argv[1]), int(sys.argv[2])
        journal = Journal.open(folder, instance="a", segment_bytes=256 * 1024, on_alarm=lambda code, text: None)
        await asyncio.gather(*(write(journal, worker, run) for worker in range(8)))

    asyncio.run(main())
"""


def _killed_run(folder: Path, run: int) -> list[bytes]:
    """Acknowledgements that a writer printed before it was killed."""
    output = folder.with_name(f"acknowledged-{run}")
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), str(run)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdout=file,
        )
        while not output.stat().st_size and child.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0.02, 0.3))
        child.send_signal(signal.SIGKILL)
        child.wait()
    return output.read_bytes().splitlines()[:-1]  # the last line may be half a line


@pytest.mark.parametrize("rounds", [4])
async def test_every_acknowledged_record_survives_kill_9(tmp_path: Path, rounds: int) -> None:
    folder = tmp_path / "journal"
    acknowledged = [line for run in range(rounds) for line in _killed_run(folder, run)]
    async with opened(folder, segment_bytes=256 * 1024) as journal:
        for stream, mark in (("submissions", b"s "), ("events", b"e ")):
            expected = [line[2:] for line in acknowledged if line.startswith(mark)]
            found = [data.rstrip(b" ") for data in payloads_of(journal, stream)]
            assert len(expected) > 100
            assert set(expected) <= set(found)
            assert len(found) == len(set(found))
