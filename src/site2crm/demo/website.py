"""The websites of the demo's clients: one page each, with the client's form embedded as a customer would do it."""

from html import escape

from site2crm.demo.server import Answer, FakeServer, Request

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}</title><style>body{{font:17px/1.6 system-ui;max-width:38rem;margin:4rem auto;padding:0 1rem}}</style>
<h1>{name}</h1><p>{pitch}</p>{form}<p><small>A sample page of the demo.</small></p></html>"""


class Website(FakeServer):
    """`/{slug}` is a client's page."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, tuple[str, str, str]] = {}

    def add(self, slug: str, *, name: str, pitch: str, embed: str) -> None:
        """`embed`: the address of the form's script."""
        self.pages[slug] = (name, pitch, embed)

    def answer(self, request: Request) -> Answer:
        page = self.pages.get(request.path.strip("/"))
        html = {"Content-Type": "text/html; charset=utf-8"}
        if page is None:
            links = "".join(f'<li><a href="/{escape(slug)}">{escape(page[0])}</a>' for slug, page in self.pages.items())
            return Answer(200, f"<!doctype html><title>Websites</title><ul>{links}</ul>".encode(), html)
        name, pitch, embed = page
        form = f'<script src="{escape(embed)}" async></script>'
        return Answer(200, _PAGE.format(name=escape(name), pitch=escape(pitch), form=form).encode(), html)
