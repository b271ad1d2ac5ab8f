"""Finds the JSON object in what a model wrote: with prose or a code fence around it, raw line breaks and LaTeX in it.

Only how the object is spelt is forgiven. What is in it is judged by :mod:`folioscope.model.kimi.structured`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

MOST_STARTS = 256  # braces that are tried as the beginning of an object
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|([A-Za-z]+)|.)", re.S)
# Commands of LaTeX that begin like an escape of JSON: \frac is no form feed.
_COMMANDS = re.compile(
    r"(?:b(?:ackslash|ar|cause|ecause|egin|eta|f|ig\w*|inom|mod|oldsymbol|ot|owtie|oxed|reve|ullet)|f(?:lat|orall|rac|rown)"
    r"|n(?:abla|atural|e|earrow|eg|eq|exists|i|leq|geq|mid|ot|otin|parallel|u|warrow|onumber)"
    r"|r(?:angle|ceil|floor|ho|ight\w*|m)|t(?:an|anh|au|ext\w*|frac|herefore|heta|ilde|imes|o|op|riangle\w*))\Z"
)


def find_object(text: str, required: Collection[str]) -> dict[str, Any]:
    """The last object that has the required keys. Raises ``ValueError``, whose message says what is lacking."""
    whole = _ESCAPE.sub(_as_json, text)
    decoder = json.JSONDecoder(strict=False)  # raw line breaks inside strings
    found: dict[str, Any] | None = None
    problem = "there is no object in it"
    start, tries = whole.find("{"), 0
    while start >= 0 and tries < MOST_STARTS:
        tries += 1
        try:
            value, end = decoder.raw_decode(whole, start)
        except (json.JSONDecodeError, RecursionError) as error:
            problem = f"it is no JSON: {error}"
            end = start + 1
        else:
            missing = sorted(set(required) - value.keys())
            problem = f"{', '.join(missing)} missing"
            found = found if missing else value
        start = whole.find("{", end)
    if found is None:
        raise ValueError(problem)
    return found


def _as_json(escape: re.Match[str]) -> str:
    """A backslash that JSON does not know, or that begins a command of LaTeX, is one that was meant to be written."""
    said, word = escape[0], escape[1]
    if word is None:
        return said if said[1:] in '"\\/' or said[1] == "u" else f"\\{said}"
    if word[0] in "bfnrt" and not _COMMANDS.match(word):
        return said
    return f"\\{said}"
