"""Upgrades beside a running server: nobody is refused, nothing is lost; `make soak` does ten in a row."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests import behind, records, upgrades
from tests.server import Server, run
from tests.upgrades import Pair, Prepared, a_form, next_version

EDIT_S = 1.0


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return upgrades.prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def pair(tmp_path: Path, prepared: Prepared) -> Iterator[Pair]:
    made = Pair(tmp_path, prepared)
    yield made
    if made.serving.process is not None:
        made.serving.stop()


def until(condition: Callable[[], object], what: str, *, for_s: float = 30) -> None:
    end = time.monotonic() + for_s
    while not condition():
        assert time.monotonic() < end, f"not within {for_s} s: {what}"
        time.sleep(0.05)


def post(server: Server, form: str, email: str, **headers: str) -> httpx.Response:
    return httpx.post(server.url + form, data={"email": email}, headers=headers, timeout=30)


def test_upgrades_under_load_refuse_nobody_lose_nothing_and_double_nothing(tmp_path: Path, prepared: Prepared) -> None:
    outcome = upgrades.run(tmp_path, prepared, upgrades=3)
    assert outcome.acknowledged
    assert outcome.redirects
    assert outcome.well, outcome.line()


def test_the_old_process_may_be_killed_in_the_place_of_a_stop(tmp_path: Path, prepared: Prepared) -> None:
    outcome = upgrades.run(tmp_path, prepared, upgrades=1, kill=True)
    # What was half way through the killed one is answered by an error; who got an answer is there, once.
    assert not outcome.lost, outcome.line()
    assert not outcome.doubled, outcome.line()
    assert len(outcome.refused) <= upgrades.SENDERS + upgrades.CLICKERS, outcome.line()
    assert outcome.redirects <= outcome.clicks <= outcome.redirects + upgrades.CLICKERS, outcome.line()


def test_a_standby_answers_forms_and_links_tells_what_it_is_and_takes_over(pair: Pair) -> None:
    first = pair.serving
    with pair.api() as api:
        form = pair.prepared.form
        second = pair.beside()
        try:
            assert_it_says_so(second)
            third = run(["serve", "--standby", "--config", "site2crm.toml", "--listen", "127.0.0.1:0"], pair.folder)
            assert third.returncode == 75
            assert "stands by to follow it" in third.stderr
            assert health(pair)["standby"] == {"pid": second.process.pid, "listen": f"127.0.0.1:{second.port}"}  # type: ignore[union-attr]

            changed_there_is_known_here(api, second)
            once = {"Idempotency-Key": "one-and-only"}
            answers = [post(each, form, "same@example.com", **once) for each in (first, second, second, first)]
            assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
            assert post(second, form, "ada@example.com").status_code == 201

            open_connection = httpx.Client(base_url=second.url)
            open_connection.get("/livez")
            assert first.stop() == 0
            pair.serving = second
            pair.wait_whole()
            assert open_connection.get("/login").status_code == 200
        finally:
            pair.serving = second
        wanted = Counter(["same@example.com", "ada@example.com"])
        until(lambda: pair.leads() == wanted, "what both took is a lead, once")
    journals = [home.name for home in (pair.folder / "data" / "journal").glob("*") if list(home.glob("*/*.seg"))]
    until(
        lambda: not list((pair.folder / "data" / "journal" / "main").glob("*/*.seg")), f"only ours is left: {journals}"
    )
    assert "main-2" in journals


def assert_it_says_so(standby: Server) -> None:
    ready = httpx.get(standby.url + "/readyz")
    assert (ready.status_code, "waiting for the lock" in ready.text) == (503, True)
    page = httpx.get(standby.url + "/login", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert "content-security-policy" in page.headers
    assert httpx.get(standby.url + "/livez").status_code == 200
    assert "standby: waits for the lock" in standby.log()


def health(pair: Pair) -> dict[str, object]:
    asked = run(["health", "--config", "site2crm.toml", "--json"], pair.folder)
    if asked.returncode == 9:  # the file names the standby's address, as its own does
        assert "waiting for the lock" in asked.stderr
        text = (pair.folder / "site2crm.toml").read_text()
        (pair.folder / "other.toml").write_text(text.replace(f":{pair.ports[1]}", f":{pair.ports[0]}"))
        asked = run(["health", "--config", "other.toml", "--json"], pair.folder)
    assert asked.returncode == 0, asked.stderr
    told: dict[str, object] = json.loads(asked.stdout)
    return told


def changed_there_is_known_here(api: httpx.Client, standby: Server) -> None:
    made = api.post("/api/v1/links", json={"url": "https://www.example.com/one", "slug": "fresh"})
    assert made.status_code == 201, made.text
    form = a_form(api)
    until(lambda: _leads_to(standby, "fresh") == "https://www.example.com/one", "the link", for_s=EDIT_S + 2)
    until(lambda: httpx.get(standby.url + form).status_code == 200, "the form", for_s=EDIT_S + 2)
    api.patch(f"/api/v1/links/{made.json()['id']}", json={"url": "https://www.example.com/two"})
    until(lambda: _leads_to(standby, "fresh") == "https://www.example.com/two", "its change", for_s=EDIT_S + 2)


def _leads_to(server: Server, slug: str) -> str:
    return httpx.get(f"{server.url}/{slug}").headers.get("location", "")


def test_what_a_standby_took_before_it_was_killed_is_taken_up_by_the_one_that_serves(pair: Pair) -> None:
    form, standby = pair.prepared.form, pair.beside()
    assert post(standby, form, "ada@example.com").status_code == 201
    standby.kill()
    until(lambda: pair.leads() == Counter(["ada@example.com"]), "it is a lead")
    assert post(pair.serving, form, "bob@example.com").status_code == 201
    until(lambda: len(pair.leads()) == 2, "the server goes on")


def test_a_migration_runs_while_forms_and_links_go_on_even_if_it_is_killed(pair: Pair, tmp_path: Path) -> None:
    source = next_version(tmp_path / "next", takes_s=2.0)
    form, link, taken = pair.prepared.form, f"/{pair.prepared.slug}", ["before@example.com"]

    def goes_on(server: Server) -> None:
        taken.append(f"meanwhile-{len(taken)}@example.com")
        assert post(server, form, taken[-1]).status_code == 201
        assert httpx.get(server.url + link).status_code == 302

    follower = pair.beside(path=(source,))
    assert post(follower, form, taken[0]).status_code == 201  # read through what the schema lacks
    assert pair.serving.stop() == 0
    for _ in range(5):
        goes_on(follower)
    follower.kill()
    before = len(taken)
    follower.start(wait=False).wait_ready("/livez")
    pair.serving = follower
    while httpx.get(follower.url + "/readyz").text != "ok":
        goes_on(follower)
    assert len(taken) > before
    assert behind.column(pair.folder, "SELECT DISTINCT colour FROM form") == ["blue"]
    until(lambda: pair.leads() == Counter(taken), "all of them are leads")
    if not records.on_postgresql():  # which copies nothing: the server undoes what fails
        assert list((pair.folder / "data" / "backups").iterdir())


def test_a_migration_that_fails_leaves_forms_answered_and_the_version_before_can_follow(
    pair: Pair, tmp_path: Path
) -> None:
    source = next_version(tmp_path / "next", then='raise RuntimeError("no such luck")')
    broken = pair.beside(path=(source,))
    assert pair.serving.stop() == 0
    pair.serving = broken
    until(lambda: "succession.captures_only" in broken.log(), "it says so in its log")
    assert post(broken, pair.prepared.form, "ada@example.com").status_code == 201
    page = httpx.get(broken.url + "/login")
    assert (page.status_code, "could not be finished" in page.text) == (503, True)
    assert "no such luck" not in page.text
    pair.upgrade()  # the version before
    assert httpx.get(pair.serving.url + "/login").status_code == 200
    until(lambda: pair.leads() == Counter(["ada@example.com"]), "it is a lead")


@pytest.mark.only_once("on a server, forms and links are answered from what is kept in the folder")
def test_a_version_that_cannot_read_the_schema_does_not_start_beside_the_old_one(pair: Pair, tmp_path: Path) -> None:
    source = next_version(tmp_path / "next", default="")
    refused = pair.another(path=(source,)).start(wait=False)
    assert refused.process is not None
    assert refused.process.wait(timeout=60) == 5
    assert "form.colour" in refused.log()
    assert httpx.get(pair.serving.url + "/readyz").text == "ok"
