"""`GET /f/{form}` and what hangs below it: the hosted page, the frame, the thank-you page, the embed script.

These are for other people's websites: no cookie, no htmx, a policy of their own that names who may frame and whom the
form may post to.
"""

import hashlib
import secrets
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

from site2crm.core import assets, errors, front, security, templates
from site2crm.core.asgi import Scope, Send
from site2crm.core.machine import Machine
from site2crm.core.templates import Shell
from site2crm.forms import clicks
from site2crm.forms.fields import FieldType
from site2crm.forms.refusal import refuse
from site2crm.forms.registry import FormSpec
from site2crm.kit import clock, ids, urls
from site2crm.links import token

EMBED_FILE = "embed/form.js"
EMBED_CACHE = b"public, max-age=300"
PASSED = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid",
    "msclkid", "ttclid", "li_fat_id",
)  # fmt: skip
"""What the page's address says of where the visitor came from is posted with the form, as the script does."""
PASSED_CHARS = 500


async def hosted_answer(machine: Machine, form: FormSpec, scope: Scope, send: Send, *, part: str) -> None:
    """One of the form's own pages. A wrong method or an unknown part is told as a problem."""
    if scope["method"] not in {"GET", "HEAD"}:
        return await refuse(scope, send, errors.MethodNotAllowed("Post to the form's address itself."))
    if part == "embed.js":
        return await _embed(machine, form, scope, send)
    if part == "thanks":
        return await _page(form, scope, send, "forms/thanks.html", framed=True)
    if part == "sample":
        return await _page(form, scope, send, "forms/sample.html", framed=False, script=True)
    if part in {"", "frame"}:
        return await _page(form, scope, send, "forms/hosted.html", framed=part == "frame")
    return await refuse(scope, send, errors.NotFound(f"The form's page is at /f/{form.key}."))


async def _page(form: FormSpec, scope: Scope, send: Send, template: str, *, framed: bool, script: bool = False) -> None:
    nonce = secrets.token_urlsafe(16)
    body = templates.render(
        template,
        page=Shell(title=form.name, nonce=nonce),
        form=form,
        types=FieldType,
        action=f"/f/{form.key}",
        submission_key=ids.new("key"),
        opened_at=int(clock.unix()),
        passed=_passed(form, scope["query_string"]),
        framed=framed,
        embed_url=f"/f/{form.key}/embed.js",
    )
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy(form, script=script).encode()),
        (b"cross-origin-opener-policy", b"unsafe-none"),
    ]
    await front.respond(send, 200, headers, body.encode())


def _passed(form: FormSpec, query: bytes) -> list[tuple[str, str]]:
    """Hidden fields, name and text; a field of the form's own goes first."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=100)
    except ValueError:
        return []
    own = {field.name for field in form.fields}
    said = {name: text[:PASSED_CHARS] for name, text in reversed(pairs) if name in PASSED and name not in own}
    if click := clicks.of_pairs(pairs):
        said[token.PARAMETER] = click
    return list(said.items())


def policy(form: FormSpec, *, script: bool = False) -> str:
    """Framed by the form's websites; posts to us and, after the answer, on to where the form sends people."""
    origins = sorted(form.origins)
    ancestors = " ".join(origins) if origins else "*"
    onward = {origin for origin in [urls.origin(form.redirect_url), *origins] if origin}
    targets = " ".join(["'self'", *sorted(onward)])
    scripts = "script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; " if script else ""
    return (
        f"default-src 'none'; {scripts}style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors {ancestors}; form-action {targets}"
    )


async def _embed(machine: Machine, form: FormSpec, scope: Scope, send: Send) -> None:
    body, etag = _embed_script(machine.url(f"/f/{form.key}"), form)
    headers = [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"cache-control", EMBED_CACHE),
        (b"etag", etag),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"access-control-allow-origin", b"*"),
    ]
    unchanged = etag.decode() in security.header(scope, b"if-none-match")
    await front.respond(send, 304 if unchanged else 200, headers, b"" if unchanged else body)


def _embed_script(url: str, form: FormSpec) -> tuple[bytes, bytes]:
    """The script with this form's questions in front of it, and its ETag."""
    config = {
        "url": url,
        "key": form.key,
        "fields": msgspec.to_builtins(form.fields),
        "submit": form.submit_label or "Send",
        "thanks": form.thanks_text or "Thank you. We will be in touch.",
        "redirect": form.redirect_url,
    }
    # JSON is JavaScript, but for a script that closes itself
    literal = msgspec.json.encode(config).replace(b"</", b"<\\/")
    body = b"(() => {\nconst FORM = " + literal + b";\n" + _script() + b"\n})();\n"
    return body, b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'


@lru_cache(maxsize=1)
def _script() -> bytes:
    return assets.current().files[EMBED_FILE].body
