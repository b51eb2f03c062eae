"""Zoho's data centres (crm/zoho.md 2.1): an account lives in one of them, and no other host is ever called."""

from typing import NamedTuple
from urllib.parse import urlsplit


class Centre(NamedTuple):
    """`api` without its first label: `www.`, `sandbox.` and `developer.` stand before it."""

    label: str
    accounts: str
    api: str
    web: str

    @property
    def api_url(self) -> str:
        return f"https://www.{self.api}"

    @property
    def accounts_url(self) -> str:
        return f"https://{self.accounts}"


DEFAULT = "us"
CENTRES = {
    "us": Centre("United States (zoho.com)", "accounts.zoho.com", "zohoapis.com", "crm.zoho.com"),
    "eu": Centre("Europe (zoho.eu)", "accounts.zoho.eu", "zohoapis.eu", "crm.zoho.eu"),
    "in": Centre("India (zoho.in)", "accounts.zoho.in", "zohoapis.in", "crm.zoho.in"),
    "au": Centre("Australia (zoho.com.au)", "accounts.zoho.com.au", "zohoapis.com.au", "crm.zoho.com.au"),
    "jp": Centre("Japan (zoho.jp)", "accounts.zoho.jp", "zohoapis.jp", "crm.zoho.jp"),
    "ca": Centre("Canada (zohocloud.ca)", "accounts.zohocloud.ca", "zohoapis.ca", "crm.zohocloud.ca"),
    "sa": Centre("Saudi Arabia (zoho.sa)", "accounts.zoho.sa", "zohoapis.sa", "crm.zoho.sa"),
    "uk": Centre("United Kingdom (zoho.uk)", "accounts.zoho.uk", "zohoapis.uk", "crm.zoho.uk"),
    "cn": Centre("China (zoho.com.cn)", "accounts.zoho.com.cn", "zohoapis.com.cn", "crm.zoho.com.cn"),
}
ACCOUNTS_HOSTS = tuple(centre.accounts for centre in CENTRES.values())
API_HOSTS = tuple(
    f"{kind}.{centre.api}" for centre in CENTRES.values() for kind in ("www", "sandbox", "developer")
)  # fmt: skip
HOSTS = (*API_HOSTS, *ACCOUNTS_HOSTS)


def chosen(name: str) -> Centre:
    """What the settings say; the United States without a word."""
    return CENTRES.get(name, CENTRES[DEFAULT])


def of_api(url: str) -> Centre | None:
    """Where an account is whose calls go to this `api_domain`."""
    host = urlsplit(url).hostname or ""
    return next((centre for centre in CENTRES.values() if host.endswith(f".{centre.api}")), None)


def of_web(url: str) -> Centre | None:
    """Where an account is whose pages are at this address."""
    host = urlsplit(url).hostname or ""
    return next((centre for centre in CENTRES.values() if host == centre.web), None)
