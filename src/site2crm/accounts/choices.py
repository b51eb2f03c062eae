"""What selects and check boxes of account pages offer."""

import functools
import zoneinfo
from importlib import resources

from site2crm.accounts.permissions import ALL_SCOPES, ROLE_HINTS, Permission, grantable_roles, scopes_of
from site2crm.core.access import Who

Options = list[tuple[str, str]]


def zones(chosen: str = "") -> list[tuple[str, Options]]:
    """Time zones by continent; an older name that is in use stays in the list."""
    grouped: dict[str, Options] = {"Everywhere": [("UTC", "UTC")]}
    for name in sorted(_named_today() | {chosen} - {"", "UTC"}):
        continent, _, city = name.partition("/")
        grouped.setdefault(continent, []).append((name, (city or name).replace("_", " ")))
    return list(grouped.items())


@functools.cache
def _named_today() -> frozenset[str]:
    """Without the some two hundred names of old, such as Asia/Calcutta (tz database: zone.tab, third column)."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    names = {line.split("\t")[2] for line in table.splitlines() if not line.startswith("#")}
    return frozenset(names & zoneinfo.available_timezones())


def roles(who: Who) -> list[tuple[str, str, str]]:
    """Those that `who` may give, least first."""
    return [(role, role.capitalize(), ROLE_HINTS[role]) for role in reversed(grantable_roles(who.permissions))]


def role_names(who: Who) -> dict[str, str]:
    """The same for a select."""
    return {role: label for role, label, _ in roles(who)}


def scopes(who: Who) -> Options:
    """Those that a key made by `who` may have."""
    named: Options = [(scope, scope) for scope in Permission if who.can(scope)]
    everything = scopes_of([ALL_SCOPES]).issubset(who.permissions)
    return [(ALL_SCOPES, "all: everything, also what later versions add"), *named] if everything else named
