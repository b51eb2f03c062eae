"""Pipedrive's limits as the vendor publishes them: tokens a day, and calls within any two seconds."""

import time
from collections import deque
from dataclasses import dataclass, field

from site2crm.demo.server import Answer, Request

WINDOW_S = 2.0
SEARCHES = 10
BURSTS = {"lite": (20, 80), "growth": (40, 160), "premium": (100, 400), "ultimate": (120, 480)}
"""Plan -> calls in two seconds by API token, and by OAuth."""
FACTORS = {"lite": 1, "growth": 2, "premium": 5, "ultimate": 7}
TOKENS_A_SEAT = 30_000
IGNORED_AT_MOST = 30
"""After so many refusals in a row the calls of an API token meet Cloudflare's page."""

_PAGE = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Error 1015: rate limited</body></html>"
_COSTS = {
    ("v2", "GET", "one"): 1, ("v2", "GET", "list"): 10, ("v2", "POST", "list"): 5, ("v2", "PATCH", "one"): 5,
    ("v2", "DELETE", "one"): 3, ("v1", "GET", "one"): 2, ("v1", "GET", "list"): 20, ("v1", "POST", "list"): 10,
    ("v1", "PUT", "one"): 10, ("v1", "PATCH", "one"): 10, ("v1", "DELETE", "one"): 6,
}  # fmt: skip


@dataclass
class Limits:
    """`plan` is changed as a customer would; `seats` multiply the tokens. `on` False: nothing is counted.

    `most`: that many of each, whatever the plan says.
    """

    plan: str = "premium"
    seats: int = 1
    on: bool = True
    most: int = 0
    spent: int = 0
    _calls: dict[str, deque[float]] = field(default_factory=dict)
    _ignored: int = 0

    @property
    def tokens(self) -> int:
        return TOKENS_A_SEAT * FACTORS[self.plan] * self.seats

    def take(self, request: Request, *, by_oauth: bool) -> Answer | None:
        """None: the call may go on. Else what Pipedrive answers instead; its headers are set in both cases."""
        if not self.on or self._counts_nothing(request):
            return None
        cost = cost_of(request)
        if self.spent + cost > self.tokens:
            return self._refusal("You have reached the daily limit of API tokens.", by_oauth=by_oauth)
        searching, now = request.path.endswith("/search"), time.monotonic()
        calls = self._within("search" if searching else "burst", now)
        if len(calls) >= self._most(searching=searching, by_oauth=by_oauth):
            return self._refusal("Request over limit", by_oauth=by_oauth)
        calls.append(now)
        self.spent += cost
        self._ignored = 0
        return None

    def headers(self, request: Request, *, by_oauth: bool) -> dict[str, str]:
        if not self.on:
            return {}
        searching, now = request.path.endswith("/search"), time.monotonic()
        calls = self._within("search" if searching else "burst", now)
        most = self._most(searching=searching, by_oauth=by_oauth)
        told = {
            "x-ratelimit-limit": str(most),
            "x-ratelimit-remaining": str(max(0, most - len(calls))),
            "x-ratelimit-reset": str(round(WINDOW_S)),
            "x-daily-ratelimit-token-limit": str(self.tokens),
            "x-daily-ratelimit-token-remaining": str(max(0, self.tokens - self.spent)),
        }
        if not by_oauth and request.method in ("POST", "PUT"):
            told["x-daily-requests-left"] = str(max(0, self.tokens - self.spent) // 10)
        return told

    def _most(self, *, searching: bool, by_oauth: bool) -> int:
        return self.most or (SEARCHES if searching else BURSTS[self.plan][by_oauth])

    def _within(self, name: str, now: float) -> deque[float]:
        calls = self._calls.setdefault(name, deque())
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        return calls

    def _refusal(self, text: str, *, by_oauth: bool) -> Answer:
        self._ignored += 1
        if self._ignored > IGNORED_AT_MOST and not by_oauth:
            return Answer(403, _PAGE, {"Content-Type": "text/html; charset=UTF-8"})
        return Answer(429, {"success": False, "error": text, "errorCode": 429})

    def _counts_nothing(self, request: Request) -> bool:
        return "/webhooks" in request.path and request.method == "GET"


def cost_of(request: Request) -> int:
    """In tokens of the day: searches 20, a list 10 or 20, a record 1 or 2, a write 5 or 10."""
    parts = request.path.split("/")
    version, resource, last = parts[2], parts[3], parts[-1]
    if last == "search" or (resource, last) == ("deals", "archived"):
        return 20
    if (resource, last) == ("users", "me"):
        return 2
    if resource in ("pipelines", "stages"):
        return 5
    return _COSTS.get((version, request.method, "one" if len(parts) > 4 else "list"), 10)
