"""What a job and a cron are, as their features declare them."""

import inspect
import math
from collections.abc import Callable, Coroutine
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import Any, Concatenate

from croniter import croniter  # type: ignore[import-untyped]


@dataclass(frozen=True)
class JobContext:
    """What a job function gets beside its payload."""

    machine: Any
    """The running instance (`core.machine.Machine`), typed by whoever composes it."""
    attempt: int
    """1 in the first run; runs that a crash cut short count."""
    job_key: str
    """The key it was enqueued with, or the id of its row."""


JobFunction = Callable[Concatenate[JobContext, ...], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class JobSpec:
    """A function that can be enqueued by its name. Calling the spec calls the function, as tests do."""

    name: str
    function: JobFunction
    timeout_s: float = 60
    retries: int = 5
    """Tries after the first one."""

    def __post_init__(self) -> None:
        # SAQ runs a plain function in a thread pool that it joins in the event loop when it stops
        if not inspect.iscoroutinefunction(self.function):
            raise TypeError(f"{self.name}: a job is an async function")
        if self.timeout_s <= 0 or self.retries < 0:
            raise ValueError(f"{self.name}: a job needs a timeout, and retries that are not negative")

    async def __call__(self, ctx: JobContext, **kwargs: Any) -> None:
        await self.function(ctx, **kwargs)


def job(name: str, *, timeout_s: float = 60, retries: int = 5) -> Callable[[JobFunction], JobSpec]:
    """Make a function a job. `name` ("delivery.deliver") is what is stored, so it outlives every renaming."""

    def declare(function: JobFunction) -> JobSpec:
        return JobSpec(name, function, timeout_s=timeout_s, retries=retries)

    return declare


@dataclass(frozen=True)
class Cron:
    """A job that enqueues itself: every so many seconds (counted from 1970), or by cron syntax in UTC."""

    name: str
    _: KW_ONLY
    function: JobFunction
    every_s: float | None = None
    schedule: str | None = None
    timeout_s: float = 60

    def __post_init__(self) -> None:
        if (self.every_s is None) == (self.schedule is None):
            raise ValueError(f"{self.name}: a cron has either every_s or schedule")
        if self.every_s is not None and self.every_s <= 0:
            raise ValueError(f"{self.name}: every_s must be positive")
        if self.schedule is not None and not croniter.is_valid(self.schedule):
            raise ValueError(f"{self.name}: {self.schedule!r} is not a schedule")

    @property
    def key(self) -> str:
        return f"cron:{self.name}"

    def spec(self) -> JobSpec:
        """Not retried: the next tick is the retry."""
        return JobSpec(self.name, self.function, timeout_s=self.timeout_s, retries=0)

    def latest(self, now: float) -> float:
        """The last tick at or before `now`, in unix seconds."""
        if self.every_s is not None:
            return now // self.every_s * self.every_s
        just_after = datetime.fromtimestamp(math.floor(now) + 1, UTC)  # croniter's "previous" excludes its start
        return float(croniter(self.schedule, just_after).get_prev(float))

    def following(self, tick: float) -> float:
        """The first tick after `tick`."""
        if self.every_s is not None:
            return tick + self.every_s
        return float(croniter(self.schedule, datetime.fromtimestamp(tick, UTC)).get_next(float))
