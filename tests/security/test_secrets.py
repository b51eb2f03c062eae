"""No secret can be read where none belongs: on the disk, in the log, in an answer, in an error."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.core.config_types import Secret
from site2crm.demo.server import Answer, Fault
from tests import cast
from tests.cast import PASSWORD, Cast, Person
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.webhook import WebhookFake
from tests.security.world import post, settled, work

TOKEN = "pat-eu1-5ec7e7ca-nary-4a4a-8b8b-f00dfeedbeef"
SIGNING = "whsec_c2VjcmV0Y2FuYXJ5c2VjcmV0Y2FuYXJ5c2VjcmV0Y2E="
MAIL_PASSWORD = "smtp-canary-7731"


class Scene:
    """An org with a HubSpot and a webhook on loopback, each with a secret of its own."""

    def __init__(self, instance: Instance, alice: Person, hubspot: HubSpotFake, receiver: WebhookFake) -> None:
        self.instance, self.alice, self.hubspot, self.receiver = instance, alice, hubspot, receiver
        self.secrets = {
            "token": TOKEN, "signing secret": SIGNING, "api key": alice.key.split("_", 3)[3], "password": PASSWORD,
            "cookie": alice.web.cookies["s2c"],
        }  # fmt: skip

    def leaks(self, text: str | bytes) -> list[str]:
        data = text.encode() if isinstance(text, str) else text
        return [name for name, value in self.secrets.items() if value.encode() in data or value[6:].encode() in data]

    async def connect(self, **body: Any) -> Any:
        return await post(self.alice, "/api/v1/connections", body)

    async def everything(self) -> dict[str, str]:
        """What the API and the pages say about all there is."""
        found = {}
        for kind in ("connections", "deliveries", "keys", "invites", "members", "leads", "submissions", "forms"):
            path = f"/api/v1/{kind}"
            listed = await self.alice.api.get(path)
            found[path] = listed.text
            for row in listed.json()["data"] if kind not in {"keys", "invites", "members"} else []:
                found[f"{path}/{row['id']}"] = (await self.alice.api.get(f"{path}/{row['id']}")).text
        for row in (await self.alice.api.get("/api/v1/connections")).json()["data"]:
            for page in ("", "/mapping"):
                path = f"/o/acme/crms/{row['id']}{page}"
                found[path] = (await self.alice.web.get(path)).text
        for row in (await self.alice.api.get("/api/v1/deliveries")).json()["data"]:
            found[row["id"]] = (await self.alice.web.get(f"/o/acme/deliveries/{row['id']}")).text
        for path in ("/o/acme/crms", "/o/acme/settings/keys", "/o/acme/settings/team", "/profile", "/o/acme/leads"):
            found[path] = (await self.alice.web.get(path)).text
        return found


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    hubspot, receiver = HubSpotFake(token=TOKEN), WebhookFake(SIGNING)
    await hubspot.start()
    await receiver.start()
    flags = {
        "connectors__hubspot__base_url": hubspot.url,
        "outbound__allow_private": '["127.0.0.1"]',
        "log__level": "debug",
    }
    async with cast.an_instance(tmp_path, **flags) as instance, AsyncExitStack() as stack:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        yield Scene(instance, alice, hubspot, receiver)
    await hubspot.stop()
    await receiver.stop()


async def a_day_of_work(scene: Scene) -> None:
    """Two CRMs, a lead that arrives, one that is refused in words that repeat the secret, a person who comes and goes."""
    hubspot = await scene.connect(kind="hubspot", settings={"token": TOKEN})
    webhook = await scene.connect(kind="webhook", settings={"url": f"{scene.receiver.url}/in", "secret": SIGNING})
    assert (hubspot["state"], webhook["state"]) == ("active", "active"), (hubspot, webhook)
    form = await post(scene.alice, "/api/v1/forms", {"name": "Contact"})
    await scene.alice.api.post(f"/f/{form['key']}", json={"email": "ada@example.com"})
    await settled(scene.instance)
    await work(scene.instance)
    words = {"status": "error", "message": f"The value with {TOKEN} is wrong", "category": "VALIDATION_ERROR"}
    scene.hubspot.faults.append(Fault("status", count=-1, status=400, body=words))
    scene.receiver.says = Answer(400, {"message": f"What was signed with {SIGNING} is wrong"})
    await scene.alice.api.post(f"/f/{form['key']}", json={"email": "eve@example.com"})
    await settled(scene.instance)
    await work(scene.instance)
    scene.hubspot.faults[:] = [Fault("status", count=-1, status=401, body={"message": f"{TOKEN} has expired"})]
    scene.receiver.says = Answer(401, {"message": f"{SIGNING} is not mine"})
    for made in (hubspot, webhook):
        await scene.alice.api.post(f"/api/v1/connections/{made['id']}/test")
    login = await scene.alice.web.post("/login", data={"email": scene.alice.email, "password": PASSWORD})
    scene.secrets["new cookie"] = login.cookies["s2c"]
    await scene.alice.web.post("/login", data={"email": scene.alice.email, "password": PASSWORD + "x"})


async def test_nothing_secret_is_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await a_day_of_work(scene)
    told = await scene.everything()
    assert "is wrong" in "".join(told.values()), "the CRM's own words are shown"
    assert {where: scene.leaks(text) for where, text in told.items() if scene.leaks(text)} == {}
    assert not any("$argon2" in text for text in told.values())
    ours = "\n".join(
        record.getMessage() + str(record.__dict__) for record in caplog.records if "httpx" not in record.name
    )
    assert scene.leaks(ours) == []


async def test_nothing_secret_lies_on_the_disk(scene: Scene) -> None:
    await a_day_of_work(scene)
    invited = await post(scene.alice, "/api/v1/invites", {"email": "new@example.com"})
    scene.secrets["invitation"] = invited["url"].rpartition("/")[2]
    made = await post(scene.alice, "/api/v1/keys", {"name": "Zapier", "scopes": ["all"]})
    scene.secrets["second key"] = made["key"].split("_", 3)[3]
    await scene.alice.api.post("/api/v1/keys", json={"name": "X", "scopes": ["all"]}, headers={"Idempotency-Key": "k"})
    await scene.alice.web.post("/reset", data={"email": scene.alice.email})
    files = [
        path for path in scene.instance.machine.data_dir.rglob("*") if path.is_file() and path.name != "secret.key"
    ]
    assert len(files) >= 2
    found = {str(path.name): scene.leaks(path.read_bytes()) for path in files}
    assert {name: leaked for name, leaked in found.items() if leaked} == {}


async def test_the_data_folder_is_its_owners_alone(scene: Scene) -> None:
    folder = scene.instance.machine.data_dir
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "secret.key").stat().st_mode & 0o077 == 0


async def test_a_refusal_does_not_repeat_the_secret(scene: Scene) -> None:
    """What was typed wrong is not echoed: a page may be screenshotted, an API answer logged."""
    wrong = SIGNING + "!!"
    bad = [
        await scene.alice.api.post("/api/v1/connections", json={"kind": "webhook", "settings": {"url": scene.receiver.url, "secret": wrong}}),
        await scene.alice.api.post("/api/v1/connections", json={"kind": "hubspot", "settings": {"token": f"{TOKEN}\n"}}),
        await scene.alice.api.post("/api/v1/connections", json={"kind": "hubspot", "settings": {"token": [TOKEN]}}),
        await scene.alice.web.post("/o/acme/crms/new/webhook", data={"settings.url": "x", "settings.secret": SIGNING}),
        await scene.alice.web.post("/login", data={"email": "alice@acme.example", "password": f"{PASSWORD}{TOKEN}"}),
    ]  # fmt: skip
    for answer in bad:
        assert scene.leaks(answer.text) == [], answer.text[:300]


async def test_a_setting_that_is_secret_prints_as_stars() -> None:
    secret = Secret(MAIL_PASSWORD)
    assert MAIL_PASSWORD not in f"{secret!r} {secret} {[secret]}"
