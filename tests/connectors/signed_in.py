"""A person who signs in at the demo's HubSpot, as a browser does it."""

import html
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from tests.cast import Person
from tests.fakes.hubspot import HubSpotFake

APP = {"settings.client_id": CLIENT_ID, "settings.client_secret": CLIENT_SECRET}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def authorize_url(page: httpx.Response) -> str:
    """Where the page between leads to."""
    found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', page.text)
    assert found, page.text
    return html.unescape(found[1])


async def begun(person: Person, fields: Mapping[str, str] = APP, *, at: str = "") -> str:
    """The address at HubSpot to which our page sends the browser."""
    path = at or f"/o/{person.org.slug}/crms/new/hubspot/sign-in"
    page = await person.web.post(path, content=urlencode(fields), headers=FORM)
    assert page.status_code == 200, page.text
    return authorize_url(page)


async def answered(url: str, *, answer: str = "yes") -> str:
    """The address to which HubSpot sends the browser back."""
    async with httpx.AsyncClient() as browser:
        asked = dict(parse_qsl(urlsplit(url).query))
        assert (await browser.get(url)).status_code == 200
        back = await browser.post(url.partition("?")[0], content=urlencode({**asked, "answer": answer}), headers=FORM)
    assert back.status_code == 302, back.text
    return str(back.headers["location"])


async def back(person: Person, url: str) -> httpx.Response:
    return await person.web.get(url, headers=FROM_ELSEWHERE)


async def signed_in(person: Person, portal: HubSpotFake, fields: Mapping[str, str] = APP) -> str:
    """The id of a new connection."""
    done = await back(person, await answered(await begun(person, fields)))
    assert done.status_code == 303, done.text
    id = str(done.headers["location"]).rpartition("/")[2]
    assert id.startswith("con_"), done.headers["location"]
    return id
