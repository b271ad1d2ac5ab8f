"""Whether a checkpoint is a Kimi-VL at all: told from its ``config.json`` in one small read, before it is loaded."""

from __future__ import annotations

import json
from typing import Any, Final

MODEL_TYPE: Final = "kimi_vl"
ARCHITECTURE: Final = "KimiVLForConditionalGeneration"


def what_it_is(filesystem: Any, root: str) -> str | None:
    """What the checkpoint is where it is no Kimi-VL, in words for a message; None where it is one.

    A checkpoint without ``config.json`` is for others to refuse.
    """
    path = f"{root}/config.json"
    if not filesystem.exists(path):
        return None
    try:
        config = json.loads(filesystem.cat_file(path))
    except ValueError as error:
        return f"its config.json is not valid JSON ({error})"
    if not isinstance(config, dict):
        return "its config.json holds no settings"
    model_type = config.get("model_type")
    architectures = config.get("architectures") or []
    if model_type == MODEL_TYPE or ARCHITECTURE in architectures:
        return None
    found = ", ".join(map(str, architectures)) or "no architecture"
    return f"its config.json is of a model of type {model_type or 'unknown'} ({found})"
