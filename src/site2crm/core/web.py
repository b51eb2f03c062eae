"""Answers for browsers: pages in the shell, fragments for htmx, redirects with a message; and every error.

A page is rendered inside the request's transaction and carries its own nonce. Errors have one renderer:
problem+json (RFC 9457) under `/api`, a fragment for htmx, a page for everybody else.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.exceptions import ValidationException as LitestarInvalid
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db, errors, feature, formats, log, redirects, templates
from site2crm.core.access import OrgRef, Who, who_asks
from site2crm.core.errors import AppError, FieldError
from site2crm.core.templates import Banner, Flash, NavItem, NavSection, Org, Person, Shell

AnyRequest = Request[Any, Any, Any]
Html = Response[str]

LOGGED_OUT = {
    "title": "You are logged out",
    "detail": "Nothing was changed.",
    "remedy": "Log in in another tab, then load this page again: what you entered is sent once more.",
}
NAV_ORDER = ("", "Connect", "Settings")
FLASH_COOKIE = "s2c_flash"
PROBLEM_JSON = "application/problem+json"
FOR_PROGRAMS = ("/api/", "/hooks/")
"""Below these nobody but a program asks, whatever it says that it accepts."""
_REQUEST = "request"

_HOME = "home"
_NAMES_A_FIELD = re.compile(
    r"Object (?:contains unknown field `(?P<unknown>.*)`|missing required field `(?P<missing>.*)`)$", re.DOTALL
)
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.+) \(byte (?P<byte>\d+)\)$")
_LENGTH = re.compile(r"Expected `(?P<of>str|array)` of length (?P<sign>>=|<=) (?P<size>\d+)$")
_PARTS = {"str": ("character", "characters"), "array": ("entry", "entries")}

_log = log.get("web")


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with our `code`, the refused fields and the request's id."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


async def page(
    request: AnyRequest, session: AsyncSession, template: str, *, title: str, status: int = 200, **context: object
) -> Html:
    """A whole page in the shell that the caller has: their org's navigation and banners, or the public layout."""
    shell = await _shell(request, session, title)
    body = templates.render(template, page=shell, who=who_asks(request), **context)
    response = Response(body, media_type="text/html", status_code=status, headers=_html_headers(shell.nonce))
    if shell.flash:
        response.delete_cookie(FLASH_COOKIE, path="/")
    return response


def in_org_of(request: AnyRequest, who: Who) -> None:
    """For a page whose address names no org: its shell is that of the org `who` is in."""
    request.scope["state"][_HOME] = who


def remember_request(session: AsyncSession, request: AnyRequest) -> None:
    """So that a panel, which gets only a session, can read the address of the page that it stands on."""
    session.info[_REQUEST] = request


def request_of(session: AsyncSession) -> AnyRequest:
    """The request that a handler's session belongs to."""
    return cast("AnyRequest", session.info[_REQUEST])


def fragment(request: AnyRequest, template: str, *, status: int = 200, **context: object) -> Html:
    """A part of a page, for htmx to swap in."""
    who = who_asks(request)
    nonce = secrets.token_urlsafe(16)
    zone = who.org.time_zone if who and who.org else "UTC"
    body = templates.render(template, nonce=nonce, zone=zone, who=who, status=status, **context)
    return Response(body, media_type="text/html", status_code=status, headers=_html_headers(nonce))


def redirect(url: str, *, flash: str = "", tone: str = "good") -> Html:
    """303 to another page of ours; `flash` is shown there once."""
    headers = {"Location": url, "Cache-Control": "no-store"}
    response = Response("", media_type="text/plain", status_code=303, headers=headers)
    if flash:
        value = base64.urlsafe_b64encode(msgspec.json.encode({"text": flash, "tone": tone})).decode()
        response.set_cookie(Cookie(key=FLASH_COOKIE, value=value, path="/", httponly=True, samesite="lax", max_age=60))
    return response


