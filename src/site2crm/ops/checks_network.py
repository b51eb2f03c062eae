"""Checks of what is around: the running server, the public address, names and ways out."""

import asyncio
from urllib.parse import urlsplit

from site2crm.core import config_values, folder
from site2crm.core.config import KeyUnusable, Settings
from site2crm.core.config_types import Listen, is_loopback
from site2crm.core.http import Outbound, OutboundError, Response
from site2crm.ops.figures_told import Figures, parse
from site2crm.ops.findings import Finding, failed, ok, warning
from site2crm.ops.proof import Challenge

WAIT_S = 8.0
ABROAD = "api.hubapi.com"
"""A name and a way out that a CRM needs."""
NOT_SERVED = b"This host is not served here"


async def server(settings: Settings) -> tuple[list[Finding], Figures]:
    """Whether it runs, and what it tells of itself; whether another one stands by."""
    home = settings.data.dir
    serves, waits = folder.holder(home, folder.LOCK), folder.holder(home, folder.STANDBY)
    running, figures = await _running(settings, serves)
    if waits is None:
        return [running], figures
    says = f"process {waits.pid} at {waits.listen} waits for the lock, to follow the server when it stops"
    return [running, ok("standby", says)], figures


async def _running(settings: Settings, serves: folder.Holder | None) -> tuple[Finding, Figures]:
    listen = _address(settings, serves)
    base = f"http://{f'[{listen.reached_at}]' if ':' in listen.host else listen.reached_at}:{listen.port}"
    pid = serves.pid if serves else None
    async with _asking(listen.reached_at) as out:
        try:
            ready = await out.request("GET", f"{base}/readyz", headers=_here(listen.port))
            told = await out.request("GET", f"{base}/metrics", headers=_here(listen.port) | _bearer(settings))
        except OutboundError as error:
            return _silent(pid, f"{listen}", error), {}
    if ready.status != 200:
        return warning("server", f"{listen} answers {ready.status}: it starts or stops", "wait a moment, ask again"), {}
    if ready.content.startswith(b"capturing"):
        cure = "if it lasts, its log says why: start the version before with --standby, then stop this one"
        return warning("server", f"process {pid} at {listen} answers forms and links only", cure), {}
    if pid is None and settings.data.dir.is_dir():
        cure = "check --config and --data-dir, or whether something else listens there"
        return warning("server", f"something answers at {listen}, but nobody holds {settings.data.dir}", cure), {}
    figures = parse(told.content.decode("utf-8", "replace")) if told.status == 200 else {}
    return ok("server", f"runs as process {pid}, ready at {listen}"), figures


def _address(settings: Settings, serves: folder.Holder | None) -> Listen:
    """Where who serves the folder says that it listens: units of systemd may say so, over the file."""
    try:
        return config_values.listen(serves.listen) if serves else settings.server.listen
    except ValueError:  # an older version does not say
        return settings.server.listen


async def public_url(settings: Settings, *, runs: bool) -> list[Finding]:
    url = settings.server.public_url
    host = urlsplit(url).hostname or ""
    if not url:
        return [ok("public address", "not set: only this machine is served ([server] public_url)")]
    if not await _resolves(host):
        cure = f"make an A or AAAA record of {host} that points to this machine"
        return [failed("public address", f"the name {host} is unknown", cure)]
    if not runs:
        return [ok("public address", f"{host} is known; what answers there is asked while the server runs")]
    try:
        challenge = Challenge(settings)
    except KeyUnusable as error:
        return [failed("public address", str(error), "run this as the user that runs the server")]
    async with _asking(host) as out:
        try:
            alive = await out.request("GET", f"{url}/livez?challenge={challenge.text}")
            figures = await out.request("GET", f"{url}/metrics")
        except OutboundError as error:
            cure = "see that the proxy runs and that ports 80 and 443 are open; some networks cannot reach themselves"
            return [failed("public address", f"{url} does not answer: {error}", cure)]
    return [_answered(url, alive, challenge), *_open_figures(url, figures), *_behind_a_proxy(settings)]


def _answered(url: str, answer: Response, challenge: Challenge) -> Finding:
    if answer.status == 200 and challenge.is_met_by(answer.content):
        return ok("public address", f"{url} is answered here")
    if answer.status == 200 and answer.content.startswith(b"ok"):
        cure = "let the name and the proxy lead to this one; nodes of one installation need the same [secrets] key"
        return failed("public address", f"another Site2CRM, with another key, answers at {url}", cure)
    if NOT_SERVED in answer.content:
        cure = "let the proxy pass the Host on (nginx: proxy_set_header Host $host;)"
        return failed("public address", f"{url} reaches us under another name", cure)
    if answer.status in {502, 503, 504}:
        cure = "let the proxy send to the address of [server] listen"
        return failed("public address", f"the proxy at {url} does not reach the server ({answer.status})", cure)
    if 300 <= answer.status < 400:
        cure = f"write the final address as [server] public_url: {answer.headers.get('location', '')}"
        return failed("public address", f"{url} redirects elsewhere", cure)
    return failed(
        "public address", f"something else answers at {url} ({answer.status})", "check the name and the proxy"
    )


def _open_figures(url: str, answer: Response) -> list[Finding]:
    local = is_loopback(urlsplit(url).hostname or "")
    if local or answer.status != 200 or b"site2crm_" not in answer.content:
        return []
    cure = "set [server] metrics_token, or let the proxy pass Host and X-Forwarded-For on"
    return [failed("metrics", f"everybody can read {url}/metrics", cure)]


def _behind_a_proxy(settings: Settings) -> list[Finding]:
    if settings.server.trusted_proxies or not settings.server.public_url.startswith("https://"):
        return []
    says = "a proxy must be in front, and [server] trusted_proxies is empty: all visitors share one address"
    return [warning("proxy", says, 'add under [server]: trusted_proxies = ["127.0.0.1", "::1"] (or the proxy\'s own)')]


async def way_out() -> Finding:
    if not await _resolves(ABROAD):
        return warning(
            "way out", f"the name {ABROAD} is unknown here", "set a name server in /etc/resolv.conf: CRMs need it"
        )
    try:
        async with asyncio.timeout(WAIT_S):
            _, writer = await asyncio.open_connection(ABROAD, 443)
    except OSError as error:  # a timeout is one
        cure = "let outgoing connections to port 443 pass: CRMs need it"
        return warning("way out", f"{ABROAD}:443 cannot be reached ({type(error).__name__})", cure)
    writer.close()
    return ok("way out", f"names are resolved, {ABROAD} can be reached")


async def _resolves(host: str) -> bool:
    try:
        async with asyncio.timeout(WAIT_S):
            return bool(await asyncio.get_running_loop().getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


class _asking:  # noqa: N801 - a context, used as one
    """A client that may reach this machine and no other private place."""

    def __init__(self, host: str) -> None:
        self._out = Outbound(WAIT_S, allow_private=["127.0.0.0/8", "::1/128", host])

    async def __aenter__(self) -> Outbound:
        return self._out

    async def __aexit__(self, *_: object) -> None:
        await self._out.aclose()


def _here(port: int) -> dict[str, str]:
    return {"Host": f"127.0.0.1:{port}"}


def _bearer(settings: Settings) -> dict[str, str]:
    token = settings.server.metrics_token.reveal()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _silent(pid: int | None, where: str, error: OutboundError) -> Finding:
    if pid is None:
        return ok("server", "is stopped")
    cure = "if this lasts longer than a start, look into its log and restart it"
    return failed("server", f"process {pid} holds the data folder and does not answer at {where}: {error}", cure)
