"""The websites of an org: where a click may carry its token to. Filled by who knows them, read by the redirect."""

from site2crm.core.machine import Machine

_NONE: frozenset[str] = frozenset()


class Sites:
    """Org -> origins (`https://www.acme.example`, `https://*.acme.example`), in memory."""

    def __init__(self) -> None:
        self._by_org: dict[str, frozenset[str]] = {}
        self._patterns: dict[str, list[tuple[str, str]]] = {}

    def replace(self, by_org: dict[str, frozenset[str]]) -> None:
        self._by_org = by_org
        found = {org_id: _patterns(origins) for org_id, origins in by_org.items()}
        self._patterns = {org_id: patterns for org_id, patterns in found.items() if patterns}

    def of(self, org_id: str) -> frozenset[str]:
        """As they were entered, patterns too."""
        return self._by_org.get(org_id, _NONE)

    def knows(self, org_id: str, origin: str) -> bool:
        """Whether a page of this origin belongs to the org."""
        if origin in self._by_org.get(org_id, _NONE):
            return True
        patterns = self._patterns.get(org_id)
        return patterns is not None and any(
            origin.startswith(scheme) and origin.endswith(host) for scheme, host in patterns
        )


def of_machine(machine: Machine) -> Sites:
    """The instance's own, made by whoever asks first: who reads them may be started before who fills them."""
    sites: Sites = machine.parts.setdefault(Sites, Sites())
    return sites


def _patterns(origins: frozenset[str]) -> list[tuple[str, str]]:
    """`https://*.acme.example` -> what comes before and after the star."""
    return [(scheme, host) for scheme, star, host in (origin.partition("*") for origin in origins) if star]
