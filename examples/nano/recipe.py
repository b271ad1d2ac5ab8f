"""The nano model's sizes and vocabulary: the architecture of Kimi-VL, small enough to lie in the repository (10 MB)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary, write_tiny_tokenizer
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer

BASE_ENTRIES = 256  # single bytes: what is read is spelt out
SIZES = TinySizes(
    hidden_size=192,
    intermediate_size=512,
    moe_intermediate_size=72,
    num_hidden_layers=4,
    num_attention_heads=4,
    n_routed_experts=8,
    n_shared_experts=1,
    num_experts_per_tok=2,
    kv_lora_rank=64,
    qk_nope_head_dim=32,
    qk_rope_head_dim=32,
    v_head_dim=48,
    max_position_embeddings=4096,
    rope_theta=10_000.0,
    vision_hidden_size=192,
    vision_intermediate_size=512,
    vision_num_hidden_layers=6,
    vision_num_attention_heads=4,
    vision_init_pos_emb_height=16,
    vision_init_pos_emb_width=16,
)
# Layers that write into the residual stream begin small, the heads that judge smaller still.
_SMALLER = {".wo": 0.35, ".fc1": 0.35, ".o_proj": 0.35, ".down_proj": 0.35, "lm_head": 0.2, "linear_2": 0.5}


def make_tokenizer(folder: Path) -> KimiVLTokenizer:
    """The real tokenizer over 256 bytes and the 256 special slots."""
    write_tiny_tokenizer(folder, base_entries=BASE_ENTRIES, merges=0)
    tokenizer: KimiVLTokenizer = KimiVLTokenizer.from_pretrained(folder)
    return tokenizer


def make_config() -> KimiVLConfig:
    return KimiVLConfig(**tiny_config(SIZES, tiny_vocabulary(BASE_ENTRIES)))


def make_model(vocabulary: int, seed: int) -> KimiVLForConditionalGeneration:
    torch.manual_seed(seed)
    config = make_config()
    assert config.vocab_size == vocabulary
    model = KimiVLForConditionalGeneration(config)
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                fan_in = module.weight[0].numel()
                smaller = next((factor for end, factor in _SMALLER.items() if name.endswith(end)), 1.0)
                module.weight.normal_(0.0, smaller * fan_in**-0.5)
        for name, tensor in model.named_parameters():
            if name.endswith(("embed_tokens.weight", "experts.gate_up_proj", "experts.down_proj", "gate.weight")):
                smaller = 0.35 if name.endswith("down_proj") else 1.0
                tensor.normal_(0.0, 0.3 if "embed" in name else smaller * tensor.shape[-1] ** -0.5)
            elif name.endswith("pos_emb.weight"):
                tensor.normal_(0.0, 0.05)
    return model
