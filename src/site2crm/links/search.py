"""Full-text search over links: what is indexed, and how a question is put to the index.

`link_search.words` is made in Python (`kit.text`), so that every database finds the same; the index (`core.fulltext`)
only splits at spaces. Every word begins with the org's tag: a look-up touches only this org's words. Whether the link
is live, its tags and its campaign stand there as marks too, which begin with `_` as no question does, to filter by.
"""

from collections.abc import Iterable

from msgspec import Struct

from site2crm.kit import text

TAG_CHARS = 6
URL_CHARS = 500
MARK_CHARS = 200


def words(
    org_id: str, *, slug: str, url: str, title: str, tags: Iterable[str], campaign: str, archived: bool = False
) -> str:
    """Everything a link is found by, with a space before and after each."""
    labels = list(tags)
    marks = [_state(archived), *(_mark("tag", label) for label in labels)]
    marks += [_mark("campaign", campaign)] if campaign else []
    typed = text.search_text(slug, slug.replace("-", "").replace("_", ""), title, campaign, url[:URL_CHARS], *labels)
    before = " " + _org(org_id)
    return before + before.join([*marks, *typed.split()]) + " "


class Question(Struct, frozen=True):
    """Whole words (marks) and beginnings of words that must all be there, the org's tag included."""

    marks: tuple[str, ...]
    beginnings: tuple[str, ...]
    is_answerable: bool
    """Not if only signs were typed, which are in no word."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What `words` must contain, spaces included."""
        return tuple(f" {mark} " for mark in self.marks) + tuple(f" {word}" for word in self.beginnings)


def question(org_id: str, *, q: str = "", tag: str = "", campaign: str = "", archived: bool = False) -> Question | None:
    """None: nothing is looked for."""
    if not (q or tag or campaign):
        return None
    org = _org(org_id)
    marks = [_state(archived)]
    marks += [_mark("tag", tag)] if tag else []
    marks += [_mark("campaign", campaign)] if campaign else []
    beginnings = text.search_query(q)
    return Question(
        tuple(org + mark for mark in marks), tuple(org + word for word in beginnings), bool(beginnings or not q)
    )


def _org(org_id: str) -> str:
    """The end of the org's id, which is chance. Two orgs may share one: the queries look at the org as well."""
    return org_id[-TAG_CHARS:].lower()


def _state(archived: bool) -> str:
    return "_archived" if archived else "_live"


def _mark(kind: str, value: str) -> str:
    """Letters and digits only, whatever was typed: nothing that could end the index's quotes."""
    plain = "".join(sign if sign.isalnum() else "_" for sign in text.fold(value))
    return f"_{kind}_{plain[:MARK_CHARS]}"
