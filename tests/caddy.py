"""A real Caddy in front of servers, with the configuration that we ship."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CADDY = shutil.which("caddy", path=str(Path(sys.executable).parent)) or "caddy"
ALONE = "{\n\tadmin off\n\tpersist_config off\n}\n"


@contextlib.contextmanager
def caddy(folder: Path, text: str) -> Iterator[None]:
    """A Caddy of our own, with nothing but this configuration."""
    path = folder / "Caddyfile"
    path.write_text(ALONE + text)
    with (folder / "caddy.log").open("w") as log:
        process = subprocess.Popen(
            [CADDY, "run", "--config", path, "--adapter", "caddyfile"],
            env={"HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)
