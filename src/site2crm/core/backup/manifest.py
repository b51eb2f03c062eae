"""What a backup says of itself: its first member, so that a look at the first bytes tells what the rest is."""

from datetime import datetime

import msgspec

from site2crm.core.backup.errors import CorruptArchive

FORMAT = 1
MAX_BYTES = 1024 * 1024


class Member(msgspec.Struct, frozen=True):
    """A file in the archive; `bytes` and `sha256` are of its plain content."""

    name: str
    bytes: int
    sha256: str


class Counts(msgspec.Struct, frozen=True):
    """What a verification compares: rows of each table of the records, events, records of the journal."""

    tables: dict[str, int]
    events: int
    journal: dict[str, int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`format` grows when an older version could no longer read it. `secret_key` is the id of the key that sealed
    the stored tokens, as `crypto.Vault.key_id`; `has_secret_key` whether the key itself is in here; `has_events`
    whether the events are, or were on a ClickHouse."""

    format: int
    version: str
    schema: str
    made_at: datetime
    instance: str
    reason: str
    secret_key: str
    has_secret_key: bool
    counts: Counts
    members: list[Member]
    has_events: bool = True

    @property
    def total_bytes(self) -> int:
        return sum(member.bytes for member in self.members)


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Raises CorruptArchive."""
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise CorruptArchive(f"Its table of contents cannot be read ({error}).") from None
    if found.format > FORMAT:
        raise CorruptArchive(f"Its format is {found.format}; this version reads up to {FORMAT}: upgrade Site2CRM.")
    names = [member.name for member in found.members]
    if len(set(names)) < len(names) or any(member.bytes < 0 for member in found.members):
        raise CorruptArchive("Its table of contents contradicts itself.")
    return found
