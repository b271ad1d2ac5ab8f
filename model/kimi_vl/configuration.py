"""Kimi-VL's configuration, as its published config.json has it: a vision part, a text part and the image's token id.

Sizes are read from the file; the defaults are those of Kimi-VL-A3B. What this implementation cannot compute is refused
here, before any weight is read.
"""

from __future__ import annotations

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


class ConfigurationError(ValueError):
    """A config.json asks for something that Kimi-VL does not have."""


@strict
class KimiVLVisionConfig(PreTrainedConfig):  # type: ignore[misc]
    """MoonViT: a vision transformer over images of any size. Lengths in pixels and patches."""

    model_type = "moonvit"

    patch_size: int = 14
    hidden_size: int = 1152
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    intermediate_size: int = 4304
    init_pos_emb_height: int = 64
    init_pos_emb_width: int = 64
    merge_kernel_size: tuple[int, int] | list[int] = (2, 2)
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.hidden_size % self.num_attention_heads or (self.hidden_size // self.num_attention_heads) % 4:
            raise ConfigurationError(
                f"vision_config: {self.num_attention_heads} heads of {self.hidden_size / self.num_attention_heads} "
                "dimensions; a head needs a multiple of 4, half of it for each axis of the rotary embedding."
            )


@strict
class KimiVLTextConfig(PreTrainedConfig):  # type: ignore[misc]
    """The decoder: DeepSeek-V3's form (latent attention, sigmoid router) in Moonlight's sizes."""

    model_type = "kimi_vl_text"
    base_config_key = "text_config"

    vocab_size: int = 163840
    hidden_size: int = 2048
    intermediate_size: int = 11264
    moe_intermediate_size: int = 1408
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    num_key_value_heads: int = 16
    n_shared_experts: int = 2
    n_routed_experts: int = 64
    num_experts_per_tok: int = 6
    first_k_dense_replace: int = 1
    moe_layer_freq: int = 1
    n_group: int = 1
    topk_group: int = 1
    topk_method: str = "noaux_tc"
    scoring_func: str = "sigmoid"
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 2.446
    kv_lora_rank: int = 512
    q_lora_rank: int | None = None
    qk_nope_head_dim: int = 128
    qk_rope_head_dim: int = 64
    v_head_dim: int = 128
    max_position_embeddings: int = 131072
    rope_theta: float = 800000.0
    rms_norm_eps: float = 1e-5
    hidden_act: str = "silu"
    attention_bias: bool = False
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    use_cache: bool = True
    bos_token_id: int | None = 163584
    eos_token_id: int | list[int] | None = 163585
    pad_token_id: int | None = 163839
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        scaling = kwargs.pop("rope_scaling", None)
        parameters = kwargs.pop("rope_parameters", None) or {}
        self.rope_theta = float(parameters.get("rope_theta", self.rope_theta))
        super().__post_init__(**kwargs)
        fixed = {
            "rope_scaling": (scaling or parameters.get("rope_type", "default"), "default"),
            "q_lora_rank": (self.q_lora_rank, None),
            "moe_layer_freq": (self.moe_layer_freq, 1),
            "n_group": (self.n_group, 1),
            "topk_group": (self.topk_group, 1),
            "topk_method": (self.topk_method, "noaux_tc"),
            "scoring_func": (self.scoring_func, "sigmoid"),
            "norm_topk_prob": (self.norm_topk_prob, True),
            "hidden_act": (self.hidden_act, "silu"),
            "attention_bias": (self.attention_bias, False),
            "tie_word_embeddings": (self.tie_word_embeddings, False),
            "num_key_value_heads": (self.num_key_value_heads, self.num_attention_heads),
        }
        odd = [f"{name} is {is_!r}, must be {must!r}" for name, (is_, must) in fixed.items() if is_ != must]
        sizes = ("hidden_size", "moe_intermediate_size", "kv_lora_rank", "qk_rope_head_dim")
        odd += [
            f"{name} is {getattr(self, name)}, must be a multiple of 8" for name in sizes if getattr(self, name) % 8
        ]
        if self.num_experts_per_tok > self.n_routed_experts:
            odd.append(f"{self.num_experts_per_tok} experts a token of only {self.n_routed_experts}")
        if odd:
            raise ConfigurationError(f"text_config: {'; '.join(odd)}. Kimi-VL's decoder is built for nothing else.")

    @property
    def latent_width(self) -> int:
        """Values that the cache holds a token and layer."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def qk_head_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim


@strict
class KimiVLConfig(PreTrainedConfig):  # type: ignore[misc]
    """config.json as a whole. ``media_placeholder_token_id`` is the id that an image's features replace."""

    model_type = "kimi_vl"
    sub_configs: ClassVar[dict[str, Any]] = {"text_config": KimiVLTextConfig, "vision_config": KimiVLVisionConfig}

    text_config: Any = None  # given as a dict or not at all, a KimiVLTextConfig from then on
    vision_config: Any = None
    media_placeholder_token_id: int = 163605
    ignore_index: int = -100
    vocab_size: int = 163840
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        for leftover in ("auto_map", "bos_token_id", "eos_token_id", "pad_token_id"):
            kwargs.pop(leftover, None)
        text, vision = self.text_config, self.vision_config
        self.text_config = text if isinstance(text, KimiVLTextConfig) else KimiVLTextConfig(**(text or {}))
        self.vision_config = vision if isinstance(vision, KimiVLVisionConfig) else KimiVLVisionConfig(**(vision or {}))
        super().__post_init__(**kwargs)
        if self.vocab_size != self.text_config.vocab_size:
            raise ConfigurationError(
                f"config.json: vocab_size is {self.vocab_size}, that of text_config {self.text_config.vocab_size}."
            )
        if not 0 <= self.media_placeholder_token_id < self.vocab_size:
            raise ConfigurationError(
                f"config.json: media_placeholder_token_id {self.media_placeholder_token_id} is no id of a vocabulary "
                f"of {self.vocab_size}."
            )
