"""The help centre's table of contents: one article per task, each a template `templates/help/<slug>.html`."""

from collections.abc import Sequence

from msgspec import Struct

from site2crm.core.templates import NavItem, NavSection


class Article(Struct, frozen=True):
    slug: str
    title: str
    summary: str

    @property
    def url(self) -> str:
        return f"/help/{self.slug}"

    @property
    def template(self) -> str:
        return f"help/{self.slug}.html"


class Section(Struct, frozen=True):
    label: str
    articles: Sequence[Article]


SECTIONS = (
    Section(
        "Begin",
        (
            Article("first-steps", "First steps", "From an empty machine to the first lead, in about ten minutes."),
            Article("install", "Install it on a server", "Program, package or container; HTTPS; upgrades."),
        ),
    ),
    Section(
        "Forms",
        (
            Article("create-a-form", "Create a form", "Fields, consent, where visitors go next, who may post."),
            Article("on-your-website", "Put it on a website", "Link, script, plain HTML, frame or curl."),
            Article("form-builders", "Connect a form builder", "Elementor, WPForms, Webflow, Typeform, ad networks."),
        ),
    ),
    Section(
        "Links",
        (
            Article("links", "Short links", "Make, change and archive them; where they lead and what goes along."),
            Article("analytics", "Clicks, visitors, conversion", "What is counted, what is not, and in which time."),
        ),
    ),
    Section(
        "CRMs",
        (
            Article("test-inbox", "Connect the Test inbox", "See what a CRM would receive, without having one."),
            Article("hubspot", "Connect HubSpot", "Where to get a token and which rights it needs."),
            Article("nutshell", "Connect Nutshell", "Where to make an API key, what goes where, deals."),
            Article("pipedrive", "Connect Pipedrive", "By API token or by signing in; what goes where."),
            Article("salesforce", "Connect Salesforce", "The app to make there, the rights, leads or contacts."),
            Article("zoho", "Connect Zoho CRM", "Which app to register, the rights it needs, what goes where."),
            Article("webhook-crm", "Connect a custom CRM", "Signed webhooks: payload, signature, answers."),
            Article("custom-crm-records", "Records from a custom CRM", "It sends its contacts, deals and activities."),
            Article("crm-webhooks", "Webhooks of the CRM", "So that a change there is known within half a minute."),
            Article("field-mapping", "Map the fields", "Which answer goes into which property of the CRM."),
        ),
    ),
    Section(
        "Leads",
        (
            Article("leads", "Leads and duplicates", "How submissions become one lead per person."),
            Article("quarantine", "Quarantine", "Suspicious submissions wait here; none is refused."),
            Article("connections", "All CRMs at a glance", "What arrives, waits and fails; pause, drain, compare."),
            Article("deliveries", "Deliveries", "States, retries, refused leads, stopped connections."),
            Article("deals", "Deals and salespeople", "What came of your leads, read back from the CRM; the ranking."),
        ),
    ),
    Section(
        "Team and API",
        (
            Article("team", "Team and roles", "Who may do what."),
            Article("api", "API keys and the API", "Sign in, pages, errors, repeats, limits."),
        ),
    ),
    Section(
        "Operate",
        (
            Article("configuration", "Configuration file", "Every setting with its default."),
            Article("command-line", "Command line", "Verbs, options and exit codes."),
            Article("operating", "Watch and mend", "Doctor, status pages, figures, request ids, Sentry, Redis."),
            Article("data", "What is kept and where", "The data folder; a dead machine, a full disk."),
            Article("backups", "Backups", "Made, verified, restored on a new machine; a lost key."),
            Article("privacy", "Privacy", "What is stored about visitors, and what leaves the machine."),
            Article("problems", "Problems", "Every error code, and what to do."),
        ),
    ),
)

ARTICLES = {article.slug: article for section in SECTIONS for article in section.articles}


def navigation(current: str = "") -> list[NavSection]:
    """The list at the side of every help page."""
    return [
        NavSection(
            label=section.label,
            items=[NavItem(label=a.title, url=a.url, current=a.slug == current) for a in section.articles],
        )
        for section in SECTIONS
    ] + [NavSection(label="Reference", items=[NavItem(label="API reference", url="/docs")])]
