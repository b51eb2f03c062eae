"""How each kind of CRM is connected to a server of its own process, and what its requests are measured by."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from site2crm.connectors.hubspot.portal import LIMIT as HUBSPOT
from site2crm.connectors.nutshell.access import LIMIT as NUTSHELL
from site2crm.connectors.pacing import Limit
from site2crm.connectors.pipedrive.client import LIMIT as PIPEDRIVE
from site2crm.demo import hubspot, nutshell, pipedrive, salesforce_oauth, zoho_accounts, zoho_coql
from tests.server import ROOT, Server, environment, free_port

Asked = Sequence[Mapping[str, Any]]
"""Requests, as the CRM shows them."""


@dataclass(frozen=True)
class Crm:
    """`reads`: a pattern of the requests that read deals and activities, in path, query and body; `price`: what they
    are at the vendor; `takes_leads`: from the forms that are sent meanwhile."""

    settings: Mapping[str, str]
    reads: str
    price: Callable[[Asked], str]
    signs_in: bool = False
    takes_leads: bool = True


class Unhurried(Server):
    """Keeps to no limit that we set ourselves."""

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tests.bench.unhurried", *words]


@contextmanager
def played(kind: str, deals: int) -> Iterator[str]:
    """In a process of its own: its memory is not ours."""
    words = [sys.executable, "-m", "tests.bench.salesrooms", kind, "--deals", str(deals), "--port", str(free_port())]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def server(kind: str, folder: Path, url: str) -> Server:
    config = (
        f'[outbound]\nallow_private = ["127.0.0.1"]\n[connectors.{kind}]\nbase_url = "{url}"\n'
        "[intake]\nper_address_per_minute = 1000000\n"
    )
    return Unhurried(folder, config)


def connect(kind: str, api: httpx.Client, web: httpx.Client) -> None:
    body: dict[str, object] = {"kind": kind, "settings": dict(CRMS[kind].settings)}
    if not CRMS[kind].takes_leads:
        body["form_ids"] = [api.post("/api/v1/forms", json={"name": "Never sent"}).json()["id"]]
    if not CRMS[kind].signs_in:
        api.post("/api/v1/connections", json=body).raise_for_status()
        return
    begun = api.post("/api/v1/connections/authorize", json=body).raise_for_status().json()
    allowed = httpx.get(f"{begun['authorize_url']}&allow=1", timeout=60)
    done = web.get(allowed.headers["location"], headers=FROM_ELSEWHERE)
    assert "/crms/con_" in done.headers["location"], done.headers["location"]


def reading(kind: str, told: Asked) -> Asked:
    """Those of the requests that read."""
    pattern = re.compile(CRMS[kind].reads)
    return [one for one in told if pattern.search(f"{one['path']} {one['query']} {one['body']}")]


def signed_in(server: Server) -> httpx.Client:
    """The owner's browser."""
    client = httpx.Client(base_url=server.url, timeout=60)
    form = {"email": "owner@acme.example", "password": "correct horse battery"}
    client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    return client


def _at(limit: Limit, whose: str) -> Callable[[Asked], str]:
    def price(asked: Asked) -> str:
        return f"{len(asked) * limit.window_s / limit.calls:.0f} s at {whose}, which is lifted here"

    return price


def _credits(asked: Asked) -> str:
    spent = sum(zoho_coql.price(request["body"].encode()) for request in asked)
    return f"{spent:,} of 50,000 credits of a day"


FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OF_THE_VENDOR = "the vendor's smallest limit"
CRMS = {
    "hubspot": Crm(
        {"token": hubspot.TOKEN},
        "/(deals|calls|emails|meetings|tasks)",
        _at(HUBSPOT, OF_THE_VENDOR),
    ),
    "salesforce": Crm(
        {
            "login": "production",
            "target": "lead",
            "client_id": salesforce_oauth.CLIENT_ID,
            "client_secret": salesforce_oauth.CLIENT_SECRET,
        },
        "/queryAll|ConvertedOpportunityId IN",
        lambda asked: "of 100,000 that an org may make in a day",
        signs_in=True,
    ),
    "pipedrive": Crm({"token": pipedrive.TOKEN}, "/(deals|activities)", _at(PIPEDRIVE, OF_THE_VENDOR)),
    "zoho": Crm(
        {
            "data_centre": "eu",
            "module": "Leads",
            "client_id": zoho_accounts.CLIENT_ID,
            "client_secret": zoho_accounts.CLIENT_SECRET,
        },
        "/deleted|from (Deals|Calls|Events|Tasks) |Converted_Contact in",
        _credits,
        signs_in=True,
    ),
    "nutshell": Crm(
        {"email": nutshell.EMAIL, "api_key": nutshell.KEY},
        "/(leads|events|activities)",
        _at(NUTSHELL, "our own limit"),
        takes_leads=False,  # with two calls at once, and forms without a pause, there is no turn for what can wait
    ),
}
