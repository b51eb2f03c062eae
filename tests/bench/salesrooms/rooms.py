"""Every CRM from which deals are read."""

from collections.abc import Callable

from site2crm.demo.server import FakeServer
from tests.bench.salesrooms import hubspot, nutshell, pipedrive, salesforce, zoho

ROOMS: dict[str, Callable[..., FakeServer]] = {
    "hubspot": hubspot.room,
    "salesforce": salesforce.room,
    "pipedrive": pipedrive.room,
    "zoho": zoho.room,
    "nutshell": nutshell.room,
}
