"""Small steps that several tests of accounts take as a browser."""

import re

import httpx

from site2crm.app import Instance
from tests import cast

PASSWORD = "four quiet green otters"


def browser(instance: Instance, **headers: str) -> httpx.AsyncClient:
    """A browser that nobody is logged in with."""
    return cast.client(instance, Accept="text/html", **{"Sec-Fetch-Site": "same-origin"}, **headers)


async def log_in(web: httpx.AsyncClient, email: str, password: str = cast.PASSWORD, **more: str) -> httpx.Response:
    return await web.post("/login", data={"email": email, "password": password, **more})


def path_of(url: str) -> str:
    """The path of one of our own links."""
    return url.removeprefix(cast.BASE)


def link_in(text: str, kind: str) -> str:
    """The path of the first `/invite/...` or `/reset/...` link."""
    found = re.search(rf"/{kind}/[\w-]+", text)
    assert found, f"no {kind} link"
    return found.group()
