"""Where an org is signed in to: production, sandbox, or its own My Domain (crm/salesforce.md 2.2). Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from site2crm.connectors.contract import CrmError, ErrorClass

HOSTS = (".salesforce.com",)
"""The only hosts that a secret or a token goes to, whatever was typed and whatever Salesforce tells."""
PRODUCTION, SANDBOX, MY_DOMAIN = "production", "sandbox", "my_domain"
_SHARED = {PRODUCTION: "login.salesforce.com", SANDBOX: "test.salesforce.com"}
_MINE = ".my.salesforce.com"
_OTHER_FACES = (".lightning.force.com", ".my.salesforce-setup.com")
"""What the browser shows of the same org; no API is served there."""


def host_of(settings: Mapping[str, str]) -> str:
    """Raises CrmError(CONFIG, field="domain") for what is no My Domain."""
    chosen = settings.get("login", PRODUCTION)
    if chosen in _SHARED:
        return _SHARED[chosen]
    typed = settings.get("domain", "").strip().lower()
    host = _host(typed)
    for face in _OTHER_FACES:
        if host.endswith(face):
            host = host.removesuffix(face) + _MINE
    if host and "." not in host:
        host += _MINE
    name = host.removesuffix(_MINE)
    if not host.endswith(_MINE) or not name or not all(c.isalnum() or c in "-." for c in name) or not name.isascii():
        raise CrmError(
            ErrorClass.CONFIG,
            "This is no My Domain. It reads like acme.my.salesforce.com; in Salesforce: Setup, My Domain.",
            field="domain",
        )
    return host


def _host(typed: str) -> str:
    try:
        parts = urlsplit(typed if "//" in typed else f"//{typed}")
        return "" if "@" in parts.netloc else parts.hostname or ""
    except ValueError:
        return ""
