"""Settings that are right alone and wrong together. A setting that could not be read is absent."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from site2crm.core.addresses import parse_rules
from site2crm.core.config_types import Listen, Secret, ip_address, is_loopback

Values = Mapping[str, object]


def conflicts(values: Values) -> Iterator[tuple[str, str]]:
    """The key to change, and how."""
    yield from _plain_http(values)
    idle, longest = values.get("auth.session_idle"), values.get("auth.session_max")
    if isinstance(idle, float) and isinstance(longest, float) and longest < idle:
        yield "auth.session_max", "shorter than session_idle; write at least as long a duration"
    if values.get("queue.retry") == ():
        yield "queue.retry", 'write at least one wait, such as ["0s"]'
    url = values.get("mail.url")
    if isinstance(url, Secret) and url.reveal() != "stdout" and not values.get("mail.from", "?"):
        yield "mail.from", 'SMTP needs a sender; write one, such as "Acme <hello@acme.example>"'
    yield from _backups(values)
    yield from _apps(values)
    for key, value in values.items():
        if key.endswith(".base_url") and isinstance(value, str) and not _is_guarded(value, values):
            cure = f'write https, or add its host: [outbound] allow_private = ["{urlsplit(value).hostname}"]'
            yield key, f"plain http would show the CRM's token to the network; {cure}"


def _apps(values: Values) -> Iterator[tuple[str, str]]:
    for key, id in values.items():
        kind, _, name = key.rpartition(".")
        if name == "client_id" and bool(id) != bool(values.get(f"{kind}.client_secret", id)):
            missing, other = ("client_secret", "client_id") if id else ("client_id", "client_secret")
            yield f"{kind}.{missing}", f"it belongs to {other}; write both, or none"


def _backups(values: Values) -> Iterator[tuple[str, str]]:
    url = values.get("backup.s3")
    if not isinstance(url, str) or not url:
        return
    if not urlsplit(url).path.strip("/"):
        yield "backup.s3", "the bucket is missing; write it behind the host, such as https://host/bucket"
    if not values.get("backup.key", True):
        yield "backup.key", "backups leave this machine: write a key; make one with: openssl rand -base64 32"
    for name in ("s3_key_id", "s3_secret"):
        if not values.get(f"backup.{name}", True):
            yield f"backup.{name}", "the store needs it; write what its provider gave you"
    if not _is_guarded(url, values):
        cure = f'write https, or add its host: [outbound] allow_private = ["{urlsplit(url).hostname}"]'
        yield "backup.s3", f"plain http would show to the network what is sent; {cure}"


def _plain_http(values: Values) -> Iterator[tuple[str, str]]:
    listen, public_url = values.get("server.listen"), values.get("server.public_url")
    if values.get("server.insecure", True):
        return
    cure = "or add this line under [server]: insecure = true"
    is_plain = isinstance(public_url, str) and public_url.startswith("http:")
    if is_plain and not is_loopback(urlsplit(str(public_url)).hostname or ""):
        yield "server.public_url", f"plain http beyond this machine; write the https address, {cure}"
    if isinstance(listen, Listen) and not listen.is_loopback and (is_plain or public_url == ""):
        yield "server.listen", f"{listen} is open to other machines without https; set an https public_url, {cure}"


def _is_guarded(url: str, values: Values) -> bool:
    parts, allowed = urlsplit(url), values.get("outbound.allow_private")
    host = parts.hostname or ""
    if parts.scheme != "http" or is_loopback(host) or not isinstance(allowed, tuple):
        return True
    return any(rule.permits(host, parts.port or 80, ip_address(host)) for rule in parse_rules(allowed))
