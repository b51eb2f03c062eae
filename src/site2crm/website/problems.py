"""Every error that a person or a program can be told about, from the classes themselves, with what to do.

An error without advice of its own takes that of the kind it belongs to: a missing lead is a missing thing.
"""

from collections.abc import Iterator

from msgspec import Struct

from site2crm.core.errors import AppError


class Problem(Struct, frozen=True):
    code: str
    status: int
    titles: tuple[str, ...]
    advice: str


ADVICE = {
    "internal": "The mistake is ours, and nothing was changed. Try once more. If it stays, look for the request id in "
    "the server's log: the line beside it says what happened.",
    "bad_request": "Read the detail: it names what could not be read. Usually the JSON is broken or cut off.",
    "unauthorized": "Sign in. A program sends `Authorization: Bearer s2c_live_…`; check that the whole key was copied "
    "and that it was not revoked under Settings, API keys.",
    "forbidden": "You are known, but your role or the scopes of the key do not include this. The detail names the "
    "right; an owner or admin can give it to you. If it says that the request came from another website, reload the "
    "page; for a form, add the website to its allowed websites.",
    "figures_withheld": "On the machine itself ask the server directly, not by way of the proxy. From elsewhere, set "
    "[server] metrics_token and send it as `Authorization: Bearer …`, in Prometheus `authorization: credentials`.",
    "not_found": "It was deleted, the address has a typing error, or it belongs to another organisation: things of "
    "others look as if they did not exist. If it says that the host is not served, set [server] public_url.",
    "method_not_allowed": "Use the method that the API reference names for this address.",
    "request_timeout": "The connection was too slow or broke off. Send it again; [server] body_timeout sets the limit.",
    "conflict": "Somebody was faster, or the name is taken. Reload, look at what is there, and try again.",
    "gone": "This link worked once or for a while only. Ask for a new one.",
    "too_large": "Send less in one request: [server] max_body sets the limit. A form cannot take files; store them "
    "elsewhere and post their address.",
    "unsupported_media_type": "Send JSON with `Content-Type: application/json`; a form may also send urlencoded, "
    "multipart or plain text.",
    "invalid": "Each entry of `errors` names a field and what to write instead. Change those and send it again; "
    "nothing was saved.",
    "rate_limited": "Wait as long as `Retry-After` says, then go on. Spread many calls over time.",
    "too_many_attempts": "Wait as long as the message says. Waiting does not lock the account, and other people at "
    "other addresses are not affected. If you forgot the password, have a link sent to you.",
    "wrong_credentials": "Check the address and the password, capitals too. A new password: “Forgotten password” on "
    "the log-in page, or `site2crm admin reset-password` on the server.",
    "unavailable": "Wait as long as `Retry-After` says and send it again: nothing was changed. If it concerns a form, "
    "the disk may be full; the server's log says so.",
    "events_unavailable": "Ask again after as many seconds as `Retry-After` says: the store of the clicks is being "
    "opened or repaired. No click is lost meanwhile, and links, forms and leads go on as always. If it stays, a banner "
    "on every page and the server's log say what is in the way, such as a full disk.",
    "database_away": "The PostgreSQL that holds the records does not answer. Look whether it runs and whether "
    "[database] url still names it. Forms and links go on meanwhile, and what forms take is applied later.",
    "database_busy": "Another program holds the database, a backup tool for example. Try again; forms go on taking "
    "submissions meanwhile.",
    "database_disk": "Make space on the server, or have its disk looked at: `site2crm doctor` names the folder and "
    "what is free. What forms took meanwhile is applied by itself as soon as the database can be written again.",
    "sign_in_over": "Begin it again, in the browser in which you are signed in here: an address that leads back from a "
    "CRM works once, for ten minutes, and only there.",
    "no_way_back": "The operator sets [server] public_url to the https address under which browsers reach this server.",
    "slug_taken": "Each address is given out once: choose another one. An archived link keeps its own.",
    "email_taken": "The address belongs to somebody already: log in with it, or edit the one that has it.",
    "already_member": "Nothing to do: they can sign in and choose the organisation in the switcher.",
    "last_owner": "Make somebody else an owner first, then change this one.",
    "role_too_high": "Nobody can give more rights than they have. Ask an owner.",
    "invite_gone": "Ask who invited you for a new link; invitations last 7 days and work once.",
    "invite_for_somebody_else": "Log out and open the link again, or ask for an invitation to your own address.",
    "connection_refused": "The message quotes the CRM. Enter a new token or mend the rights there, then test again.",
    "delivery_state": "It is being sent at this moment, or its connection was removed. Reload the page; for a removed "
    "connection, connect the CRM again and send the lead there.",
    "not_in_quarantine": "It was released before, or was never held back. Reload the list.",
}


class _Refusal(Struct, frozen=True):
    """A body that `POST /f/…` cannot read; the codes are those of `forms.bodies.BodyRefused`."""

    status: int
    title: str
    advice: str


BODIES = {
    "empty-body": _Refusal(400, "The body is empty", "The form sent no field at all. Give its inputs a `name`."),
    "malformed-json": _Refusal(400, "The JSON is broken", "Check quotes and commas, and that it is UTF-8."),
    "bad-multipart": _Refusal(
        400, "The multipart body is broken", "Let the browser or your HTTP library write the boundary by itself."
    ),
    "too-deep": _Refusal(400, "The JSON is nested too deeply", "Send the answers flat or a few levels deep."),
    "too-many-fields": _Refusal(413, "There are too many fields", "Send only what the visitor filled in."),
    "unsupported-encoding": _Refusal(415, "The body is compressed", "Send it without Content-Encoding."),
    "unsupported-type": _Refusal(
        415, "A form is not sent like this", "Use urlencoded, multipart, JSON or plain text; no files, no XML."
    ),
}


def problems() -> list[Problem]:
    """All codes, by the alphabet."""
    titles: dict[str, dict[str, None]] = {}
    kinds: dict[str, type[AppError]] = {}
    for kind in _kinds(AppError):
        if "code" in vars(kind):
            kinds.setdefault(kind.code, kind)
            titles.setdefault(kind.code, {})[kind.title] = None
    found = [Problem(code, kind.status, tuple(titles[code]), _advice(kind)) for code, kind in kinds.items()]
    found += [Problem(code, body.status, (body.title,), body.advice) for code, body in BODIES.items()]
    return sorted(found, key=lambda problem: problem.code)


def _kinds(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith("site2crm."):
            yield from _kinds(below)


def _advice(kind: type[AppError]) -> str:
    codes = (vars(above).get("code", "") for above in kind.__mro__)
    return next(ADVICE[code] for code in codes if code in ADVICE)
