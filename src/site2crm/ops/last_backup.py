"""When the data was last backed up, as the folder of backups tells by the names in it."""

import re
from datetime import UTC, datetime
from pathlib import Path

_NAME = re.compile(r"site2crm-(\d{8}T\d{6}Z)\b.*")


def last_backup(folder: Path) -> datetime | None:
    """None: never."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = sorted(match[1] for name in names if (match := _NAME.fullmatch(name)) and not name.endswith(".tmp"))
    return datetime.strptime(found[-1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if found else None
