"""Figures over time as charts: this period as an area, others beside it, the one before dashed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from site2crm.analytics import words
from site2crm.analytics.periods import Span
from site2crm.core.eventstore.contract import Interval
from site2crm.kit import charts, clock
from site2crm.kit.charts import Chart, Series

BEFORE = "Before"


class Drawn(Struct, frozen=True):
    """A chart with its heading and the sentence that says what is in it."""

    title: str
    chart: Chart
    text: str


def compared(
    title: str,
    moments: Sequence[tuple[datetime, float]],
    before: Sequence[tuple[datetime, float]],
    *,
    span: Span,
    interval: Interval,
    beside: Series | None = None,
) -> Drawn:
    """One metric against the period before; `beside`: another one of the same period."""
    with_day = interval is Interval.HOUR and span.length > timedelta(days=1)
    labels = [words.instant(at, interval, span.zone, with_day=with_day) for at, _ in moments]
    now = [value for _, value in moments]
    earlier = [value for _, value in before][: len(now)]
    is_open = span.end > clock.now()
    series = [Series(title, now, is_open=is_open), *([beside] if beside else []), Series(BEFORE, earlier, "before")]
    return Drawn(title, charts.chart(labels, series), _summary(title, labels, now, earlier))


def _summary(title: str, labels: Sequence[str], now: Sequence[float], earlier: Sequence[float]) -> str:
    if not labels:
        return f"{title}: nothing to show."
    highest = max(range(len(now)), key=lambda index: now[index])
    return (
        f"{title} from {labels[0]} to {labels[-1]}: {sum(now):,.0f} in all, {sum(earlier):,.0f} in the period before; "
        f"the most on {labels[highest]}, {now[highest]:,.0f}."
    )
