"""The compiled patterns behind `core/agents.py`. Imported through `core/heavy.py`, in a background thread.

Bots: the crawler-user-agents list in ua-parser's matcher (4 us an agent; the list's own matcher takes 120 to 360).
Browsers and systems: ua-parser's list. Its device patterns are left out: they name models, we want four classes.
"""

import crawleruseragents  # type: ignore[import-untyped]
import ua_parser_rs
from ua_parser import Domain, PartialResult
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

_CRAWLERS = crawleruseragents.CRAWLER_USER_AGENTS_DATA
_browsers, _systems, _ = load_lazy_builtins()
_resolver = Resolver((_browsers, _systems, []))
# Each pattern answers with its number in place of a browser's name.
_crawlers = ua_parser_rs.UserAgentExtractor(
    [(each["pattern"], str(number), None, None, None, None) for number, each in enumerate(_CRAWLERS)]
)
_tags = [frozenset(each.get("tags") or ()) for each in _CRAWLERS]


def crawler_tags(user_agent: str) -> frozenset[str] | None:
    """What kind of known crawler this is ("search-engine", "scanner", "social-preview"...); None: not a known one."""
    found = _crawlers.extract(user_agent)
    return None if found is None else _tags[int(found.family)]


def browser_and_system(user_agent: str) -> tuple[str, str]:
    """Names of browser and operating system, empty where unknown."""
    found: PartialResult = _resolver(user_agent, Domain.USER_AGENT | Domain.OS)
    return found.user_agent.family if found.user_agent else "", found.os.family if found.os else ""
