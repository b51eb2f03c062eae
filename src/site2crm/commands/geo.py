"""`site2crm geo`: the database that tells an address's country."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import click

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import folder, geo
from site2crm.core.config import Settings
from site2crm.core.http import Outbound, OutboundError

MAX_BYTES = 200 * 1024 * 1024
TIMEOUT_S = 600.0
MOST_REDIRECTS = 5
ELSEWHERE = "Write another address in [links] country_url, or fetch the file yourself and give it with --file."
REDIRECTS = {301, 302, 303, 307, 308}


@click.group("geo")
def command() -> None:
    """Refresh the country database."""


@command.command("refresh")
@options.common
@click.option("--file", "path", type=click.Path(path_type=Path), help="A database that is here already.")
def refresh(*, config_path: Path | None, data_dir: Path | None, as_json: bool, path: Path | None) -> None:
    """Fetch a newer country database, check it, put it in place. The running server takes it up within a minute."""
    settings = options.settings(config_path, data_dir)
    try:
        content = path.read_bytes() if path else asyncio.run(_fetched(settings))
        folder.prepare(settings.data.dir)
        made = datetime.fromtimestamp(geo.replace(settings.data.dir, content), UTC)
    except geo.Unusable as error:
        options.stop(Exit.VERIFICATION, f"Nothing was changed. {error}")
    except OutboundError as error:
        options.stop(Exit.FAILED, f"Nothing was changed. {error} {ELSEWHERE}")
    except OSError as error:
        options.stop(Exit.FAILED, f"{error.filename}: {error.strerror}")
    target = settings.data.dir / geo.REFRESHED
    answer: dict[str, object] = {"file": str(target), "made": f"{made:%Y-%m-%d}", "bytes": len(content)}
    options.answer(as_json, answer, f"{target} is of {made:%Y-%m-%d}")


async def _fetched(settings: Settings) -> bytes:
    """The file behind the configured address. Each step of a redirect passes the guard anew."""
    url = settings.links.country_url
    if not url:
        raise OutboundError("[links] country_url is empty.")
    outbound = Outbound(
        timeout_s=TIMEOUT_S, max_response_bytes=MAX_BYTES, allow_private=settings.outbound.allow_private
    )
    try:
        for _ in range(MOST_REDIRECTS):
            answer = await outbound.request("GET", url)
            if answer.status not in REDIRECTS:
                break
            url = urljoin(url, answer.headers.get("location", ""))
    finally:
        await outbound.aclose()
    if answer.status != 200:
        raise OutboundError(f"{url} answered {answer.status}.")
    return answer.content
