"""ScreenSpot's rule: the point that a model clicks lies in the target's box."""

from __future__ import annotations

import re

_POINT = re.compile(r"x=([\d.]+), y=([\d.]+)")


def clicked(response: str) -> tuple[float, float] | None:
    """The point of ``pyautogui.click(x=…, y=…)``; (0, 0) where none is named, None where its numbers are none."""
    found = _POINT.search(response)
    if found is None:
        return 0.0, 0.0
    try:
        return float(found[1]), float(found[2])
    except ValueError:
        return None


def in_box(response: str, box: tuple[float, float, float, float], width: int, height: int) -> bool:
    """``box`` is x0, y0, x1, y1 in shares of the picture. A point with a coordinate above 1 is taken as pixels."""
    point = clicked(response)
    if point is None:
        return False
    x, y = point
    if x > 1 or y > 1:
        x, y = x / width, y / height
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
