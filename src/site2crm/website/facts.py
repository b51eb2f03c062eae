"""What the help texts say about this very instance and this very version: read from the code, not typed."""

from functools import lru_cache

from msgspec import Struct

from site2crm.core import config_text, resources
from site2crm.core.config import Settings
from site2crm.core.config_schema import SECTIONS, Connector
from site2crm.core.config_section import Section, settings_of
from site2crm.website.problems import problems

EXAMPLE_URL = "https://leads.example.com"
"""What the samples call an instance; a reader sees the address of the own one."""


class Wait(Struct, frozen=True):
    """One step of the retry schedule."""

    number: int
    wait: str
    after: str


class SettingText(Struct, frozen=True):
    key: str
    default: str
    doc: str
    variable: str


class Facts(Struct, frozen=True):
    base: str
    waits: tuple[Wait, ...]
    schedule_length: str
    jitter: int
    per_minute: int
    fill_seconds: int
    dedupe: str
    max_body_kib: int
    password_min: int
    privacy_ip: str

    def sample(self, name: str) -> str:
        """A file of `templates/help/samples/`, about this instance."""
        return _sample(name).replace(EXAMPLE_URL, self.base)


def of(settings: Settings) -> Facts:
    intake, retry = settings.intake, settings.queue.retry
    return Facts(
        base=settings.base_url,
        waits=tuple(Wait(n, duration(wait), duration(sum(retry[:n]))) for n, wait in enumerate(retry, 1)),
        schedule_length=duration(sum(retry)),
        jitter=round(settings.queue.jitter * 100),
        per_minute=intake.per_address_per_minute,
        fill_seconds=intake.min_fill_seconds,
        dedupe=duration(intake.dedupe_window),
        max_body_kib=settings.server.max_body // 1024,
        password_min=settings.auth.password_min,
        privacy_ip=settings.privacy.ip.value,
    )


def context(facts: Facts) -> dict[str, object]:
    """Everything the help templates may use."""
    return {
        "facts": facts,
        "base": facts.base,
        "sample": facts.sample,
        "sections": setting_texts(),
        "declared_example": config_text.ORGS,
        "problems": problems(),
    }


@lru_cache(maxsize=1)
def setting_texts() -> dict[str, list[SettingText]]:
    """Every setting of the file, by section, in its order."""
    sections: dict[str, type[Section]] = {**SECTIONS, "connectors.hubspot": Connector}
    return {
        name: [
            SettingText(f"{name}.{key}", config_text.literal(setting.default), setting.doc, _variable(name, key))
            for key, _, setting in settings_of(section)
        ]
        for name, section in sections.items()
    }


def duration(seconds: float) -> str:
    """As people say it: `30 s`, `10 min`, `2 h`, `75.7 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{round(seconds / 60, 1):g} min"
    return f"{round(seconds / 3600, 1):g} h"


def _variable(section: str, key: str) -> str:
    return "SITE2CRM__" + f"{section}.{key}".replace(".", "__").upper()


@lru_cache(maxsize=32)
def _sample(name: str) -> str:
    return (resources.templates() / "help" / "samples" / name).read_text().rstrip("\n")
