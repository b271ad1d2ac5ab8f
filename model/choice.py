"""What a user chooses of a model: its name, what runs it, and how it is asked. Pickles; holds no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from folioscope.model.engine.interface import EngineName

Variant = Literal["instruct", "thinking"]
Quantization = Literal["fp8", "awq", "gptq", "compressed-tensors", "bitsandbytes"]
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)


class ChoiceError(ValueError):
    """What was chosen cannot be had; the message says which option is wrong and what to give instead."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and the engine to run it on; models that need no engine ignore the rest.

    ``name`` may be several servers, with spaces between. ``gpus`` is what an actor holds, None where it is left to the
    model. ``variant``, ``dialect`` and ``quantization`` None are told from the model.
    """

    name: str
    engine: EngineName = "torch"
    variant: Variant | None = None
    dialect: str | None = None
    quantization: Quantization | None = None
    gpus: float | None = None

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers that the name gives; () where it names a model of this machine or a store."""
        names = tuple(self.name.split())
        return names if all(is_server(name) for name in names) else ()


def is_server(name: str) -> bool:
    """``https://host/v1#model-name``: what stands before # is a checkpoint's URL where there is no #."""
    return name.startswith(("http://", "https://")) and "#" in name
