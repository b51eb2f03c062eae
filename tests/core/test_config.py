"""Settings: precedence, problems with place and cure, secrets."""

import base64
import tomllib
from pathlib import Path

import pytest

from site2crm.core import config, config_lines, config_text
from site2crm.core.config import ConfigInvalid, KeyUnusable, Listen, Problem, Secret, Settings

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(b"k" * 32).decode()


def load(path: Path | None = None, **env: str) -> Settings:
    return config.load(path, env=env, flags={})


def problems(text: str, folder: Path, **env: str) -> list[Problem]:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(text, folder), **env)
    return caught.value.problems


def the_problem(text: str, folder: Path, **env: str) -> Problem:
    (problem,) = problems(text, folder, **env)
    return problem


def written(text: str, folder: Path) -> Path:
    path = folder / "site2crm.toml"
    path.write_text(text)
    return path


def test_without_any_file_every_default_is_valid():
    settings = load()
    assert settings.server.listen == Listen("127.0.0.1", 8080)
    assert settings.server.max_body == 1024 * 1024
    assert len(settings.queue.retry) == 12
    assert sum(settings.queue.retry) == pytest.approx(76 * 3600, rel=0.01)
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.source("server.listen") == "default"


def test_flag_wins_over_environment_over_file_over_default(tmp_path):
    path = written('[server]\nlisten = "127.0.0.1:1"\nmax_body = "2MiB"\nbody_timeout = "5s"\n', tmp_path)
    env = {"SITE2CRM__SERVER__LISTEN": "127.0.0.1:2", "SITE2CRM__SERVER__MAX_BODY": "3MiB"}
    settings = config.load(path, env=env, flags={"server.listen": "127.0.0.1:3"})
    assert settings.server.listen.port == 3
    assert settings.server.max_body == 3 * 1024 * 1024
    assert settings.server.body_timeout == 5
    assert settings.source("server.listen") == "command line"
    assert settings.source("server.max_body") == "environment SITE2CRM__SERVER__MAX_BODY"
    assert settings.source("server.body_timeout") == "site2crm.toml line 4"


