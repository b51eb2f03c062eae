"""The settings of what is kept, and where: records, events, keys, backups. The others: `config_schema.py`."""

from pathlib import Path
from typing import Annotated

from site2crm.core import config_values as read
from site2crm.core.config_section import Section, Setting
from site2crm.core.config_types import Secret


class Data(Section, frozen=True):
    dir: Annotated[
        Path,
        Setting(
            "data",
            read.folder,
            "Everything that is kept lives in this folder. A relative one starts at the folder of this file.",
        ),
    ]
    min_free: Annotated[
        int,
        Setting("200MiB", read.size("1MiB", "1024GiB"), "Below this much free disk the owner is warned."),
    ]


class Database(Section, frozen=True):
    url: Annotated[
        Secret,
        Setting(
            "sqlite",
            read.database_url,
            'The records. "sqlite" is one file in the data folder, "postgresql://user:password@host:5432/database" a '
            "server that several nodes may share (PostgreSQL 14 or newer; `site2crm move` copies an instance to it).",
            secret=True,
        ),
    ]
    readers: Annotated[
        int,
        Setting(4, read.whole(1, 64), "Connections for reading at the same time; there is one for writing."),
    ]


class Events(Section, frozen=True):
    url: Annotated[
        Secret,
        Setting(
            "duckdb",
            read.events_url,
            'Where clicks are counted. "duckdb" is one file in the data folder, '
            '"http://user:password@host:8123/database" a ClickHouse that several nodes may share (https for TLS). What '
            "was counted before stays where it is.",
            secret=True,
        ),
    ]
    memory: Annotated[
        int,
        Setting(
            "128MiB",
            read.size("64MiB", "64GiB"),
            "Memory for counting clicks in the file data/events.duckdb. More keeps more of it off the disk.",
        ),
    ]


class Secrets(Section, frozen=True):
    key: Annotated[
        Secret | Path,
        Setting(
            {"file": "secret.key"},
            read.key_or_file,
            "The key that encrypts what is stored: 32 bytes in base64. A relative file is in the data folder "
            "and made at the first start. Without it, stored tokens cannot be read: back it up.",
            secret=True,
        ),
    ]
    previous_keys: Annotated[
        tuple[Secret, ...],
        Setting(
            [],
            read.many(read.secret_key),
            "Keys used before, each written like the key above: what they sealed stays readable.",
            secret=True,
        ),
    ]


class Backup(Section, frozen=True):
    every: Annotated[
        float,
        Setting(
            "24h",
            read.duration_or_never("1h", "30d"),
            'How often a backup is made by itself, counted from 03:15 UTC; "0s" never does.',
        ),
    ]
    keep_days: Annotated[
        int,
        Setting(7, read.whole(1, 3650), "Of each of so many days the newest backup is kept."),
    ]
    keep_weeks: Annotated[
        int,
        Setting(4, read.whole(0, 520), "Of each of so many weeks the newest backup is kept, too."),
    ]
    folder: Annotated[
        Path,
        Setting("backups", read.folder, "Where backups are kept. A relative path starts at the data folder."),
    ]
    key: Annotated[
        Secret,
        Setting(
            "",
            read.secret_key_or_none,
            "Encrypts backups: 32 bytes in base64 (openssl rand -base64 32). Keep it somewhere else too: without it "
            "they cannot be read. Then the key of [secrets] is in them; without encryption it is not.",
            secret=True,
        ),
    ]
    s3: Annotated[
        str,
        Setting(
            "",
            read.web_address,
            "An S3-compatible store that gets a copy of each backup, such as https://host/bucket/prefix. "
            "It needs the key above.",
        ),
    ]
    s3_region: Annotated[str, Setting("us-east-1", read.text, "The store's region, as its provider names it.")]
    s3_key_id: Annotated[str, Setting("", read.text, "The access key's id.")]
    s3_secret: Annotated[Secret, Setting("", read.secret_text, "The access key's secret.", secret=True)]


class Limits(Section, frozen=True):
    url: Annotated[
        Secret,
        Setting(
            "",
            read.redis_url,
            "A Redis that several nodes share their rate limits by, such as redis://:password@host:6379/0. Empty, or "
            "while it does not answer: each node counts for itself.",
            secret=True,
        ),
    ]