def query(request: AnyRequest) -> dict[str, str]:
    """The first of each parameter, without zero bytes, which no database takes."""
    return {name: request.query_params.getall(name)[0].replace("\x00", "") for name in request.query_params}


def wants_fragment(request: AnyRequest) -> bool:
    """htmx asks for a part; a boosted navigation or a browser asks for the page."""
    return request.headers.get("HX-Request-Type") == "partial"


def is_part_of_a_page(request: AnyRequest) -> bool:
    """A script of an open page asks: what it is sent to by a redirect would be taken for the answer."""
    return request.headers.get("HX-Request") == "true"


def login_url(request: AnyRequest) -> str:
    """Where to sign in, and come back from there."""
    query = f"?{request.url.query}" if request.url.query else ""
    return _login(request.url.path + query)


def _login(back_to: str) -> str:
    return "/login?" + urlencode({"next": back_to})


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """The one renderer. An error nobody expected is logged once, with the request's id, and told without detail."""
    problem = _as_app_error(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(problem, errors.Unavailable):
        # The route's pattern, not the path: a path can hold a hook's secret or a reset token
        _log.exception("request.failed", path=request.scope.get("path_template") or "unknown", method=request.method)
    body = as_problem(problem, request.scope["state"].get("request_id", ""))
    if request.url.path.startswith(FOR_PROGRAMS) or problem.is_for_programs:
        return _problem_json(body, problem)
    is_page = request.method in {"GET", "HEAD"} and not is_part_of_a_page(request)
    if isinstance(problem, errors.Unauthorized) and is_page:
        return redirect(login_url(request))
    if wants_fragment(request):
        response: Response[Any] = fragment(request, "errors/fragment.html", **_told(body), status=problem.status)
    elif "text/html" in request.headers.get("Accept", "*/*") or "*/*" in request.headers.get("Accept", "*/*"):
        response = _error_page(request, body)
    else:
        return _problem_json(body, problem)
    response.headers.update(problem.headers)
    return response


def as_problem(error: AppError, request_id: str) -> ProblemDetails:
    return ProblemDetails(
        type=f"/help/problems#{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail or error.title,
        code=error.code,
        request_id=request_id,
        errors=error.errors,
    )


def _problem_json(body: ProblemDetails, error: AppError) -> Response[Any]:
    return Response(
        msgspec.json.encode(body), media_type=PROBLEM_JSON, status_code=body.status, headers=dict(error.headers)
    )


def problem_page(error: AppError, request_id: str) -> tuple[str, dict[str, str]]:
    """The page of an error and its headers, for who answers outside the router and knows nobody."""
    told = as_problem(error, request_id)
    shell = Shell(title=told.title, nonce=secrets.token_urlsafe(16))
    body = templates.render(
        "errors/page.html", page=shell, action_url="/", **_told(told), status=told.status, action_label=""
    )
    return body, {"Content-Type": "text/html; charset=utf-8", **_html_headers(shell.nonce)}


def _error_page(request: AnyRequest, problem: ProblemDetails) -> Html:
    who, told = who_asks(request), _told(problem)
    if problem.status == HTTPStatus.UNAUTHORIZED and problem.detail == problem.title:
        told |= LOGGED_OUT
    shell = Shell(title=told["title"], nonce=secrets.token_urlsafe(16), theme=_theme(request, who))
    label, url = _way_on(request, who, status=problem.status)
    body = templates.render(
        "errors/page.html", page=shell, action_url=url, **told, status=problem.status, action_label=label
    )
    return Response(body, media_type="text/html", status_code=problem.status, headers=_html_headers(shell.nonce))


def _way_on(request: AnyRequest, who: Who | None, *, status: int) -> tuple[str, str]:
    """(label, address) of the button on the page of an error: where the person was, if that is known."""
    here, came_from = request.url.path, redirects.back(request, "")
    if status == HTTPStatus.UNAUTHORIZED:
        return "Log in", _login(came_from or redirects.HOME)
    if came_from and came_from.partition("?")[0] != here:
        return "Go back", came_from
    if status == HTTPStatus.METHOD_NOT_ALLOWED and here.rpartition("/")[0]:  # of a form, opened as if it were a page
        return "Go to its page", here.rpartition("/")[0]
    return ("Back to work", f"/o/{who.org.slug}/") if who and who.org else ("", "/")


def _told(problem: ProblemDetails) -> dict[str, str]:
    """A field is named where its form is not: the page of an error has only words."""
    said = [f"{error.field}: {error.message}" for error in problem.errors if error.message == problem.detail]
    remedy = " ".join(f"{error.field}: {error.message}" for error in problem.errors if error.message != problem.detail)
    detail = " ".join(said) or problem.detail
    return {"title": problem.title, "detail": detail, "remedy": remedy, "request_id": problem.request_id}


def _as_app_error(error: Exception) -> AppError:
    if isinstance(error, AppError):
        return error
    if isinstance(error, ExceptionGroup):  # the framework's, when a dependency fails while it is being closed
        return _as_app_error(error.exceptions[0])
    if isinstance(error, DBAPIError) and db.is_passing(error):
        return db.refusal(error)
    if isinstance(error, LitestarInvalid):
        return _invalid(error)
    if isinstance(error, RecursionError):
        return errors.BadRequest("The JSON is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return errors.BadRequest("The body is not UTF-8.")
    if isinstance(error, HTTPException):
        return _http(error)
    return AppError("The error is in our log under the request id below; nothing was changed.")


def _invalid(error: LitestarInvalid) -> AppError:
    extra = error.extra if isinstance(error.extra, list) else []
    fields = [_refused(item) for item in extra if isinstance(item, dict)]
    return errors.Invalid(fields[0].message if fields else error.detail, errors=fields)


def _refused(item: dict[str, Any]) -> FieldError:
    name, message = str(item.get("key", "")), str(item.get("message", ""))
    if message == f"'{name}'":  # the framework found no body: a key that is missing, as Python says it
        return FieldError(name, "Send a JSON body.")
    if found := _NAMES_A_FIELD.match(message):  # msgspec speaks of the object, a person looks for the field
        inside = f"{name}." if name not in {"", "data"} else ""
        if found["missing"] is None:  # the name may be anything, empty too
            return FieldError(inside + found["unknown"], "There is no such field; check the spelling.")
        return FieldError(inside + found["missing"], "This field is needed.")
    if found := _LENGTH.match(message):
        end = "At least" if found["sign"] == ">=" else "At most"
        return FieldError(name, f"{end} {formats.plural(int(found['size']), *_PARTS[found['of']])}.")
    return FieldError(name, message)


def _broken_json(detail: str) -> str:
    """What the decoder says, with the cure; anything else as it is."""
    if detail == "Input data was truncated":
        return "The JSON ends too early: a quote or a bracket is not closed, or the body was cut off. Send it whole."
    if found := _MALFORMED.match(detail):
        return f"The body is not valid JSON: {found['what']} at byte {found['byte']}. Check quotes and commas there."
    return detail


def _http(error: HTTPException) -> AppError:
    known = {kind.status: kind for kind in _BY_STATUS}
    kind = known.get(error.status_code, errors.BadRequest if error.status_code < 500 else AppError)
    made = kind() if error.status_code in {404, 405} else kind(_broken_json(error.detail))
    made.status = error.status_code
    made.headers = dict(error.headers or {})
    return made


_BY_STATUS: Sequence[type[AppError]] = (
    errors.BadRequest,
    errors.Unauthorized,
    errors.Forbidden,
    errors.NotFound,
    errors.MethodNotAllowed,
    errors.Conflict,
    errors.TooLarge,
    errors.UnsupportedMedia,
    errors.Invalid,
    errors.RateLimited,
    errors.Unavailable,
)


async def _shell(request: AnyRequest, session: AsyncSession, title: str) -> Shell:
    who = request.scope["state"].get(_HOME) or who_asks(request)
    shell = Shell(title=title, nonce=secrets.token_urlsafe(16), theme=_theme(request, who), flash=_flash(request))
    if who is None or who.user_id is None:
        return shell
    shell.user = Person(name=who.name, email=who.email)
    shell.orgs = [Org(id=org.id, slug=org.slug, name=org.name, time_zone=org.time_zone) for org in who.orgs]
    if who.org is not None:
        org = who.org
        shell.org = Org(id=org.id, slug=org.slug, name=org.name, time_zone=org.time_zone)
        shell.nav = _nav(who, request.url.path)
        shell.actions = _actions(who)
        shell.search_url = f"/o/{org.slug}/leads"
        shell.new_org_url = "/orgs/new" if who.makes_orgs else ""
        shell.banners = await _banners(request, session, org, orgs=len(who.orgs))
    if who.is_super:
        shell.nav = [*shell.nav, NavSection(label="Instance", items=_admin_nav(request.url.path))]
    return shell


async def _banners(request: AnyRequest, session: AsyncSession, org: OrgRef, *, orgs: int) -> list[Banner]:
    """Those that this page does not say itself; where its address names no org, each says of which of several it is."""
    told = [each for each in await feature.banners(session, org) if request.url.path not in each.told_at]
    if _HOME not in request.scope["state"] or orgs == 1:
        return told
    return [each if each.of_instance else replace(each, text=f"{org.name}: {each.text}") for each in told]


def _admin_nav(path: str) -> list[NavItem]:
    items = sorted((item for part in feature.installed() for item in part.admin), key=lambda item: item.order)
    urls = [f"/admin/{item.path}" for item in items]
    return [
        NavItem(label=item.label, url=url, icon=item.icon, current=path == url or path.startswith(url + "/"))
        for item, url in zip(items, urls, strict=True)
    ]


def _nav(who: Who, path: str) -> list[NavSection]:
    assert who.org is not None
    base = f"/o/{who.org.slug}/"
    sections: dict[str, list[NavItem]] = {}
    items = [item for part in feature.installed() for item in part.nav if who.can(item.permission)]
    for item in sorted(items, key=lambda item: item.order):
        url = base + item.path
        current = path.rstrip("/") == url.rstrip("/") or (item.path != "" and path.startswith(url + "/"))
        sections.setdefault(item.section, []).append(
            NavItem(label=item.label, url=url, icon=item.icon, current=current)
        )
    order = sorted(sections, key=NAV_ORDER.index)
    return [NavSection(label=label, items=sections[label]) for label in order]


def _actions(who: Who) -> list[NavItem]:
    assert who.org is not None
    base = f"/o/{who.org.slug}/"
    found = [item for part in feature.installed() for item in part.creates if who.can(item.permission)]
    return [NavItem(label=item.label, url=base + item.path, icon=item.icon) for item in found]


def _theme(request: AnyRequest, who: Who | None) -> Any:
    if who is not None and who.user_id:
        return who.theme
    chosen = request.cookies.get("theme", "system")
    return chosen if chosen in {"light", "dark"} else "system"


def _flash(request: AnyRequest) -> list[Flash]:
    value = request.cookies.get(FLASH_COOKIE)
    if not value:
        return []
    try:
        return [msgspec.json.decode(base64.urlsafe_b64decode(value), type=Flash)]
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        return []


def _html_headers(nonce: str) -> dict[str, str]:
    return {"Content-Security-Policy": content_policy(nonce), "Cache-Control": "no-store"}


def content_policy(nonce: str) -> str:
    """The dashboard's policy: nothing inline, nothing from elsewhere, no frame around it, Trusted Types on."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "frame-src 'self'; manifest-src 'self'; require-trusted-types-for 'script'; trusted-types htmx"
    )
