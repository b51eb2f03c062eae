"""Full-text search over leads: what is indexed, and how a question is put to the index.

`lead_search.words` is made in Python (`kit.text`), so that every database finds the same; the index (`core.fulltext`)
only splits at spaces. Every word begins with the org's tag: a look-up touches only this org's words, however many
orgs there are. Beside what a person has typed there are marks, for filters, which begin with `_` as no question does:
the forms, the links and the utm_source. The index and the triggers that keep it are made in `migrations/versions/0001`:
tokenizer `ascii` (the words are folded already), `detail=none` (row numbers only), no prefix indexes (each costs the
consumer a tenth).
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from site2crm.kit import text
from site2crm.leads.folding import LeadRow

# Bytes of what goes into the index: a message may be a megabyte.
MESSAGE_CHARS = 2_000
CUSTOM_CHARS = 300
MOST_CUSTOM = 30
MOST_MARKS = 64
MARK_CHARS = 200
TAG_CHARS = 6


def words(lead: LeadRow, ways: Iterable[str]) -> str:
    """Everything a lead is found by, with a space before and after each. `ways`: all forms and links it has come by."""
    custom = [value[:CUSTOM_CHARS] for value in list(lead.custom.values())[:MOST_CUSTOM]]
    typed = text.search_text(
        lead.email,
        lead.first_name,
        lead.last_name,
        lead.phone,
        lead.phone_key,
        lead.company,
        (lead.message or "")[:MESSAGE_CHARS],
        *custom,
    )
    sources = {touch.get("utm_source", "") for touch in lead.attribution.values()}
    marks = {_way(way) for way in ways} | {_source(source) for source in sources if source}
    before = " " + _tag(lead.org_id)
    return before + before.join([*sorted(marks), *typed.split()]) + " "


def ways_in(words: str) -> list[str]:
    """The marks of the forms and links in what `words` has made, to be given to it again."""
    marks = (word[TAG_CHARS:] for word in words.split(None, MOST_MARKS)[:MOST_MARKS])
    return [mark[1:] for mark in marks if mark.startswith(("_frm_", "_lnk_"))]


class Question(Struct, frozen=True):
    """Whole words (marks) and beginnings of words that must all be there, tags included."""

    marks: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """What `words` must contain, spaces included."""
        return tuple(f" {mark} " for mark in self.marks) + tuple(f" {word}" for word in self.beginnings)


def question(org_id: str, *, q: str = "", form_id: str = "", link_id: str = "", source: str = "") -> Question:
    marks = [_way(_bare(way)) for way in (form_id, link_id) if way]
    marks += [_source(source)] if source else []
    tag = _tag(org_id)
    return Question(tuple(tag + mark for mark in marks), tuple(tag + _bare(word) for word in text.search_query(q)))


def _tag(org_id: str) -> str:
    """The end of the org's id, which is chance. Two orgs may share one: `finding` looks at the org as well."""
    return org_id[-TAG_CHARS:].lower()


def _way(way_id: str) -> str:
    return f"_{way_id.lower()}"


@lru_cache(maxsize=1024)
def _source(source: str) -> str:
    return "_source_" + "".join(text.search_query(source))[:MARK_CHARS]


def _bare(term: str) -> str:
    """Nothing that could end the quotes: a form id comes from the address bar."""
    return "".join(sign for sign in term if sign.isalnum() or sign == "_")
