"""Figures for `/metrics`, and the text that Prometheus reads (its exposition format 0.0.4).

Written here in forty lines: the usual library costs a tenth of a second of every start and a lock and two look-ups for
each request, and all that we need of it is the form of the text. The tests read ours with the library's own parser.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from site2crm.core.meter import BOUNDS_S, Timing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "site2crm_"


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Sample(Struct, frozen=True):
    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Figure(Struct, frozen=True):
    """Something measured, with all its samples; counters end in `_total`, times are seconds, sizes are bytes."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample]


def gauge(name: str, help: str, value: float, **labels: str) -> Figure:
    """One number that goes up and down."""
    return Figure(name, Kind.GAUGE, help, [Sample(value, labels)])


def counter(name: str, help: str, value: float, **labels: str) -> Figure:
    """One number that only grows, from 0 at the start of the process."""
    return Figure(name, Kind.COUNTER, help, [Sample(value, labels)])


def by(kind: Kind, name: str, help: str, *, label: str, values: Mapping[str, float]) -> Figure:
    """A number for each value of one label."""
    return Figure(name, kind, help, [Sample(value, {label: key}) for key, value in values.items()])


def histogram(name: str, help: str, *, label: str, timings: Mapping[str, Timing]) -> Figure:
    """Timings, each with its cumulated buckets."""
    samples: list[Sample] = []
    for key, timing in timings.items():
        named, passed = {label: key}, 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), list(timing.buckets), strict=True):
            passed += count
            samples.append(Sample(passed, {**named, "le": bound}, "_bucket"))
        samples += [Sample(passed, named, "_count"), Sample(timing.seconds, named, "_sum")]
    return Figure(name, Kind.HISTOGRAM, help, samples)


def text(figures: Iterable[Figure]) -> str:
    """What a scraper is answered."""
    return "".join(line + "\n" for figure in figures for line in _lines(figure))


def _lines(figure: Figure) -> Iterable[str]:
    name = PREFIX + figure.name
    yield f"# HELP {name} {_escaped(figure.help)}"
    yield f"# TYPE {name} {figure.kind.value}"
    for sample in figure.samples:
        pairs = ",".join(f'{key}="{_quoted(value)}"' for key, value in sample.labels.items())
        yield f"{name}{sample.suffix}{{{pairs}}} {sample.value:.10g}" if pairs else f"{name} {sample.value:.10g}"


def _escaped(written: str) -> str:
    return written.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(written: str) -> str:
    return _escaped(written).replace('"', r"\"")
