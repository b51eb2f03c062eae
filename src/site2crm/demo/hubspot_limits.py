"""HubSpot's limits as the vendor publishes them: calls in any ten seconds and in a day; searches are told nothing."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from site2crm.demo.server import Answer, Request

POLICIES = {
    "SECONDLY": "You have reached your secondly limit.",
    "TEN_SECONDLY_ROLLING": "You have reached your ten_secondly_rolling limit.",
    "DAILY": "You have reached your daily limit.",
}


@dataclass
class Limits:
    """`burst`, `daily`: so many calls; None: they are not counted, and `remaining` is what the answers tell.

    Of a day nothing is told to who has signed in.
    """

    burst: int | None = None
    window_s: float = 10.0
    daily: int | None = None
    used: int = 0
    """Of the day."""
    remaining: int = 189
    refused: int = 0
    _seen: deque[float] = field(default_factory=deque)

    def take(self) -> Answer | None:
        """None: the call may go on; else what HubSpot answers instead."""
        now = time.monotonic()
        while self._seen and self._seen[0] <= now - self.window_s:
            self._seen.popleft()
        if self.daily is not None and self.used >= self.daily:
            return self._refusal("DAILY")
        if self.burst is not None and len(self._seen) >= self.burst:
            return self._refusal("TEN_SECONDLY_ROLLING")
        self.used += 1
        self._seen.append(now)
        return None

    def headers(self, request: Request, *, by_oauth: bool) -> dict[str, str]:
        if request.path.endswith("/search"):
            return {}
        left = self.remaining if self.burst is None else self.burst - len(self._seen)
        told = {
            "X-HubSpot-RateLimit-Max": str(self.burst or 190),
            "X-HubSpot-RateLimit-Remaining": str(left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(self.window_s * 1000)),
        }
        if self.daily is not None and not by_oauth:
            told["X-HubSpot-RateLimit-Daily"] = str(self.daily)
            told["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, self.daily - self.used))
        return told

    def _refusal(self, policy: str) -> Answer:
        self.refused += 1
        return Answer(429, refusal_of(policy))


def refusal_of(policy: str) -> dict[str, Any]:
    return {"status": "error", "message": POLICIES[policy], "errorType": "RATE_LIMIT", "policyName": policy}
