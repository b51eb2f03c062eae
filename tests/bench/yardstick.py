"""A bare ASGI 302 on the same server: what this machine can do at this minute."""

import sys

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"https://example.com/")]})
    await send({"type": "http.response.body", "body": b""})


async def main(port: int) -> None:
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
