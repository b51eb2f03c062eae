"""Every setting once: name, type, default, reader and explanation. `site2crm.toml` is written from here.

A default is what one would write in the file, so that a default and a written value pass the same reader. The settings
of what is kept stand in `config_storage.py`.
"""

from pathlib import Path
from typing import Annotated

from site2crm.core import config_values as read
from site2crm.core.config_section import Section, Setting
from site2crm.core.config_storage import Backup, Data, Database, Events, Limits, Secrets
from site2crm.core.config_types import IpPrivacy, Listen, LogFormat, LogLevel, Network, Secret

SCHEDULE = ["0s", "5s", "30s", "2m", "10m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"]


class Server(Section, frozen=True):
    listen: Annotated[
        Listen,
        Setting(
            "127.0.0.1:8080",
            read.listen,
            "Address and port of the web server. Beyond this machine it needs an https public_url, or insecure.",
        ),
    ]
    public_url: Annotated[
        str,
        Setting(
            "",
            read.web_root,
            "Where browsers reach it, such as https://leads.acme.example: the base of every link it writes. "
            "Empty: only hosts of this machine are served.",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Setting(
            [],
            read.many(read.network),
            "Networks of the proxies in front. X-Forwarded-For and -Proto are believed from these only.",
        ),
    ]
    insecure: Annotated[
        bool,
        Setting(
            False,
            read.flag,
            "Allow plain HTTP beyond this machine: passwords and leads then travel readable by the network.",
        ),
    ]
    max_body: Annotated[
        int,
        Setting("1MiB", read.size("1KiB", "1GiB"), "Largest request body; a larger one is answered with 413."),
    ]
    header_timeout: Annotated[
        float,
        Setting("10s", read.duration("1s", "5m"), "A client that has not sent its headers by then is cut off."),
    ]
    body_timeout: Annotated[
        float,
        Setting("20s", read.duration("1s", "10m"), "A client that has not sent its body by then is cut off."),
    ]
    max_connections: Annotated[
        int,
        Setting(1024, read.whole(16, 1_000_000), "Connections open at the same time; further ones wait."),
    ]
    shutdown_grace: Annotated[
        float,
        Setting("10s", read.duration("0s", "10m"), "How long running requests and jobs may finish at a stop."),
    ]
    metrics_token: Annotated[
        Secret,
        Setting(
            "",
            read.metrics_token,
            "Who sends it (Authorization: Bearer ...) may read /metrics, and nobody else. Empty: this machine only.",
            secret=True,
        ),
    ]


class Queue(Section, frozen=True):
    workers: Annotated[int, Setting(8, read.whole(1, 256), "Jobs that run at the same time.")]
    retry: Annotated[
        tuple[float, ...],
        Setting(
            SCHEDULE,
            read.many(read.duration("0s", "30d")),
            "How long a failed delivery waits before each attempt; after the last one it is a dead letter.",
        ),
    ]
    jitter: Annotated[
        float,
        Setting(
            0.2,
            read.fraction(0, 0.9),
            "Each wait is longer or shorter by up to this share, so that retries do not arrive together.",
        ),
    ]


class Auth(Section, frozen=True):
    session_idle: Annotated[
        float, Setting("24h", read.duration("5m", "365d"), "A session ends after this long without a request.")
    ]
    session_max: Annotated[
        float, Setting("14d", read.duration("5m", "365d"), "A session ends after this long in any case.")
    ]
    password_min: Annotated[int, Setting(12, read.whole(8, 128), "Shortest password that may be chosen.")]


class Mail(Section, frozen=True):
    url: Annotated[
        Secret,
        Setting(
            "stdout",
            read.mail_url,
            'Where mail goes: "stdout" prints it, else "smtp://user:password@host:587" (TLS when offered) or '
            '"smtps://user:password@host:465".',
            secret=True,
        ),
    ]
    sender: Annotated[
        str,
        Setting("", read.mailbox, 'Sender of all mail, such as "Acme <hello@acme.example>". SMTP needs it.'),
    ]


class Intake(Section, frozen=True):
    per_address_per_minute: Annotated[
        int,
        Setting(
            60,
            read.whole(1, 1_000_000),
            "Submissions from one address in a minute; further ones are kept in quarantine, not refused.",
        ),
    ]
    dedupe_window: Annotated[
        float,
        Setting("10m", read.duration("0s", "30d"), "The same submission again within this time counts once."),
    ]
    min_fill_seconds: Annotated[
        int,
        Setting(2, read.whole(0, 3600), "A form filled faster than this is kept in quarantine; 0 turns it off."),
    ]


class Links(Section, frozen=True):
    country_url: Annotated[
        str,
        Setting(
            "https://github.com/sapics/ip-location-db/releases/download/latest/geo-whois-asn-country.mmdb",
            read.web_address,
            "Where `site2crm geo refresh` gets a newer country database, in MaxMind's format. Nothing is fetched "
            "without that command.",
        ),
    ]
    city_database: Annotated[
        Path | None,
        Setting(
            "",
            read.file,
            "A city database of your own in MaxMind's format, for the region and city of clicks. A relative path "
            "starts at the data folder. Empty: countries only.",
        ),
    ]


class Outbound(Section, frozen=True):
    timeout: Annotated[
        float, Setting("20s", read.duration("1s", "5m"), "Longest wait for the answer of a CRM or webhook.")
    ]
    allow_private: Annotated[
        tuple[str, ...],
        Setting(
            [],
            read.many(read.private_target),
            "Networks or hosts inside your own network that CRM and webhook calls may reach; all others are refused.",
        ),
    ]
    max_response: Annotated[
        int, Setting("512KiB", read.size("1KiB", "1GiB"), "Largest answer that is read; a longer one fails.")
    ]


class Log(Section, frozen=True):
    level: Annotated[
        LogLevel, Setting("info", read.one_of(LogLevel), "Least that is logged: debug, info, warning or error.")
    ]
    format: Annotated[
        LogFormat, Setting("auto", read.one_of(LogFormat), "json, text, or auto: text on a terminal, else json.")
    ]
    sentry_dsn: Annotated[
        Secret,
        Setting(
            "",
            read.sentry_dsn,
            "Errors of the server and of browsers are told to this Sentry project, without bodies, addresses and "
            "tokens. Empty: they stay in the log.",
            secret=True,
        ),
    ]
    traces_url: Annotated[
        str,
        Setting(
            "",
            read.collector_url,
            "An OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318, is told how long requests, "
            "jobs and calls to CRMs take. Empty: nothing is told.",
        ),
    ]
    traces_headers: Annotated[
        Secret,
        Setting(
            "", read.header_pairs, "Headers that the collector asks for, written name=value,name=value.", secret=True
        ),
    ]
    traces_share: Annotated[float, Setting(1.0, read.fraction(0, 1), "Share of the traces that are told, from 0 to 1.")]


class Privacy(Section, frozen=True):
    ip: Annotated[
        IpPrivacy,
        Setting(
            "truncate",
            read.one_of(IpPrivacy),
            "What is kept of a visitor's address: truncate (last part removed), hash, none, or keep.",
        ),
    ]
    visitor_window: Annotated[
        float,
        Setting(
            "1d",
            read.duration("1h", "30d"),
            "How long a visitor of links is known again, by a keyed hash of address and browser whose key is then "
            "thrown away. Somebody who comes in two windows counts as two visitors.",
        ),
    ]
    event_retention: Annotated[
        float,
        Setting(
            "0s",
            read.duration_or_never("1d", "36500d"),
            'Clicks older than this are deleted, such as "760d" for 25 months. "0s" keeps them.',
        ),
    ]


class Connector(Section, frozen=True):
    base_url: Annotated[
        str,
        Setting("", read.web_address, "Replaces the vendor's host by a proxy or a test server."),
    ]
    client_id: Annotated[
        str,
        Setting(
            "",
            read.text,
            "The app of yours that people sign in to at the vendor, for all organisations. Its redirect address is "
            "public_url with /oauth/callback behind it. Empty: each connection has an app of its own.",
        ),
    ]
    client_secret: Annotated[Secret, Setting("", read.secret_text, "The app's secret.", secret=True)]


SECTIONS: dict[str, type[Section]] = {
    "server": Server,
    "data": Data,
    "database": Database,
    "events": Events,
    "queue": Queue,
    "secrets": Secrets,
    "auth": Auth,
    "mail": Mail,
    "intake": Intake,
    "links": Links,
    "outbound": Outbound,
    "backup": Backup,
    "limits": Limits,
    "log": Log,
    "privacy": Privacy,
}
