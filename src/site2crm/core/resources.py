"""Where templates, static files, migrations and shipped data are: in a checkout, a wheel, a frozen binary."""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def templates() -> Path:
    """The folder of the Jinja templates."""
    return _root() / "templates"


def static() -> Path:
    """The folder of stylesheets, scripts and icons."""
    return _root() / "static"


def migrations() -> Path:
    """The folder that Alembic reads."""
    return _root() / "migrations"


def geo() -> Path:
    """The folder of the country database that is shipped."""
    return _root() / "packaging" / "geo"


def _root() -> Path:
    frozen: str | None = getattr(sys, "_MEIPASS", None)  # where PyInstaller unpacked itself
    if frozen:
        return Path(frozen)
    wheel = _PACKAGE / "_data"
    return wheel if wheel.is_dir() else _PACKAGE.parents[1]


def command() -> list[str]:
    """What starts this very program once more, in a process of its own."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "site2crm"]
