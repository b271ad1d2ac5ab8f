"""What a model server says that throttles, drops, stalls, truncates, talks nonsense and echoes the key in an error."""

from __future__ import annotations

import json
from typing import Any

from chat_server import KEY, Say, words

REFUSED_QUESTION = "What does the server say where it refuses?"
PAGE = "# Weirs\n\nThe weir at Sallow was rebuilt in 1987."
FAULTS = {
    "throttles": Say(status=429, error={"message": "slow down"}, headers={"Retry-After": "0.1"}),
    "fails": Say(status=500, error={"message": f"internal error for key {KEY}"}),
    "drops": Say([*words("half a pa"), None]),
    "truncates": Say(words("half a page"), finish=None),
    "talks nonsense": Say(raw="data: nonsense\n\n"),
    "dies": Say(words("half"), error={"message": f"worker died, key {KEY}"}, finish=None),
}
STALLS = Say([*words("half"), 6.0, "late"])


def answer(body: dict[str, Any], number: int, faults: tuple[Say, ...] = tuple(FAULTS.values())) -> Say:
    """Every other request meets a fault; what is asked last decides the answer."""
    asked = json.dumps(body["messages"])
    if REFUSED_QUESTION in asked:
        return Say(status=400, error={"message": f"The key {KEY} may not ask this."})
    if number % 2:
        return faults[number // 2 % len(faults)]
    if "Summarise" in asked:
        form: dict[str, Any] = {
            "summary": "A weir.",
            "key_points": [{"text": "t", "page": 1, "quote": "weir at Sallow"}],
        }
        return Say(words(json.dumps(form)))
    if "Question:" in asked:
        form = {"answerable": True, "answer": "1987", "page": 1, "quote": "rebuilt in 1987"}
        return Say(words(f"Here it is: {json.dumps(form)}"))
    return Say(words(PAGE))
