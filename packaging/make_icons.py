"""Write static/icons.svg: the icons we name, out of Lucide (ISC), as symbols of one file.

npm pack lucide-static@1.62.0 && tar xzf lucide-static-1.62.0.tgz
python packaging/make_icons.py package/icons
"""

import re
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "static" / "icons.svg"
NAMES = """
activity arrow-down arrow-left arrow-right arrow-up arrow-up-right ban bell book-open building-2 calendar chart-line
check chevron-down chevron-left chevron-right chevrons-up-down circle-alert circle-check circle-help clock code copy
database download ellipsis external-link eye eye-off file-text filter flask-conical form globe grip-vertical hash
inbox info key-round layers layout-dashboard life-buoy link list-checks lock log-out mail menu merge message-square
monitor moon pause pencil phone play plug plus refresh-cw scroll-text search send settings shield sliders-horizontal
square-check star sun trash-2 triangle-alert undo-2 upload user user-plus users webhook x zap
""".split()  # noqa: SIM905 (reads better than that many quotes)
LICENCE = "<!-- Lucide icons, ISC License, Copyright (c) Lucide Icons and Contributors, https://lucide.dev/license -->"

_SVG = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def main(folder: Path) -> None:
    """Every named icon becomes `<symbol id=name>`; strokes are set by `.icon` in the stylesheet."""
    symbols = "\n".join(_symbol(name, (folder / f"{name}.svg").read_text()) for name in NAMES)
    OUT.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{LICENCE}\n{symbols}\n</svg>\n')


def _symbol(name: str, source: str) -> str:
    match = _SVG.search(source)
    if match is None:
        raise ValueError(f"{name}: not an SVG")
    inner = re.sub(r"\s+", " ", match[1]).replace(" />", "/>").replace("> <", "><").strip()
    return f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>'


if __name__ == "__main__":
    main(Path(sys.argv[1]))