def test_lists_numbers_and_switches_come_from_the_environment_as_json():
    settings = load(
        SITE2CRM__SERVER__TRUSTED_PROXIES='["10.0.0.0/8", "::1"]',
        SITE2CRM__QUEUE__WORKERS="3",
        SITE2CRM__SERVER__INSECURE="true",
    )
    assert [str(each) for each in settings.server.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.queue.workers == 3
    assert settings.server.insecure is True


def test_a_variable_can_name_a_file_that_holds_the_value(tmp_path):
    (tmp_path / "mail").write_text("smtp://me:pw@mail.example:25\n")
    settings = load(SITE2CRM__MAIL__URL__FILE=str(tmp_path / "mail"), SITE2CRM__MAIL__FROM="a@b.example")
    assert settings.mail.url.reveal() == "smtp://me:pw@mail.example:25"


def test_a_variable_and_its_file_together_are_refused(tmp_path):
    problem = the_problem("", tmp_path, SITE2CRM__MAIL__URL="stdout", SITE2CRM__MAIL__URL__FILE="/x")
    assert problem.key == "SITE2CRM__MAIL__URL__FILE"
    assert "keep one" in problem.message


def test_all_problems_are_told_at_once_with_their_lines(tmp_path):
    found = problems('[server]\nlistn = "x"\n\n[queue]\nworkers = "8"\n[log]\nlevel = "loud"\n', tmp_path)
    assert [(each.line, each.key) for each in found] == [(2, "server.listn"), (5, "queue.workers"), (7, "log.level")]
    assert 'did you mean "listen"?' in found[0].message
    assert all(each.file == str(tmp_path / "site2crm.toml") for each in found)


@pytest.mark.parametrize(
    ("text", "line", "cure"),
    [
        ('[server]\nlisten = "8080"', 2, '"127.0.0.1:8080"'),
        ('[server]\nlisten = ":8080"', 2, '"0.0.0.0:8080"'),
        ('[server]\nlisten = "::1:8080"', 2, '"[::1]:8080"'),
        ('[server]\nlisten = "127.0.0.1:99999"', 2, "address and port"),
        ("[server]\nmax_body = 1048576", 2, '"1MiB"'),
        ('[server]\nmax_body = "1GB"', 2, '"2GiB"'),
        ("[server]\nheader_timeout = 10", 2, '"90s"'),
        ('[server]\nheader_timeout = "10"', 2, '"90s"'),
        ('[server]\nheader_timeout = "0s"', 2, "from 1s"),
        ('[server]\ntrusted_proxies = ["10.0.0.1/8"]', 2, '"10.0.0.0/8"'),
        ('[server]\ntrusted_proxies = "10.0.0.0/8"', 2, "a list"),
        ("[server]\ntrusted_proxies = [1]", 2, "in quotes"),
        ('[server]\ninsecure = "yes"', 2, "true or false"),
        ('[server]\npublic_url = "leads.example"', 2, '"https://'),
        ('[server]\npublic_url = "https://leads.example/app"', 2, "root"),
        ('[server]\npublic_url = "https://u:p@leads.example"', 2, "without user"),
        ('[server]\npublic_url = "http://leads.example"', 2, "insecure = true"),
        ('[server]\nlisten = "0.0.0.0:80"', 2, "insecure = true"),
        ("[queue]\nworkers = true", 2, "whole number"),
        ("[queue]\njitter = 2", 2, "from 0 to 0.9"),
        ("[queue]\nretry = []", 2, "at least one"),
        ('[queue]\nretry = ["5s", "soon"]', 2, '"90s"'),
        ('[database]\nurl = "mysql://x"', 2, '"sqlite"'),
        ('[auth]\nsession_idle = "30d"', None, "at least as long"),
        ("[auth]\npassword_min = 4", 2, "from 8"),
        ('[mail]\nurl = "mail.example"', 2, '"smtp://user'),
        ('[mail]\nurl = "smtp://user@mail.example"', 2, "both or none"),
        ('[mail]\nurl = "smtp://mail.example:x"', 2, '"smtp://user'),
        ('[mail]\nurl = "smtp://mail.example"', None, "sender"),
        ('[mail]\nfrom = "Acme"', 2, "hello@acme.example"),
        ('[mail]\nfrom = "a@b.example\\r\\nBcc: x@y.example"', 2, "hello@acme.example"),
        ('[privacy]\nip = "some"', 2, '"truncate", "hash", "none" or "keep"'),
        ('[outbound]\nallow_private = ["10.0.0.300"]', 2, '"10.0.0.0/8"'),
        ('[connectors.hubspot]\nbase_url = "http://fake.example"', 2, 'allow_private = ["fake.example"]'),
        ('[connectors.hubspot]\nbase_ur = "x"', 2, "base_url"),
        ('[connectors]\nhubspot = "x"', 2, "[connectors.hubspot]"),
        ('[servr]\nlisten = "x"', 1, "[server]"),
        ('[zzz]\nlisten = "x"', 1, "server, data"),
        ('[data]\nlisten = "x"', 2, "belongs under [server]"),
        ('listen = "x"', 1, "belongs under [server]"),
        ('server = "x"', 1, "[server]"),
        ('[[server]]\nlisten = "x"', 1, "[server]"),
        ('[data]\ndir = ""', 2, "folder"),
        ("[data]\ndir = 1979-05-27", 2, "in quotes"),
        ('[secrets]\nkey = "short"', 2, "openssl rand -base64 32"),
        ('[secrets]\nkey = { vault = "x" }', 2, '{ env = "NAME" }'),
        ('[secrets]\nkey = { env = "NOPE" }', 2, "NOPE is not set"),
        ('[secrets]\nkey = { file = "/nowhere/key" }', 2, "/nowhere/key cannot be read"),
        ('[secrets]\nprevious_keys = ["x"]', 2, "openssl"),
        ("[server]\nlisten = 127.0.0.1", 2, 'name = "text"'),
        ("[server\n", 1, "[name]"),
        ('x = "', None, "TOML"),
    ],
)
def test_each_mistake_names_its_line_and_its_cure(text, line, cure, tmp_path):
    problem = the_problem(text, tmp_path)
    assert problem.line == line
    assert cure in problem.message


def test_mistakes_in_the_environment_name_the_variable(tmp_path):
    found = problems("", tmp_path, SITE2CRM__SERVER__LISTN="x", SITE2CRM__QUEUE__WORKERS="many")
    assert {each.file for each in found} == {
        "environment SITE2CRM__SERVER__LISTN",
        "environment SITE2CRM__QUEUE__WORKERS",
    }


def test_an_unknown_flag_is_refused():
    with pytest.raises(ConfigInvalid, match="did you mean"):
        config.load(None, env={}, flags={"server.listne": "x"})


def test_a_folder_a_missing_file_and_bytes_that_are_no_text_are_told_apart(tmp_path):
    (tmp_path / "latin").write_bytes(b"[server]\n# caf\xe9\n")
    for name, line, words in [("", None, "folder"), ("none", None, "site2crm init"), ("latin", 2, "UTF-8")]:
        with pytest.raises(ConfigInvalid) as caught:
            load(tmp_path / name)
        (problem,) = caught.value.problems
        assert (problem.line, words in problem.message) == (line, True)


def test_a_wider_listen_needs_https_or_an_open_word(tmp_path):
    https = '[server]\nlisten = "0.0.0.0:80"\npublic_url = "https://Leads.Example/"\n'
    assert load(written(https, tmp_path)).base_url == "https://leads.example"
    insecure = '[server]\nlisten = "[::]:80"\npublic_url = "http://leads.example"\ninsecure = true\n'
    assert str(load(written(insecure, tmp_path)).server.listen) == "[::]:80"
    assert load(written('[server]\npublic_url = "http://localhost:8080"', tmp_path)).base_url == "http://localhost:8080"


def test_a_connector_reaches_a_plain_server_that_is_allowed(tmp_path):
    text = """
[outbound]
allow_private = ["10.1.0.0/16", "fake.lan"]
[connectors.hubspot]
base_url = "http://10.1.2.3:9000/"
[connectors.custom]
base_url = "http://fake.lan"
"""
    settings = load(written(text, tmp_path))
    assert settings.connector_url("hubspot") == "http://10.1.2.3:9000"
    assert settings.connector_url("pipedrive") == ""
    assert settings.source("connectors.hubspot.base_url") == "site2crm.toml line 5"


def test_a_relative_data_folder_starts_at_the_file_and_at_the_working_folder_for_flags(tmp_path, monkeypatch):
    path = written("", tmp_path)
    monkeypatch.chdir("/")
    assert load(path).data.dir == tmp_path / "data"
    assert config.load(path, env={}, flags={"data.dir": "elsewhere"}).data.dir == Path("/elsewhere")


def test_secrets_come_from_text_variable_or_file_and_show_in_no_repr(tmp_path):
    (tmp_path / "old").write_text(KEY + "\n")
    text = f'[secrets]\nkey = {{ env = "K" }}\nprevious_keys = [{{ file = "{tmp_path}/old" }}]\n'
    settings = load(
        written(text, tmp_path), K=KEY, SITE2CRM__MAIL__URL="smtp://u:hunter2@h", SITE2CRM__MAIL__FROM="a@b.c"
    )
    assert settings.keys().current == settings.keys().previous[0] == b"k" * 32
    shown = repr(settings) + str(settings.explain()) + repr(settings.keys()) + f"{settings.mail.url}"
    assert KEY not in shown
    assert "hunter2" not in shown


def test_a_wrong_secret_is_not_repeated_in_the_problem(tmp_path):
    found = problems('[mail]\nurl = "smtp://u:hunter2@h:port"\n[secrets]\nkey = "hunter3"', tmp_path)
    assert "hunter" not in str(found)


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path):
    path = written("", tmp_path)
    first = load(path).keys().current
    file = tmp_path / "data" / "secret.key"
    assert load(path).keys().current == first
    assert len(first) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["secret.key"]


