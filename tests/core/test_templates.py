from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from site2crm.core import formats, templates
from site2crm.core.errors import FieldError
from site2crm.kit import clock

NOW = datetime(2026, 11, 21, 13, 3, tzinfo=UTC)


def show(source: str, **context: object) -> str:
    """Render a line of template as a page of Acme's would."""
    token = templates._around.set(templates._Surroundings(nonce="n0nce", zone="Europe/Berlin"))
    try:
        return templates.current().from_string(source).render(page=a_shell(), **context)
    finally:
        templates._around.reset(token)


def a_shell(**over: object) -> templates.Shell:
    values: dict[str, object] = {
        "title": "Leads",
        "nonce": "n0nce",
        "user": templates.Person(name="Alice Meyer", email="alice@acme.io"),
        "org": templates.Org(id="org_1", slug="acme", name="Acme <b>", time_zone="Europe/Berlin"),
        "orgs": [templates.Org(id="org_1", slug="acme", name="Acme <b>")],
        "nav": [
            templates.NavSection(items=[templates.NavItem(label="Leads", url="/o/acme/leads", icon="users", count=3)])
        ],
        "actions": [templates.NavItem(label="New form", url="/o/acme/forms/new", icon="plus")],
        "banners": [templates.Banner(tone="bad", text="Token refused", action_label="Reconnect", action_url="/fix")],
        "flash": [templates.Flash(text="Saved")],
    } | over
    return templates.Shell(**values)  # type: ignore[arg-type]


def test_time_shows_the_age_and_on_hover_the_moment_in_the_orgs_zone() -> None:
    with clock.travel(NOW + timedelta(minutes=3)):
        html = show("{{ ui.time(at) }}", at=NOW)

    assert "3 minutes ago" in html
    assert 'title="21 Nov 2026, 14:03"' in html
    assert 'datetime="2026-11-21T13:03:00+00:00"' in html


def test_what_a_visitor_typed_is_shown_as_text() -> None:
    html = show(
        "{{ ui.badge(x) }}{{ ui.input('a', x, x, hint=x, error=x) }}{{ ui.copy(x) }}", x='"><script>alert(1)</script>'
    )

    assert "<script" not in html


def test_an_hx_attribute_brings_the_nonce() -> None:
    html = show("{{ ui.button('Load', hx_get='/more') }}")

    assert 'hx-get="/more"' in html
    assert 'hx-nonce="n0nce"' in html


def test_attributes_without_value_are_left_out() -> None:
    html = show("{{ {'hidden': true, 'title': none, 'checked': false, 'data_x': 0} | attrs }}")

    assert html == ' hidden data-x="0"'


def test_a_refused_field_points_to_its_message() -> None:
    html = show(
        "{{ ui.input('email', 'E-mail', hint='Work', error='Not an address', required=true, autocomplete='email') }}"
    )

    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="f-email-error f-email-hint"' in html
    assert 'id="f-email-error"' in html
    assert 'autocomplete="email"' in html


def test_a_summary_of_errors_links_to_the_fields() -> None:
    html = show("{{ ui.form_errors(errors) }}", errors=[FieldError("slug", "Taken")])

    assert '<a href="#f-slug">Taken</a>' in html


