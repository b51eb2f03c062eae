"""Whatever a website form or a form builder posts becomes a normalised lead. Pure: no database, no network."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from site2crm.forms import bodies, clicks, guess, labels, providers, shapes, technical, values
from site2crm.forms.bodies import BodyRefused, Tree

__all__ = ["DEFAULT_HONEYPOTS", "BodyRefused", "Normalised", "normalise"]

# The conventional names are always honeypots (technical.HONEYPOTS); these are further ones, by literal key.
DEFAULT_HONEYPOTS: frozenset[str] = frozenset(["_gotcha", "bot-field", "_honey"])
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Normalised(Struct, omit_defaults=True):
    """A lead as far as its body tells. Nothing is made up: what was not posted stays None."""

    kind: str = "lead"  # lead, test, spam, needs_review
    reason: str = ""
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None  # as posted
    company: str | None = None
    message: str | None = None
    phone_e164: str | None = None  # read when the lead is made: the visitor need not wait for it
    custom: dict[str, str] = field(default_factory=dict)
    consent: dict[str, str] = field(default_factory=dict)
    attribution: dict[str, str] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)  # our embed's own hidden fields, without `s2c_`
    ip: str | None = None
    provider: str = ""
    provider_id: str | None = None
    redirect_to: str | None = None


def normalise(
    body: bytes,
    content_type: str,
    *,
    field_map: Mapping[str, str] = _NOTHING,
    honeypots: frozenset[str] = DEFAULT_HONEYPOTS,
    form_fields: Sequence[tuple[str, str]] = (),
) -> Normalised:
    """Raises `BodyRefused` for a body that cannot be read; one that can is never refused."""
    tree = bodies.parse(body, content_type)
    root: dict[str, Tree] = tree if isinstance(tree, dict) else {}
    provider = providers.recognise(root)
    answers = shapes.answers(tree, technical.NOISE_OF.get(provider.name, frozenset()))
    found = guess.sort(answers, guess.Rules(field_map, _declared(form_fields), honeypots))
    lead = _lead(found)
    lead.provider, lead.provider_id = provider.name, provider.id
    lead.kind, lead.reason = _kind(lead, found, is_empty=not answers, is_test=providers.is_test(root))
    return lead


def _declared(form_fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    known = {labels.compact(name): kind for name, kind in form_fields}
    return known | dict(form_fields)


def _lead(found: guess.Sorted) -> Normalised:
    best = found.best
    lead = Normalised(
        email=best.get("email"),
        phone=best.get("phone"),
        company=best.get("company"),
        message=_newlines(best.get("message")),
        custom=found.custom,
        consent=found.consent,
        attribution=found.attribution,
        ours=found.ours,
        ip=best.get("ip"),
        redirect_to=best.get("redirect"),
    )
    if subject := best.get("subject"):
        lead.custom.setdefault("subject", subject)
    _name(lead, best)
    _utm_of_page(lead.attribution)
    clicks.keep(lead.ours, lead.attribution)
    clicks.strip(lead.attribution)
    clicks.strip(lead.custom)
    return lead


def _newlines(text: str | None) -> str | None:
    return text.replace("\r\n", "\n").replace("\r", "\n") if text else text


def _name(lead: Normalised, best: Mapping[str, str]) -> None:
    """`Name` is the whole name, or what is missing beside a first or a last name (German, French and Italian forms)."""
    whole, first, last = (_one_line(best.get(role)) for role in ("name", "first_name", "last_name"))
    if whole and first and last:
        if whole not in (f"{first} {last}", f"{last} {first}", f"{last}, {first}", first, last):
            lead.custom.setdefault("name", whole)
    elif whole and first:
        last = whole.removeprefix(first).strip() or None if whole.startswith(f"{first} ") or whole == first else whole
    elif whole and last:
        first = whole.removesuffix(last).strip() or None if whole.endswith(f" {last}") or whole == last else whole
    elif whole:
        title, first, last = values.split_name(whole)
        if title:
            lead.custom.setdefault("title", title)
    lead.first_name, lead.last_name = first or None, last or None


def _one_line(text: str | None) -> str | None:
    return " ".join(text.split()) if text else None


def _utm_of_page(attribution: dict[str, str]) -> None:
    """The campaign stands in the page's address when no hidden field carried it."""
    for place in ("page_url", "landing_url"):
        url = attribution.get(place, "")
        if "?" not in url or len(url) > 4_000:
            continue
        try:
            query = urlsplit(url).query
            pairs = parse_qsl(query, max_num_fields=100)
        except ValueError:
            continue
        for name, value in pairs:
            target = technical.ATTRIBUTION.get(labels.compact(name), "")
            if value and (
                target.startswith("utm_") or target.endswith("clid") or target in ("gbraid", "wbraid", "li_fat_id")
            ):
                attribution.setdefault(target, value)


def _kind(lead: Normalised, found: guess.Sorted, *, is_empty: bool, is_test: bool) -> tuple[str, str]:
    if found.honeypot:
        return "spam", "honeypot"
    if is_empty:
        return "needs_review", "empty"
    if is_test:
        return "test", "test data of the form builder"
    if not lead.email and not lead.phone:
        return "needs_review", "no e-mail or phone found"
    return "lead", ""