def test_two_first_starts_end_with_one_key(tmp_path):
    path = written("", tmp_path)
    one, two = load(path), load(path)
    assert one.keys().current == two.keys().current


def test_no_new_key_is_made_beside_an_old_database(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "site2crm.db").touch()
    with pytest.raises(KeyUnusable, match="backup"):
        load(written("", tmp_path)).keys()


def test_a_key_that_others_can_read_is_refused_with_the_command(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").write_text(KEY)
    (tmp_path / "data" / "secret.key").chmod(0o644)
    assert "chmod 600" in the_problem("", tmp_path).message


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")
    assert (str(secret), repr(secret), f"{secret}", f"{[secret]}") == ("***", "***", "***", "[***]")
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")


def test_the_file_in_the_repository_is_what_the_schema_says():
    assert (ROOT / "site2crm.toml").read_text() == config_text.render()


def test_every_setting_stands_explained_and_commented_out_in_the_file():
    section, explained = "", {}
    lines = (ROOT / "site2crm.toml").read_text().partition("#[[orgs]]")[0].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.lstrip("#").startswith("["):
            section = line.strip("#[]")
        elif line.startswith("#") and not line.startswith("# "):
            explained[f"{section}.{line[1:].split(' = ')[0]}"] = before
    settings = config.load(None, env={}, flags={"connectors.hubspot.base_url": ""})
    assert list(explained) == [each.key for each in settings.explain()]
    assert all(before.startswith("# ") for before in explained.values())


def test_the_file_with_every_setting_opened_is_the_default(tmp_path):
    text = (ROOT / "site2crm.toml").read_text()
    opened = "\n".join(line if line.startswith("# ") else line.removeprefix("#") for line in text.splitlines())
    settings, defaults = load(written(opened, tmp_path)), load(written("", tmp_path))
    assert settings.server == defaults.server
    assert settings.queue == defaults.queue
    assert settings.source("server.listen").startswith("site2crm.toml line ")


LINES = """\
# [no.table] = 1
[a]
x = 1 # y = 2
"q.k" = "a # b = c ] }"
'l' = '''
z = 3
''' # end
list = [
  "one", # [b]
  { deep = 1, 'deeper' = [ { x.y = 2 } ] },
]
text = \"\"\"
[c]
\\\"\"\" = 1
\"\"\"\"
d.e . f = 1979-05-27T07:32:00Z

  [ b . c ]
k = {}
[[many]]
k = inf
[[many]]
k = 0x1
"""


def test_the_scanner_knows_the_line_of_every_key():
    tomllib.loads(LINES)
    found = config_lines.lines(LINES)
    assert found == {
        ("a",): 2,
        ("a", "x"): 3,
        ("a", "q.k"): 4,
        ("a", "l"): 5,
        ("a", "list"): 8,
        ("a", "list", "deep"): 10,
        ("a", "list", "deeper"): 10,
        ("a", "list", "deeper", "x", "y"): 10,
        ("a", "text"): 12,
        ("a", "d", "e", "f"): 16,
        ("b", "c"): 18,
        ("b", "c", "k"): 19,
        ("many",): 20,
        ("many", "k"): 21,
    }


def test_the_members_of_arrays_have_lines_of_their_own():
    text = """\
[[orgs]]
key = "acme"
[[orgs.crm]]
fields = [
  { name = "a" },
  { name = "b", choices = ["x",
     "y"] },
]
[orgs.crm.fields]
email = "email"
[[orgs.crm]]
kind = "b"
[[orgs]]
[[orgs.crm]]
kind = "c"
"""
    tomllib.loads(text.replace("fields = [", "list = [", 1))
    found = config_lines.places(text.replace("fields = [", "list = [", 1))
    assert found["orgs", 0] == 1
    assert found["orgs", 0, "crm", 0, "list", 1, "name"] == 6
    assert found["orgs", 0, "crm", 0, "list", 1, "choices", 1] == 7
    assert found["orgs", 0, "crm", 0, "fields", "email"] == 10
    assert found["orgs", 0, "crm", 1, "kind"] == 12
    assert found["orgs", 1, "crm", 0, "kind"] == 15