MACROS = {
    "avatar": "{{ ui.avatar('Maria Lind') }}{{ ui.identity('Maria', 'm@x.io', '/l') }}",
    "banner": "{{ ui.banner('Text', 'warn', 'Mend', '/m') }}{% call ui.notice('bad') %}x{% endcall %}",
    "button": "{{ ui.icon_button('Close', 'x') }}{{ ui.opener('Open', 'd', 'primary', 'plus') }}",
    "card": "{% call ui.card('T', 'hint', actions=ui.link_button('A', '/a'), flush=true) %}x{% endcall %}",
    "chip": "{% call ui.chips('/') %}{{ ui.chip('Form', 'Contact', '/') }}{% endcall %}",
    "choice": "{{ ui.checkbox('a', 'A', true) }}{{ ui.switch('b', 'B', hint='h') }}{{ ui.radios('c', 'C', [('1', 'One', 'note'), ('2', 'Two')], '1') }}{{ ui.checkboxes('d', 'D', [('1', 'One')], ['1'], error='e') }}",
    "code": "{{ ui.code('x', 'Shell') }}{% call ui.disclosure('Raw') %}x{% endcall %}{{ ui.copy_field('u', 'URL') }}",
    "confirm": "{{ ui.confirm('d', 'Delete?', '/d', ['a lead'], typed='acme', fields={'id': '1'}) }}",
    "empty": "{{ ui.empty('inbox', 'Nothing', 'Yet') }}{% call ui.empty('inbox', 'T', 'x') %}{{ ui.button('Go') }}{% endcall %}",
    "facts": "{{ ui.facts([('A', 'b'), ('C', none)]) }}",
    "form": "{% call ui.form('/s', data_autosubmit=true) %}{{ ui.select('z', 'Z', [('G', [('a', 'A')])], 'a', empty='None') }}{{ ui.textarea('t', 'T', 'v') }}{% call ui.form_actions() %}{{ ui.button('Save', 'primary') }}{% endcall %}{% endcall %}",
    "live": "{% call ui.live('l', '/l', events='/e') %}x{% endcall %}",
    "mapping": "{% call ui.mapping() %}{{ ui.mapping_row('email', [('email', 'E-mail')], 'x', [('x', 'X')], warning='w') }}{% endcall %}",
    "menu": "{% call ui.menu('m') %}{{ ui.menu_link('A', '/a', 'x') }}{{ ui.menu_button('B') }}{{ ui.menu_form('C', '/c') }}{{ ui.menu_rule() }}{% endcall %}",
    "pager": "{{ ui.pager('/n', '/p', '2 of 3') }}{{ ui.pager() }}",
    "progress": "{{ ui.progress(1, 3, 'Import') }}{{ ui.bar('x', 1, 0) }}",
    "rows": "{% call ui.rows('r') %}{% call ui.row('Field') %}x{% endcall %}{% endcall %}{% call ui.row_template('r') %}x{% endcall %}",
    "secret": "{{ ui.secret_once('s2c_live_1') }}",
    "steps": "{{ ui.steps(['A', 'B'], 2) }}{{ ui.breadcrumb([('Leads', '/l')]) }}",
    "table": "{% call ui.table('Leads') %}<thead><tr>{{ ui.check_all() }}{{ ui.th('A', sort='/s', order='asc') }}</tr></thead><tbody><tr>{{ ui.row_check('1', 'x') }}<td>{{ ui.row_link('A', '/a') }}</td></tr></tbody>{% endcall %}{% call ui.bulk_bar('f') %}x{% endcall %}",
    "tabs": "{{ ui.tabs([('A', '/a', true, 3), ('B', '/b', false)]) }}{{ ui.segments([('7 d', '/', true)]) }}",
    "tile": "{% call ui.tiles() %}{{ ui.tile('Leads', 3, 'hint', '+1 %', 'good', '/l') }}{% endcall %}",
    "timeline": "{% call ui.timeline() %}{{ ui.timeline_item('inbox', 'T', none) }}{% call ui.timeline_item('inbox', 'T', none, 'good') %}x{% endcall %}{% endcall %}",
    "toast": "{{ ui.toast('Saved') }}",
    "toolbar": "{% call ui.toolbar('/l', target='#l') %}{{ ui.search(value='q') }}{{ ui.pick('f', 'Form', [('a', 'A')]) }}{% endcall %}",
}


@pytest.mark.parametrize("name", MACROS)
def test_macro_renders(name: str) -> None:
    html = show(MACROS[name])

    assert "<" in html
    assert "None" not in html.replace(">None<", "")


@pytest.mark.parametrize("layout", ["app", "public", "help", "bare"])
def test_layout_renders_with_and_without_an_org(layout: str, tmp_path: Path) -> None:
    inside = templates.render(f"layouts/{layout}.html", page=a_shell())
    outside = templates.render(f"layouts/{layout}.html", page=templates.Shell(title="Log in"))

    assert "Acme <b>" not in inside
    assert "Log in" in outside


def test_scripts_of_a_page_carry_its_nonce() -> None:
    html = templates.render("layouts/app.html", page=a_shell())

    assert html.count("<script") == html.count('nonce="n0nce"') - html.count('hx-nonce="n0nce"')


@pytest.mark.parametrize("name", ["errors/page.html", "errors/fragment.html"])
def test_errors_say_what_happened_and_what_to_do(name: str) -> None:
    html = templates.render(
        name,
        page=templates.Shell(title="Gone"),
        status=404,
        title="There is nothing here",
        detail="No such lead.",
        remedy="Look in the list.",
        request_id="req_1",
        action_label="",
        action_url="",
    )

    assert all(part in html for part in ("There is nothing here", "No such lead.", "Look in the list.", "req_1"))


@pytest.mark.parametrize(("half", "shown"), [("html", "Join A &amp; B"), ("txt", "Join A & B")])
def test_emails_escape_only_their_html_half(half: str, shown: str) -> None:
    mail = templates.render(
        f"emails/layout.{half}",
        subject="Join A & B",
        action_label="Join",
        action_url="https://x.io/i",
        why="Why",
        org_name="A",
    )

    assert shown in mail


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "just now"),
        (-3, "in a moment"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
        (-7300, "in 2 hours"),
        (86400 * 40, "12 Oct"),
    ],
)
def test_ago_in_words(seconds: int, words: str) -> None:
    with clock.travel(NOW):
        assert formats.ago(NOW - timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (999, "999 B"), (1400, "1.4 KB"), (250_000_000, "250 MB")])
def test_sizes_in_words(count: int, words: str) -> None:
    assert formats.size(count) == words


def test_plurals_and_initials() -> None:
    assert (formats.plural(1, "lead"), formats.plural(1200, "lead")) == ("1 lead", "1,200 leads")
    assert (formats.initials("Maria del Mar"), formats.initials("ops@acme.io"), formats.initials("")) == (
        "MM",
        "O",
        "?",
    )


def test_a_macro_name_may_be_used_once(tmp_path: Path) -> None:
    (tmp_path / "ui").mkdir()
    for name in ("a.html", "b.html"):
        (tmp_path / "ui" / name).write_text("{% macro twice() %}{% endmacro %}")

    with pytest.raises(ValueError, match="twice"):
        templates.load(tmp_path)
