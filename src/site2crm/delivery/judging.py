"""What follows from a try: pure, from the error class of the contract to the next state of the delivery."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from site2crm.connectors.contract import EMPTY, CrmError, ErrorClass
from site2crm.delivery.states import State

PAUSE_UNTOLD = timedelta(seconds=10)
"""A limit was reached and the vendor did not say for how long."""
GAVE_UP = "gave_up"
HOUR_S = 3600
_DEAL = "The deal was not made:"

_NEEDS_A_PERSON = (ErrorClass.REAUTH, ErrorClass.REFRESH, ErrorClass.CONFIG)
_PASSING = (ErrorClass.RETRY, ErrorClass.NOT_FOUND)


class Schedule(Struct, frozen=True):
    """`waits_s[n]` is the wait before the try after `n` failures; after the last one it is a dead letter."""

    waits_s: Sequence[float]
    jitter: float

    def next_wait(self, failures: int, asked: timedelta | None) -> timedelta | None:
        """`asked` is the vendor's Retry-After, honoured when it is longer. None: used up."""
        if failures >= len(self.waits_s):
            return None
        share = 1 + random.uniform(-self.jitter, self.jitter)  # noqa: S311 - spreads load, guards nothing
        return max(timedelta(seconds=self.waits_s[failures] * share), asked or timedelta())

    @property
    def hours(self) -> int:
        return round(sum(self.waits_s) / HOUR_S)


class Verdict(Struct, frozen=True, kw_only=True):
    """`due_at` None: unchanged, it keeps its place."""

    state: State
    failures: int
    due_at: datetime | None = None
    code: str = ""
    text: str = ""
    field: str = ""
    park: bool = False
    person_is_gone: bool = False
    """Whose deal could not be made: the next try begins with the person again."""
    pause_until: datetime | None = None


def judge(error: CrmError, *, failures: int, now: datetime, schedule: Schedule) -> Verdict:
    """The next state of a delivery whose call failed, as if its connection is active."""
    code, field = error.code or error.kind.value, error.field or ""
    if error.kind is ErrorClass.THROTTLE:
        waiting = State.RETRYING if failures else State.PENDING
        until = now + (error.retry_after or PAUSE_UNTOLD)
        return Verdict(state=waiting, failures=failures, code=code, text=error.text, pause_until=until)
    if error.kind in _NEEDS_A_PERSON:
        return Verdict(state=State.PARKED, failures=failures, code=code, text=error.text, field=field, park=True)
    if error.kind in _PASSING:
        return _later(error, code, failures=failures + 1, now=now, schedule=schedule)
    # Where there is nothing to say nobody was refused: no alarm, and a mended mapping lets it be sent.
    state = State.SKIPPED if code == EMPTY else State.DEAD
    return Verdict(state=state, failures=failures, code=code, text=error.text, field=field)


def judge_deal(error: CrmError, *, failures: int, now: datetime, schedule: Schedule) -> Verdict:
    """As `judge`, for a person who is there already and whose deal could not be made.

    A right that only deals need does not stop the leads: such a deal waits for a person, like one that was refused.
    """
    if error.kind is ErrorClass.CONFIG:
        code, text = error.code or error.kind.value, error.text
        return Verdict(state=State.DEAD, failures=failures, code=code, text=f"{_DEAL} {text}")
    verdict = judge(error, failures=failures, now=now, schedule=schedule)
    state = State.DEAD if verdict.state is State.SKIPPED else verdict.state
    gone = error.kind is ErrorClass.NOT_FOUND
    text = verdict.text if verdict.park else f"{_DEAL} {verdict.text}"
    return msgspec.structs.replace(verdict, state=state, text=text, field="", person_is_gone=gone)


def _later(error: CrmError, code: str, *, failures: int, now: datetime, schedule: Schedule) -> Verdict:
    wait = schedule.next_wait(failures, error.retry_after)
    if wait is None:
        text = f"Gave up after {failures} tries in {schedule.hours} hours. The last answer: {error.text}"
        return Verdict(state=State.DEAD, failures=failures, code=GAVE_UP, text=text)
    return Verdict(state=State.RETRYING, failures=failures, due_at=now + wait, code=code, text=error.text)
