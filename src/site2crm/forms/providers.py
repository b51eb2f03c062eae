"""Which builder or ad network a body comes from, and the id under which it would send the same one again."""

from collections.abc import Callable

from msgspec import Struct

from site2crm.forms.tree import Tree

Root = dict[str, Tree]
Path = tuple[str, ...]


class Provider(Struct, frozen=True):
    name: str = ""
    id: str | None = None


class _Sign(Struct, frozen=True):
    """`key` stands at the top of the body, and what else must hold."""

    name: str
    key: str
    ids: tuple[Path, ...] = ()
    holds: Callable[[Root], bool] | None = None


def recognise(root: Root) -> Provider:
    """The first that fits; plain forms have no provider, and our own have Formspree's honeypot."""
    if root.keys() & _SIGN_KEYS:
        for sign in _SIGNS:
            if sign.key in root and (sign.holds is None or sign.holds(root)):
                return Provider(sign.name, _first(root, sign.ids))
    if next(iter(root), "").startswith("et_pb_contact"):
        return Provider("divi")
    return Provider("", _first(root, _ANY_ID)) if root.keys() & _ID_KEYS else _PLAIN


def is_test(root: Root) -> bool:
    """A "send test data" button: Google Ads `is_test`, LinkedIn `testLead`."""
    return any(root.get(key) == "true" for key in root.keys() & _TEST_KEYS)


def _says(key: str, start: str) -> Callable[[Root], bool]:
    return lambda root: _text(root, (key,)).startswith(start)


def _with(*keys: str) -> Callable[[Root], bool]:
    return lambda root: all(key in root for key in keys)


def _text(root: Root, path: Path) -> str:
    here: Tree = root
    for step in path:
        here = here.get(step) if isinstance(here, dict) else None
    return here if isinstance(here, str) else ""


def _first(root: Root, paths: tuple[Path, ...]) -> str | None:
    return next((found[:200] for path in paths if (found := _text(root, path))), None)


def _is_hubspot(root: Root) -> bool:
    context = root.get("context")
    return "legalConsentOptions" in root or (isinstance(context, dict) and "pageUri" in context)


def _is_elementor_advanced(root: Root) -> bool:
    return isinstance(root.get("form"), dict) and isinstance(root.get("fields"), dict)


def _paths(*dotted: str) -> tuple[Path, ...]:
    return tuple(tuple(path.split(".")) for path in dotted)


_PLAIN = Provider()
_TEST_KEYS = frozenset(["is_test", "isTest", "testLead"])
# Only ids a machine gave; the hidden `id` of a plain form is the same for every visitor.
_ANY_ID = _paths(
    "submission_id", "submissionId", "submissionID", "response_id", "responseId", "leadgen_id",
    "data.submission_id", "data.submissionId", "data.responseId", "payload.submissionId",
)  # fmt: skip
_ID_KEYS = frozenset(path[0] for path in _ANY_ID)

_SIGNS = (
    _Sign("typeform", "form_response", _paths("form_response.token", "event_id")),
    _Sign(
        "tally", "eventType", _paths("data.responseId", "data.submissionId", "eventId"), _says("eventType", "FORM_R")
    ),
    _Sign("google_ads", "user_column_data", _paths("lead_id")),
    _Sign("meta", "field_data", _paths("id", "leadgen_id", "leadgenId")),
    _Sign("jotform", "rawRequest", _paths("submissionID", "submissionId")),
    _Sign("jotform", "formID", _paths("submissionID"), _with("submissionID")),
    _Sign("webflow", "triggerType", _paths("payload.id", "_id"), _says("triggerType", "form_submission")),
    _Sign("hubspot", "fields", (), _is_hubspot),
    _Sign("elementor", "form", (), _is_elementor_advanced),
    _Sign("elementor", "Powered by", (), _says("Powered by", "Elementor")),
    _Sign("elementor", "form_fields", (), _says("action", "elementor")),
    _Sign("wpforms", "wpforms"),
    _Sign("contactform7", "_wpcf7"),
    _Sign("fluentforms", "__submission", _paths("__submission.id")),
    _Sign("fluentforms", "action", (), _says("action", "fluentform")),
    _Sign("gravityforms", "date_created", _paths("id"), _with("form_id", "source_url")),
    _Sign("gravityforms", "gform_submit"),
    _Sign("netlify", "ordered_human_fields", _paths("id")),
    _Sign("netlify", "form-name"),
    _Sign("mautic", "mauticform"),
    _Sign("salesforce", "oid", (), _with("retURL")),
    _Sign("salesforce", "orgid", (), _with("retURL")),
    _Sign("zoho", "xnQsjsdp"),
    _Sign("calendly", "event", _paths("payload.uri"), _says("event", "invitee.")),
    _Sign("formbricks", "event", _paths("data.id"), _says("event", "response")),
    _Sign("google_forms", "namedValues", _paths("responseId")),
    _Sign("linkedin", "leadGenFormResponse", _paths("leadGenFormResponse")),
    _Sign("linkedin", "formResponse", _paths("id")),
    _Sign("wufoo", "HandshakeKey", _paths("EntryId")),
    _Sign("wufoo", "FieldStructure", _paths("EntryId")),
    _Sign("opnform", "form_slug", _paths("submission_id"), _with("data")),
    _Sign("opnform", "form_title", _paths("submission_id"), _with("submission")),
    _Sign("heyform", "formId", _paths("id", "submissionId"), _with("answers")),
    _Sign("unbounce", "data.json"),
    _Sign("formspree", "_replyto"),
    _Sign("web3forms", "access_key"),
    _Sign("shopify", "form_type", (), _says("form_type", "contact")),
)
_SIGN_KEYS = frozenset(sign.key for sign in _SIGNS)
