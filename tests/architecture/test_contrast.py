"""The colours of tokens.css against WCAG 2.2 AA, computed: text 4.5:1, edges of controls 3:1, in light and dark."""

import math
import re

import pytest

from site2crm.core import resources

TOKEN = re.compile(r"--([\w-]+):\s*light-dark\(oklch\(([^)]*)\),\s*oklch\(([^)]*)\)\)")
GROUNDS = ("canvas", "surface", "raised", "sunken", "hover")

TEXT = [
    (ink, ground)
    for ink in ("ink", "ink-2")
    for ground in (*GROUNDS, "accent-soft", "good-soft", "warn-soft", "bad-soft")
]
TEXT += [("ink-3", ground) for ground in ("canvas", "surface", "sunken", "raised")]
TEXT += [(tone, f"{tone}-soft") for tone in ("accent", "good", "warn", "bad")]
TEXT += [(tone, ground) for tone in ("accent", "good", "warn", "bad") for ground in ("canvas", "surface", "raised")]
TEXT += [("on-accent", "accent"), ("on-accent", "accent-hover"), ("surface", "bad")]
EDGES = [("line-input", ground) for ground in ("canvas", "surface", "raised")] + [
    ("accent", ground) for ground in GROUNDS
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_is_readable_on_its_ground(scheme: str, ink: str, ground: str) -> None:
    colours = palette(scheme)

    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("edge", "ground"), EDGES)
def test_edges_of_controls_are_visible_on_their_ground(scheme: str, edge: str, ground: str) -> None:
    colours = palette(scheme)

    assert contrast(colours[edge], colours[ground]) >= 3


def palette(scheme: str) -> dict[str, tuple[float, float, float]]:
    css = (resources.static() / "css" / "tokens.css").read_text()
    return {name: linear_rgb(light if scheme == "light" else dark) for name, light, dark in TOKEN.findall(css)}


def linear_rgb(oklch: str) -> tuple[float, float, float]:
    """Oklch to linear sRGB (Ottosson's matrices), clipped to the gamut as a screen does."""
    lightness, chroma, hue = (float(part.rstrip("%")) for part in oklch.split())
    lightness, angle = lightness / 100, math.radians(hue)
    a, b = chroma * math.cos(angle), chroma * math.sin(angle)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    return clip(red), clip(green), clip(blue)


def clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(rgb: tuple[float, float, float]) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
