"""Which form a checkpoint's weights have, and which engine can load it: others are refused before they are loaded."""

from __future__ import annotations

import json
from typing import Any

from folioscope.model.choice import QUANTIZATIONS, ChoiceError
from folioscope.model.engine.interface import EngineName

PLAIN = "plain"


class UnloadableError(ChoiceError):
    """The checkpoint's format is one that the chosen engine cannot load; the message names what can."""


def format_of(filesystem: Any, root: str) -> str:
    """``plain``, ``gguf``, or how a checkpoint says that it is quantised (``fp8``, ``awq``, ``gptq``, …)."""
    if root.endswith(".gguf"):
        return "gguf"
    config = f"{root}/config.json"
    if not filesystem.exists(config):
        names = filesystem.ls(root, detail=False) if filesystem.isdir(root) else []
        return "gguf" if any(str(name).endswith(".gguf") for name in names) else PLAIN
    settings = json.loads(filesystem.cat_file(config))
    inner = settings.get("text_config") or {}
    quantization = settings.get("quantization_config") or inner.get("quantization_config")
    if not isinstance(quantization, dict):
        return PLAIN
    return str(quantization.get("quant_method") or "unknown").casefold()


def refuse_unloadable(engine: EngineName, form: str, name: str) -> None:
    """Raises :class:`UnloadableError`."""
    if form == "gguf":
        raise UnloadableError(
            f"--model {name} is GGUF, which no engine of this process loads. Serve it with llama.cpp (llama-server) "
            "and give --model http://host:8080/v1#NAME, or take the checkpoint's safetensors."
        )
    if form == PLAIN:
        return
    if engine == "torch":
        raise UnloadableError(
            f"--model {name} is quantised ({form}), and our own engine computes in bfloat16 or float32 alone. Give "
            "--engine vllm, or a server (--model http://host:8000/v1#NAME), or take the unquantised checkpoint."
        )
    if form not in QUANTIZATIONS:
        raise UnloadableError(
            f"--model {name} is quantised as {form}; known here are {', '.join(QUANTIZATIONS)}. Serve it with "
            "what it was made for and give --model http://host:8000/v1#NAME."
        )
