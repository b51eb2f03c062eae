"""What selects and check boxes of account pages offer."""

import functools
import zoneinfo

from site2crm.accounts.permissions import ALL_SCOPES, ROLE_HINTS, Permission, grantable_roles, scopes_of
from site2crm.core.access import Who

Options = list[tuple[str, str]]

_OLD_NAMES = ("Etc/", "posix/", "right/", "SystemV/", "US/")


@functools.cache
def zones() -> list[tuple[str, Options]]:
    """Time zones by continent."""
    grouped: dict[str, Options] = {"Everywhere": [("UTC", "UTC")]}
    for name in sorted(zoneinfo.available_timezones()):
        continent, _, city = name.partition("/")
        if city and not name.startswith(_OLD_NAMES):
            grouped.setdefault(continent, []).append((name, city.replace("_", " ")))
    return list(grouped.items())


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
