"""Full-text search over leads: what is indexed, and how a question is put to the index.

`lead_search.words` is made in Python (`kit.text`), so that every database finds the same; the FTS5 index only splits at
spaces. Beside the words of the person it holds marks that nobody can type (a query never has `_`): the org, the forms,
the status and the utm_source. So one look-up answers a search with all its filters, and never leaves the org.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from site2crm.kit import text
from site2crm.leads.folding import LeadRow
from site2crm.leads.states import OPEN

# Bytes of what goes into the index: a message may be a megabyte.
MESSAGE_CHARS = 2_000
CUSTOM_CHARS = 300
MOST_CUSTOM = 30

# `ascii` leaves everything but ASCII signs alone: the words are folded already. `detail=none` keeps row numbers only.
# No prefix indexes: each costs the consumer a tenth, and `queries` answers broad prefixes without the index.
CREATE_FTS: tuple[str, ...] = (
    """CREATE VIRTUAL TABLE lead_fts USING fts5(
        words, content='lead_search', content_rowid='id', tokenize="ascii tokenchars '_'",
        detail=none, columnsize=0
    )""",
    """CREATE TRIGGER lead_search_insert AFTER INSERT ON lead_search BEGIN
        INSERT INTO lead_fts(rowid, words) VALUES (new.id, new.words);
    END""",
    """CREATE TRIGGER lead_search_delete AFTER DELETE ON lead_search BEGIN
        INSERT INTO lead_fts(lead_fts, rowid, words) VALUES ('delete', old.id, old.words);
    END""",
    """CREATE TRIGGER lead_search_update AFTER UPDATE OF words ON lead_search BEGIN
        INSERT INTO lead_fts(lead_fts, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO lead_fts(rowid, words) VALUES (new.id, new.words);
    END""",
)
"""Statements for the migration, after the table `lead_search`."""


def words(lead: LeadRow, form_ids: Iterable[str]) -> str:
    """Everything a lead is found by. `form_ids`: all forms that it has come by."""
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
    marks = [_org(lead.org_id), _status(lead.status), *sorted({_form(form_id) for form_id in form_ids})]
    sources = {touch.get("utm_source", "") for touch in lead.attribution.values()}
    marks += sorted(_source(source) for source in sources if source)
    return " ".join([*marks, typed])


def forms_in(words: str) -> list[str]:
    """The marks of the forms in what `words` has made, to be given to it again."""
    return [word for word in words.split(" ", 64)[:64] if word.startswith("frm_")]


class Question(Struct, frozen=True):
    """What is asked: whole words (marks) and beginnings of words, which must all be there, and one of the statuses."""

    marks: tuple[str, ...]
    beginnings: tuple[str, ...]
    statuses: tuple[str, ...]


def question(
    org_id: str, *, q: str = "", form_id: str = "", source: str = "", statuses: Sequence[str] = OPEN
) -> Question:
    marks = [_org(org_id)]
    if form_id:
        marks.append(_bare(_form(form_id)))
    if source:
        marks.append(_source(source))
    beginnings = tuple(_bare(word) for word in text.search_query(q))
    return Question(tuple(marks), beginnings, tuple(_status(status) for status in statuses))


def match(asked: Question) -> str:
    """The FTS5 expression."""
    terms = [f'"{mark}"' for mark in asked.marks]
    terms += [f'"{word}" *' for word in asked.beginnings]
    terms.append("(" + " OR ".join(f'"{status}"' for status in asked.statuses) + ")")
    return " AND ".join(terms)


def _org(org_id: str) -> str:
    return org_id.lower()


def _form(form_id: str) -> str:
    return form_id.lower()


def _status(status: str) -> str:
    return f"status_{status}"


@lru_cache(maxsize=1024)
def _source(source: str) -> str:
    return "source_" + "".join(text.search_query(source))


def _bare(term: str) -> str:
    """Nothing that could end the quotes or be a wildcard: a form id comes from the address bar."""
    return "".join(sign for sign in term if sign.isalnum() or sign == "_") or "_"
