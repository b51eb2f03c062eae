"""Answers that still hold: kept until an event of the same org arrives in the span that they are about.

So the period before is counted once, and a page that is looked at by five people costs one scan.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from site2crm.core.eventstore.contract import Event, Question

MOST = 1_000
REMEMBERED = 1_000


class Change(NamedTuple):
    """Events of an org between these moments came or went."""

    number: int
    org: str
    first: datetime
    last: datetime

    def concerns(self, question: Question) -> bool:
        return self.org == question.org and self.first < question.end and self.last >= question.start


class Answers:
    """On the event loop only."""

    def __init__(self) -> None:
        self.changes = 0
        self._kept: OrderedDict[tuple[Any, ...], tuple[Question, Any]] = OrderedDict()
        self._of_org: defaultdict[str, set[tuple[Any, ...]]] = defaultdict(set)
        self._recent: deque[Change] = deque(maxlen=REMEMBERED)

    def get(self, key: tuple[Any, ...]) -> Any:
        """None: not known."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def put(self, key: tuple[Any, ...], question: Question, answer: Any, *, asked_at: int) -> None:
        """Keep it, unless it was overtaken: `asked_at` is what `changes` was before the question."""
        missed = self.changes - asked_at
        if missed > len(self._recent):
            return
        if any(change.concerns(question) for change in list(self._recent)[len(self._recent) - missed :]):
            return
        self._kept[key] = (question, answer)
        self._of_org[question.org].add(key)
        if len(self._kept) > MOST:
            self._drop(next(iter(self._kept)))

    def appended(self, rows: Iterable[Event]) -> None:
        spans: dict[str, tuple[datetime, datetime]] = {}
        for row in rows:
            first, last = spans.get(row.org, (row.ts, row.ts))
            spans[row.org] = (min(first, row.ts), max(last, row.ts))
        for org, (first, last) in spans.items():
            self._change(org, first, last)

    def clear(self) -> None:
        """Nothing holds any more, nor what is being asked at this moment."""
        self._kept.clear()
        self._of_org.clear()
        self._recent.clear()
        self.changes += 1

    def _change(self, org: str, first: datetime, last: datetime) -> None:
        self.changes += 1
        change = Change(self.changes, org, first, last)
        self._recent.append(change)
        for key in [key for key in self._of_org.get(org, ()) if change.concerns(self._kept[key][0])]:
            self._drop(key)

    def _drop(self, key: tuple[Any, ...]) -> None:
        question, _ = self._kept.pop(key)
        keys = self._of_org[question.org]
        keys.discard(key)
        if not keys:
            del self._of_org[question.org]
