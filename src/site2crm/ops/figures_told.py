"""Reads back what `/metrics` of our own server says, for `site2crm doctor`."""

import re

from site2crm.core.figures import PREFIX

_LINE = re.compile(rf"{PREFIX}(\w+(?:\{{[^}}]*\}})?) (\S+)")

Figures = dict[str, float]
"""What the running server told at /metrics: name{labels} -> value. Empty: it is stopped, or did not tell."""


def parse(text: str) -> Figures:
    """Name with its labels -> value."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: float(match[2]) for match in found if match}
