"""Clients that never come to an end, in a process of their own: `python -m tests.scoreboard.drips PORT HEADERS BODIES PATH`.

Each sends a byte a second, of its headers or of its body, and comes back at once when it is cut off. Prints how many
hold a connection once all do; at its end (a line on standard input) how many were cut off, and how many were refused.
"""

import asyncio
import sys
from collections import Counter

BYTE_EVERY_S = 1.0
HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
HEADERS = HEAD + "X-Slow: "
BODY = HEAD + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nemail="


async def drip(port: int, opening: bytes, seen: Counter[str]) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            seen["refused"] += 1
            await asyncio.sleep(BYTE_EVERY_S)
            continue
        seen["held"] += 1
        try:
            writer.write(opening)
            closed = asyncio.create_task(reader.read())
            while not closed.done():
                writer.write(b"a")
                await writer.drain()
                await asyncio.wait({closed}, timeout=BYTE_EVERY_S)
        except ConnectionError:
            pass
        finally:
            closed.cancel()
            writer.close()
            seen["held"] -= 1
            seen["cut off"] += 1


async def main(port: int, headers: int, bodies: int, path: str) -> None:
    seen: Counter[str] = Counter()
    openings = [HEADERS] * headers + [BODY] * bodies
    tasks = [
        asyncio.create_task(drip(port, text.format(path=path, port=port).encode(), seen)) for text in openings
    ]  # held, so that none is collected
    while seen["held"] < len(tasks):
        await asyncio.sleep(0.05)
    print(seen["held"], flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(seen["cut off"], seen["refused"], seen["held"], flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
