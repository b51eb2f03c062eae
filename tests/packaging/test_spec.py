"""What the frozen program must be told of, because nothing that is read before the start names it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_library_that_is_loaded_late_is_in_the_binary() -> None:
    heavy = (ROOT / "src/site2crm/core/heavy.py").read_text()
    spec = (ROOT / "packaging/site2crm.spec").read_text()
    late = {name.partition(".")[0] for name in re.findall(r'import_module\("([\w.]+)"\)', heavy)} - {"site2crm"}
    assert len(late) > 5
    assert {name for name in late if f'"{name}"' not in spec} == set()
