"""Makes small Kimi-VL checkpoints with random weights, in the published layout and under the published file names.

For tests and benchmarks: real configuration keys, tensor names, shards with an index, tokenizer and processor files.
The default takes a fraction of a second and 2 MB. Random weights prove shapes, parity and speed, never quality.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from folioscope.model.kimi_vl.checkpoint import INDEX_FILE, empty_model, stored_parts
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_tokenizer import TinyVocabulary, write_tiny_tokenizer


@dataclass(frozen=True, slots=True)
class TinySizes:
    """Sizes by the names of config.json; the vision part's carry ``vision_``."""

    hidden_size: int = 64
    intermediate_size: int = 96
    moe_intermediate_size: int = 32
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    n_routed_experts: int = 8
    n_shared_experts: int = 2
    num_experts_per_tok: int = 3
    kv_lora_rank: int = 32
    qk_nope_head_dim: int = 24
    qk_rope_head_dim: int = 16
    v_head_dim: int = 20
    max_position_embeddings: int = 131_072
    rope_theta: float = 800_000.0
    vision_hidden_size: int = 72
    vision_intermediate_size: int = 96
    vision_num_hidden_layers: int = 2
    vision_num_attention_heads: int = 2
    vision_init_pos_emb_height: int = 8
    vision_init_pos_emb_width: int = 8


def tiny_config(sizes: TinySizes, vocabulary: TinyVocabulary, dtype: str = "float32") -> dict[str, Any]:
    """A config.json with the keys of the published one."""
    given = asdict(sizes)
    vision = {name.removeprefix("vision_"): value for name, value in given.items() if name.startswith("vision_")}
    text = {name: value for name, value in given.items() if not name.startswith("vision_")}
    return {
        "architectures": ["KimiVLForConditionalGeneration"],
        "model_type": "kimi_vl",
        "vision_config": {"model_type": "moonvit", "patch_size": 14, "merge_kernel_size": [2, 2], **vision},
        "text_config": {
            **text,
            "vocab_size": vocabulary.vocab_size,
            "num_key_value_heads": sizes.num_attention_heads,
            "first_k_dense_replace": 1,
            "moe_layer_freq": 1,
            "n_group": 1,
            "topk_group": 1,
            "topk_method": "noaux_tc",
            "scoring_func": "sigmoid",
            "norm_topk_prob": True,
            "routed_scaling_factor": 2.446,
            "q_lora_rank": None,
            "rope_scaling": None,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "attention_bias": False,
            "tie_word_embeddings": False,
            "bos_token_id": vocabulary.bos_token_id,
            "eos_token_id": vocabulary.eos_token_id,
            "pad_token_id": vocabulary.pad_token_id,
        },
        "ignore_index": -100,
        "media_placeholder_token_id": vocabulary.media_placeholder_token_id,
        "torch_dtype": dtype,
        "tie_word_embeddings": False,
        "vocab_size": vocabulary.vocab_size,
    }


def write_tiny_checkpoint(
    folder: Path,
    sizes: TinySizes | None = None,
    *,
    base_entries: int = 512,
    in_token_limit: int = 4096,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    shards: int = 2,
) -> KimiVLConfig:
    """Write a whole checkpoint of random weights into ``folder`` and return its configuration.

    ``base_entries`` is the vocabulary without its 256 special slots.
    """
    vocabulary = write_tiny_tokenizer(folder, base_entries=base_entries, in_token_limit=in_token_limit)
    settings = tiny_config(sizes or TinySizes(), vocabulary, str(dtype).removeprefix("torch."))
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    config = KimiVLConfig(**settings)
    write_weights(folder, random_model(config, seed).to(dtype), shards)
    return config


def random_model(
    config: KimiVLConfig, seed: int = 0, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> KimiVLForConditionalGeneration:
    """A model whose weights keep hidden states near unit size, so that every part matters to the result."""
    generator = torch.Generator(device).manual_seed(seed)
    model = empty_model(KimiVLForConditionalGeneration, config, torch.device(device), dtype)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            fan_in = tensor.shape[1:].numel() if "experts" not in name or tensor.dim() < 3 else tensor.shape[-1]
            if "norm" in name and name.endswith("weight"):
                tensor.normal_(1.0, 0.1, generator=generator)
            elif name.endswith(("bias", "pos_emb.weight")):
                tensor.normal_(0.0, 0.1, generator=generator)
            elif "embed_tokens" in name:
                tensor.normal_(0.0, 1.0, generator=generator)
            else:
                tensor.normal_(0.0, 1.5 * fan_in**-0.5, generator=generator)
    return model


def write_weights(folder: Path, model: KimiVLForConditionalGeneration, shards: int) -> None:
    """The model's tensors under their published names, in files of about equal size, with an index."""
    parts = [part for name, held in model.state_dict().items() for part in stored_parts(name, held)]
    total = sum(part.nbytes for _, part in parts)
    files: list[dict[str, Tensor]] = [{} for _ in range(shards)]
    filled = 0
    for name, part in parts:
        files[min(shards - 1, filled * shards // total)][name] = part.contiguous().clone()
        filled += part.nbytes
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    for file_name, tensors in zip(names, files, strict=True):
        save_file(tensors, str(folder / file_name), metadata={"format": "pt"})
    weight_map = {name: file_name for file_name, tensors in zip(names, files, strict=True) for name in sorted(tensors)}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", "utf-8")
