"""In which script each line of a scan is written, and in which the page as a whole may be, told from the lines' looks.

The longest lines are looked at first, the others only where those do not agree: some milliseconds a page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from folioscope.model.embedded.scripts import SCRIPTS, script_shares

SAMPLE = 12  # the longest lines, by which a page's main script is told
OF_ONE_MIND = 0.75  # of what they say, from which the others need not be looked at
SURE_OF_SCRIPT = 0.85
MAY_BE = 0.12  # of what the lines say, from which a script is thought of at all
MOSTLY_SIGNS = 0.8  # of what they say: a page of digits
STUBBY = 2.0  # times as wide as high: a shorter line does not tell its script
SMALL_PART = 0.06  # of the writing; a script with less of it than this was mistaken


def line_scripts(
    crops: Sequence[NDArray[np.uint8]], tall: NDArray[np.bool_], areas: NDArray[np.float64]
) -> tuple[list[str], list[str]]:
    """(the script of each line, the scripts that the page may be in, the likeliest first).

    Short lines, signs and what is not told surely follow the page's main script.
    """
    telling = [n for n, crop in enumerate(crops) if not tall[n] and crop.shape[1] > STUBBY * crop.shape[0]]
    telling.sort(key=lambda n: -crops[n].shape[1])
    first, rest = telling[:SAMPLE], telling[SAMPLE:]
    shares = dict(zip(first, script_shares([crops[n] for n in first]), strict=True))
    possible, weight = _main_scripts(shares, areas)
    if weight < OF_ONE_MIND and rest:
        shares |= dict(zip(rest, script_shares([crops[n] for n in rest]), strict=True))
        possible, _ = _main_scripts(shares, areas)
    main = possible[0]
    scripts = [_sure(shares.get(number), main) for number in range(len(crops))]
    held = {script: share_of(scripts, script, areas) for script in set(scripts)}
    return [script if held[script] >= SMALL_PART else main for script in scripts], possible


def _sure(shares: NDArray[np.float32] | None, main: str) -> str:
    """A line's own script where it is sure, else the page's."""
    if shares is None or shares.max() < SURE_OF_SCRIPT or SCRIPTS[int(shares.argmax())] == "None":
        return main
    return SCRIPTS[int(shares.argmax())]


def _main_scripts(shares: dict[int, NDArray[np.float32]], areas: NDArray[np.float64]) -> tuple[list[str], float]:
    """(the scripts that the lines together speak for, the first one's part); None where they hold but signs."""
    if not shares:
        return ["None"], 1.0
    votes = sum((areas[number] * row.astype(np.float64) for number, row in shares.items()), np.zeros(len(SCRIPTS)))
    votes /= votes.sum()
    if votes[SCRIPTS.index("None")] > MOSTLY_SIGNS:
        return ["None"], 1.0
    votes[SCRIPTS.index("None")] = 0.0
    votes /= votes.sum()
    likely = [int(number) for number in np.argsort(-votes) if votes[number] >= MAY_BE] or [int(votes.argmax())]
    return [SCRIPTS[number] for number in likely], float(votes[likely[0]])


def share_of(scripts: Sequence[str], script: str, areas: NDArray[np.float64]) -> float:
    """How much of the writing is in a script."""
    return float(sum(area for area, own in zip(areas, scripts, strict=True) if own == script) / areas.sum())
