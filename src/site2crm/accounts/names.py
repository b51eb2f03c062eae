"""Names as people type them, on one line."""

import re

from site2crm.core.errors import Invalid

LONGEST = 100

# A line break in an org's name would end the subject line of a mail; surrogates are no text at all
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def tidy(name: str) -> str:
    """Raises Invalid for `name` when it is too long."""
    plain = " ".join(_NO_TEXT.sub(" ", name).split())
    if len(plain) > LONGEST:
        raise Invalid.field("name", f"At most {LONGEST} characters.")
    return plain


def needed(name: str, *, cure: str = "This is needed.") -> str:
    """Raises Invalid for `name` when it is too long, or nothing is left."""
    plain = tidy(name)
    if not plain:
        raise Invalid.field("name", cure)
    return plain
