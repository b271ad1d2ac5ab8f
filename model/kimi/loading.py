"""From a Kimi-VL checkpoint to a loaded replica: its processor, and the engine that runs it here.

Loading the published weights takes 33 GB of device memory and minutes.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import fsspec

from folioscope.model.choice import ModelChoice
from folioscope.model.dialects.choice import dialect_of
from folioscope.model.engine.interface import Engine, EngineName
from folioscope.model.kimi.description import LARGE_BYTES, resolve
from folioscope.model.kimi.local_copy import local_copy
from folioscope.model.kimi.quantized import format_of, refuse_unloadable
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.token_conversation import TokenConversation
from folioscope.model.kimi.variants import behaviour_of, variant_of
from folioscope.model.kimi_vl import KimiVLProcessor

CPU_CACHE_BYTES = 1 << 30


def load_kimi(choice: ModelChoice) -> KimiReplica:
    """Raises ``CheckpointNotFoundError``, ``CheckpointError``, and ``OSError`` where a store or the hub stumbles."""
    location, _ = resolve(choice.name, weights=True)
    filesystem, root = fsspec.url_to_fs(location)
    name = engine_of(choice.engine)
    refuse_unloadable(name, format_of(filesystem, root), choice.name)
    conversation = TokenConversation(KimiVLProcessor.from_pretrained(location))
    made, context = make_engine(location, replace(choice, engine=name))
    behaviour = behaviour_of(choice.variant or variant_of(filesystem, root, choice.name))
    return KimiReplica(made, conversation, dialect_of(choice, "kimi-vl"), behaviour, context)


def engine_of(name: EngineName) -> EngineName:
    """What ``auto`` means on this machine: vLLM where there is a GPU and it is installed, else our own."""
    if name != "auto":
        return name
    import torch

    return "vllm" if torch.cuda.is_available() and importlib.util.find_spec("vllm") is not None else "torch"


def make_engine(location: str, choice: ModelChoice) -> tuple[Engine, int]:
    """(engine, tokens that one request may hold) for a checkpoint."""
    if choice.engine == "vllm":
        from folioscope.model.engine.vllm_engine import VllmEngine

        tensor_parallel = max(1, round(choice.gpus or 1))
        vllm = VllmEngine(
            str(local_copy(location)), tensor_parallel_size=tensor_parallel, quantization=choice.quantization
        )
        return vllm, vllm.context_tokens
    return _own_engine(location)


def _own_engine(location: str) -> tuple[Engine, int]:
    from folioscope.model.engine import device
    from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
    from folioscope.model.kimi_vl import checkpoint
    from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration

    gpu, weights = device.Gpu.here(), checkpoint.weight_bytes(location)
    if gpu is not None and weights < LARGE_BYTES and gpu.capability not in device.GROUPED:
        gpu = None  # a small model is as well off on the CPU
    if gpu is not None:
        device.check_gpu(gpu, weights, checkpoint.cache_bytes_per_token(location))
    model = checkpoint.load(KimiVLForConditionalGeneration, location, device_map="cpu" if gpu is None else "cuda")
    text = model.config.text_config
    token_bytes = text.num_hidden_layers * text.latent_width * model.dtype.itemsize
    most = 64 * text.max_position_embeddings
    settings = EngineSettings(min(CPU_CACHE_BYTES // token_bytes, most))
    if gpu is not None:
        settings = EngineSettings.for_cuda(settings.cache_tokens)
        peak = device.measure_step(model, settings)
        loaded = device.Gpu.here() or gpu
        settings = EngineSettings.for_cuda(min(device.cache_tokens(loaded, peak, token_bytes), most))
    context = min(text.max_position_embeddings, settings.cache_tokens - 64)
    return TorchEngine(model, settings), context
