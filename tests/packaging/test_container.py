"""The compose file and the image, as far as they can be read without a container engine; a release starts them."""

import re
from typing import Any

import yaml

from site2crm.core import config
from tests.server import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "packaging" / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "packaging" / "Dockerfile").read_text()


def image_environment() -> dict[str, str]:
    line = next(line for line in DOCKERFILE.splitlines() if line.startswith("ENV "))
    return dict(pair.split("=", 1) for pair in line.removeprefix("ENV ").split())


def test_its_settings_are_settings_and_fit_together() -> None:
    written = COMPOSE["services"]["site2crm"]["environment"]
    chosen = {name: re.sub(r"\$\{\w+:-(\w*)\}", r"\1", value) for name, value in written.items()}
    chosen["SITE2CRM__SERVER__PUBLIC_URL"] = "https://leads.acme.example"

    settings = config.load(None, env={**image_environment(), **chosen}, flags={})
    subnet = COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert [str(network) for network in settings.server.trusted_proxies] == [subnet]
    assert str(settings.server.listen) == "0.0.0.0:8080"


def test_the_container_may_do_nothing_that_it_does_not_need() -> None:
    service = COMPOSE["services"]["site2crm"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service
    assert "\nUSER 10001:10001\n" in DOCKERFILE


def test_data_lives_in_the_volume() -> None:
    target = image_environment()["SITE2CRM__DATA__DIR"]

    assert f"\nVOLUME {target}\n" in DOCKERFILE
    assert COMPOSE["services"]["site2crm"]["volumes"] == [f"data:{target}"]


def test_every_folder_that_the_image_is_built_from_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    assert copied
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []
