"""`site2crm caddyfile`: HTTPS in front, by the Caddy web server, which gets and renews certificates by itself."""

from collections.abc import Sequence
from pathlib import Path

import click

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core.config import Settings
from site2crm.core.config_types import ip_address

CADDYFILE = """\
# For Caddy 2.7 or newer (https://caddyserver.com). Written by: site2crm caddyfile

{site} {{
	# Pages and data are compressed; the stream of live pages must not be held back.
	encode zstd gzip {{
		match {{
			header Content-Type text/html*
			header Content-Type application/json*
			header Content-Type text/csv*
		}}
	}}

	# The first that is ready is used. Of two on one data folder (serve --standby) one is, and the other becomes it as
	# soon as that one is told to stop. While none is, as during a restart, visitors wait instead of seeing an error:
	# only what could not be handed over is tried again, so no form is sent twice.
	reverse_proxy {upstreams} {{
		lb_policy first
		lb_try_duration 30s
		lb_try_interval 200ms
		health_uri /readyz
		health_headers {{
			Host 127.0.0.1
		}}
		health_interval 1s
		health_timeout 2s
	}}
}}
"""


@click.command("caddyfile")
@options.common
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    help="Where the server listens, if Caddy reaches it under another address. Twice: blue and green.",
)
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, upstreams: tuple[str, ...]) -> None:
    """Print a Caddyfile for [server] public_url."""
    settings = options.settings(config_path, data_dir)
    site = settings.server.public_url
    if not site:
        options.stop(Exit.CONFIG, "set [server] public_url (or SITE2CRM__SERVER__PUBLIC_URL) to the address for Caddy.")
    listen = settings.server.listen
    if not upstreams:
        here = listen.reached_at
        upstreams = (f"[{here}]:{listen.port}" if ":" in here else f"{here}:{listen.port}",)
    _warn(settings, upstreams)
    text = render(site, upstreams)
    options.answer(as_json, {"caddyfile": text}, text.rstrip("\n"))


def render(site: str, upstreams: Sequence[str]) -> str:
    """The whole file, for one site."""
    return CADDYFILE.format(site=site, upstreams=" ".join(upstreams))


def _warn(settings: Settings, upstreams: Sequence[str]) -> None:
    """On this machine, Caddy comes from the loopback address: unless that is trusted, every visitor seems to be it."""
    here = ip_address(settings.server.listen.reached_at)
    known = here is None or any(here in network for network in settings.server.trusted_proxies)
    if not known and here is not None and here.is_loopback:
        cure = f'[server] trusted_proxies = ["{here}"]'
        click.echo(f"site2crm: add {cure}, or all visitors count as one address: Caddy's.", err=True)
