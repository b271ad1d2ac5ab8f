"""Whether our engine can run a checkpoint on this machine's GPU, told before it is loaded; its cache's size, after.

The measuring has been run on the CPU alone: there it does the same step and finds no device memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from folioscope.model.choice import ChoiceError
from folioscope.model.engine.interface import Picture, Request, Sampling

if TYPE_CHECKING:
    from folioscope.model.engine.torch_engine import EngineSettings
    from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration

# Compute capabilities with grouped matrix products; on others the experts wait for the host, one by one.
GROUPED = ((9, 0), (10, 0))
HEADROOM = 0.02  # of the device's memory: the CUDA context's growth, and fragments
LEAST_CACHE = 16_384  # tokens, some eight pages being read
ELSE_HELD = 0.05  # of the memory, beyond which another process must be on the GPU
PICTURE_SIDE = 64  # patches


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device as its driver tells it; bytes."""

    name: str
    capability: tuple[int, int]
    free: int
    total: int

    @classmethod
    def here(cls) -> Gpu | None:
        """The GPU of this process; None where there is none."""
        if not torch.cuda.is_available():
            return None
        free, total = torch.cuda.mem_get_info()
        major, minor = torch.cuda.get_device_capability()
        return cls(torch.cuda.get_device_name(), (major, minor), free, total)


class UnfitDeviceError(ChoiceError):
    """Our engine cannot run this checkpoint on this GPU; the message names what can."""


def check_gpu(gpu: Gpu, weight_bytes: int, token_bytes: int) -> None:
    """Raises :class:`UnfitDeviceError` before any weight is loaded."""
    instead = "Give --engine vllm, or a server (--model http://host:8000/v1#NAME)."
    if gpu.capability not in GROUPED:
        major, minor = gpu.capability
        raise UnfitDeviceError(
            f"{gpu.name} has compute capability {major}.{minor}; our own engine's experts need 9.0 (H100, H200) or "
            f"10.0 (B200). {instead}"
        )
    if gpu.total - gpu.free > ELSE_HELD * gpu.total:
        raise UnfitDeviceError(
            f"{(gpu.total - gpu.free) / 1e9:.1f} of {gpu.name}'s {gpu.total / 1e9:.1f} GB are held by another process, "
            "such as a second replica with a part of the GPU. One replica takes a whole GPU: give --gpus-per-replica 1."
        )
    wanted = weight_bytes + LEAST_CACHE * token_bytes
    if wanted > gpu.free * (1 - HEADROOM):
        raise UnfitDeviceError(
            f"the weights ({weight_bytes / 1e9:.1f} GB) and a cache of {LEAST_CACHE:,} tokens do not fit into the "
            f"{gpu.free / 1e9:.1f} GB that are free on {gpu.name}. Take a larger GPU, or a quantised checkpoint with "
            "--engine vllm; docs/capacity.md tells which card holds what."
        )


def cache_tokens(gpu: Gpu, peak: int, token_bytes: int) -> int:
    """Tokens of cache beside the model and the ``peak`` bytes that a step takes; ``gpu.free`` is after loading."""
    return max(0, int((gpu.free - peak - HEADROOM * gpu.total) // token_bytes))


def measure_step(model: KimiVLForConditionalGeneration, settings: EngineSettings) -> int:
    """Bytes of device memory that the largest step takes beside the weights: one is run, as full as a step gets."""
    from folioscope.model.engine.torch_engine import TorchEngine

    on_cuda = model.device.type == "cuda"
    if on_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_cuda else 0
    small = replace(settings, cache_tokens=2 * settings.tokens_per_step + 4096, join_at_once=1, cuda_graphs=False)
    engine = TorchEngine(model, small)
    for request in full_step(settings, model.config.media_placeholder_token_id):
        engine.submit(request)
    engine.step()
    pool = engine.cache_bytes
    del engine
    if not on_cuda:
        return 0
    peak = int(torch.cuda.max_memory_allocated()) - before - pool
    torch.cuda.empty_cache()
    return peak


def full_step(settings: EngineSettings, media_id: int) -> list[Request]:
    """Requests whose pictures and prompts fill one step's budgets."""
    patches = np.zeros((PICTURE_SIDE * PICTURE_SIDE, 3, 14, 14), np.float32)
    picture = Picture(patches, PICTURE_SIDE, PICTURE_SIDE)
    count = max(1, min(settings.patches_per_step // len(patches), settings.tokens_per_step // picture.tokens))
    ids = (*[media_id] * picture.tokens, 1, 2)
    requests = [Request(f"warm-up-{n}", ids, Sampling(1), frozenset(), (picture,)) for n in range(count)]
    rest = settings.tokens_per_step - count * len(ids)
    return requests + [Request("warm-up-text", (1,) * rest, Sampling(1), frozenset())] * (rest > 0)
