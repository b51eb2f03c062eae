"""Which country an address is of, by the file that is shipped and by one that the operator refreshed."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from site2crm.commands.geo import command
from site2crm.core import geo, resources
from site2crm.core.geo import REFRESHED, Geo, Unusable

SHIPPED = resources.geo() / geo.SHIPPED


@pytest.mark.parametrize(("address", "country"), [
    ("8.8.8.8", "US"), ("193.0.6.139", "NL"), ("::ffff:193.0.6.139", "NL"), ("2001:67c:2e8:22::c100:68b", "NL"),
    ("127.0.0.1", ""), ("10.0.0.1", ""), ("::1", ""), ("", ""), ("junk", ""), ("8.8.8.8.8", ""), ("fe80::1%eth0", ""),
    ("999.1.1.1", ""), ("\x00", ""),
])  # fmt: skip
def test_the_country_of_an_address(tmp_path: Path, address: str, country: str) -> None:
    assert Geo(tmp_path).country(address) == country


def test_a_refreshed_file_wins_once_it_is_there(tmp_path: Path) -> None:
    here = Geo(tmp_path)
    before = here.place
    made = geo.replace(tmp_path, SHIPPED.read_bytes())
    assert made > 1_700_000_000
    here.reload()
    assert here.place is not before
    assert here.country("8.8.8.8") == "US"
    unchanged = here.place
    here.reload()
    assert here.place is unchanged


@pytest.mark.parametrize("content", [b"", b"junk" * 1_000, SHIPPED.read_bytes()[:100_000]])
def test_a_file_that_tells_no_countries_changes_nothing(tmp_path: Path, content: bytes) -> None:
    geo.replace(tmp_path, SHIPPED.read_bytes())
    before = (tmp_path / REFRESHED).read_bytes()
    with pytest.raises(Unusable):
        geo.replace(tmp_path, content)
    assert (tmp_path / REFRESHED).read_bytes() == before
    assert [path.name for path in (tmp_path / REFRESHED).parent.iterdir()] == [REFRESHED.name]


def test_a_refreshed_file_that_was_damaged_falls_back_to_the_shipped(tmp_path: Path) -> None:
    (tmp_path / REFRESHED).parent.mkdir()
    (tmp_path / REFRESHED).write_bytes(b"junk")
    assert Geo(tmp_path).country("8.8.8.8") == "US"


def test_a_missing_city_database_leaves_countries(tmp_path: Path) -> None:
    assert Geo(tmp_path, city_database=tmp_path / "none.mmdb").place("8.8.8.8") == ("US", "", "")


@pytest.mark.parametrize(("record", "place"), [
    ({"country_code": "de"}, ("DE", "", "")),
    ({"country": {"iso_code": "DE"}, "subdivisions": [{"names": {"en": "Hesse"}}], "city": {"names": {"en": "Kassel"}}},
     ("DE", "Hesse", "Kassel")),
    ({"country_code": "DE", "state1": "Hesse", "city": "Kassel"}, ("DE", "Hesse", "Kassel")),
    ({"country": None, "city": 7, "subdivisions": "x"}, ("", "", "")),
    (None, ("", "", "")),
])  # fmt: skip
def test_both_shapes_of_records_are_read(record: object, place: tuple[str, str, str]) -> None:
    assert geo._place_of(record) == place


def refresh(folder: Path, *words: str, url: str = "", allow: str = "[]") -> tuple[int, str]:
    env = {"SITE2CRM__LINKS__COUNTRY_URL": url, "SITE2CRM__OUTBOUND__ALLOW_PRIVATE": allow}
    done = CliRunner().invoke(command, ["refresh", "--data-dir", str(folder), *words], env=env)
    return done.exit_code, done.output


def test_the_command_takes_a_local_file(tmp_path: Path) -> None:
    code, text = refresh(tmp_path, "--file", str(SHIPPED))
    assert (code, "country.mmdb is of 20" in text) == (0, True)
    assert geo.check(tmp_path / REFRESHED)


def test_the_command_refuses_what_is_no_country_database(tmp_path: Path) -> None:
    junk = tmp_path / "junk.mmdb"
    junk.write_bytes(b"junk")
    code, text = refresh(tmp_path, "--file", str(junk))
    assert (code, "Nothing was changed" in text) == (8, True)
    assert refresh(tmp_path, "--file", str(tmp_path / "none"))[0] == 1
    assert not (tmp_path / REFRESHED).exists()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/latest":
            self.send_response(302)
            self.send_header("Location", "/file.mmdb")
            self.end_headers()
        elif self.path == "/file.mmdb":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SHIPPED.read_bytes())
        elif self.path == "/inside":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
        else:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_command_fetches_through_redirects_and_the_guard(tmp_path: Path) -> None:
    with a_server() as url:
        assert refresh(tmp_path, url=f"{url}/latest")[0] == 1
        assert not (tmp_path / REFRESHED).exists()
        assert refresh(tmp_path, url=f"{url}/inside", allow='["127.0.0.1"]')[0] == 1
        assert refresh(tmp_path, url=f"{url}/round", allow='["127.0.0.1"]')[0] == 1
        code, text = refresh(tmp_path, url=f"{url}/latest", allow='["127.0.0.1"]')
    assert (code, text.count("country.mmdb")) == (0, 1)
    assert geo.check(tmp_path / REFRESHED)
