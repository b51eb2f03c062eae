"""What is not run a second time on PostgreSQL, and why. Everything else is; `make test-postgresql` counts what is left out.

A single test says so itself: `@pytest.mark.only_once("why")`.
"""

from collections import Counter
from pathlib import Path

import pytest

NO_RECORDS = "no database of records in it"
"""Of which conftest.py makes sure: in a file that is listed under it nothing may ask where the records are."""
OF_A_FILE = "about SQLite's file"
OF_ITS_OWN = "on a PostgreSQL of its own in either run"

FILES = {
    NO_RECORDS: (
        "accounts/test_passwords.py",
        "architecture/test_contrast.py",
        "architecture/test_imports.py",
        "architecture/test_templates.py",
        "connectors/test_contract.py",
        "connectors/test_hubspot.py",
        "connectors/test_hubspot_sales.py",
        "connectors/test_mapping.py",
        "connectors/test_pacing.py",
        "connectors/test_sales_contract.py",
        "connectors/test_webhook.py",
        "core/test_agents.py",
        "core/test_assets.py",
        "core/test_config.py",
        "core/test_consumer.py",
        "core/test_crypto.py",
        "core/test_eventstore.py",
        "core/test_eventstore_damage.py",
        "core/test_eventstore_pump.py",
        "core/test_eventstore_upgrade.py",
        "core/test_geo.py",
        "core/test_http.py",
        "core/test_journal",
        "core/test_log.py",
        "core/test_mail.py",
        "core/test_paging.py",
        "core/test_ratelimit.py",
        "core/test_templates.py",
        "core/test_visitors.py",
        "core/test_wordplan.py",
        "forms/test_bodies.py",
        "forms/test_editor.py",
        "forms/test_normalise.py",
        "kit/",
        "links/test_destinations.py",
        "links/test_slugs.py",
        "links/test_token.py",
        "packaging/test_container.py",
        "packaging/test_service.py",
        "packaging/test_single_file.py",
        "packaging/test_spec.py",
        "packaging/test_version.py",
        "website/test_api_reference.py",
        "website/test_front_page.py",
        "website/test_help_centre.py",
        "website/test_help_is_true.py",
        "website/test_readme.py",
    ),
    OF_A_FILE: (
        "backup/test_archive.py",
        "backup/test_cli.py",
        "backup/test_remote.py",
        "backup/test_restore.py",
        "backup/test_restore_crm.py",
        "backup/test_rounds.py",
        "backup/test_shelf.py",
        "core/test_plans.py",
        "delivery/test_plans.py",
    ),
    OF_ITS_OWN: (
        "backup/test_server_copy.py",
        "core/test_moving.py",
        "core/test_upgrade_with_data.py",
        "core/test_nodes.py",
        "core/test_postgresql.py",
        "durability/test_moving.py",
        "durability/test_postgresql.py",
    ),
}
_ROOT = Path(__file__).parent


def mark(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_once(why): says nothing else on PostgreSQL, and is not run again there")


def why_of_file(path: Path) -> str:
    name = str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else ""
    return next((why for why, files in FILES.items() if name.startswith(files)), "")


def why(item: pytest.Item) -> str:
    marked = item.get_closest_marker("only_once")
    return str(marked.args[0]) if marked else why_of_file(item.path)


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> Counter[str]:
    """How many for which reason."""
    reasons = {item: reason for item in items if (reason := why(item))}
    config.hook.pytest_deselected(items=list(reasons))
    items[:] = [item for item in items if item not in reasons]
    return Counter(reasons.values())
