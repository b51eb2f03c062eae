"""Search over the help centre: the articles as they read on the page, every word must occur. No index needed for 18."""

from functools import lru_cache
from html.parser import HTMLParser

from msgspec import Struct

from site2crm.core import templates
from site2crm.core.templates import Shell
from site2crm.kit.text import fold
from site2crm.website import facts
from site2crm.website.articles import ARTICLES, Article
from site2crm.website.facts import Facts

LONGEST_QUERY = 200
BEFORE, AROUND = 60, 220
_TITLE_WEIGHT = 100
_UNREAD = frozenset({"script", "svg", "button", "nav", "h1"})


class Hit(Struct, frozen=True):
    article: Article
    excerpt: str


def search(known: Facts, query: str) -> list[Hit]:
    """Best first: a word in the title counts most, then how often the words occur."""
    words = fold(query[:LONGEST_QUERY]).split()
    if not words:
        return []
    found = []
    for article, text in texts(known).items():
        title, body = fold(f"{article.title} {article.summary}"), fold(text)
        if all(word in title or word in body for word in words):
            weight = sum(_TITLE_WEIGHT * (word in title) + body.count(word) for word in words)
            found.append((weight, Hit(article, _excerpt(article, text, words))))
    return [hit for _, hit in sorted(found, key=lambda pair: -pair[0])]


@lru_cache(maxsize=2)
def texts(known: Facts) -> dict[Article, str]:
    """What each article says, without markup."""
    context = facts.context(known)
    return {
        article: _plain(templates.render(article.template, page=Shell(title=article.title), **context))
        for article in ARTICLES.values()
    }


def _excerpt(article: Article, text: str, words: list[str]) -> str:
    folded = fold(text)
    # Folding may change the length of a text (ß); then the place is near enough.
    places = [place for word in words if (place := folded.find(word)) >= 0]
    if not places:
        return article.summary
    start = max(0, min(places) - BEFORE)
    start = text.find(" ", start) + 1 if start else 0
    cut = text[start : start + AROUND].rsplit(" ", 1)[0]
    return f"{'… ' if start else ''}{cut} …"


def _plain(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    return " ".join(" ".join(reader.parts).split())


class _Reader(HTMLParser):
    """The text inside <main>."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._is_main = False
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_main = self._is_main or tag == "main"
        self._unread += tag in _UNREAD

    def handle_endtag(self, tag: str) -> None:
        self._is_main = self._is_main and tag != "main"
        self._unread -= tag in _UNREAD

    def handle_data(self, data: str) -> None:
        if self._is_main and not self._unread:
            self.parts.append(data)
