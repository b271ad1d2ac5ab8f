"""The decoder: 27 layers over a flat list of tokens, of one sequence or of many; who sees whom is the caller's.

2.24B parameters are active a token: 4.5 GFLOP, and the 15.96B of the whole are read from memory when a batch touches
every expert. Logits are computed for the tokens asked for alone: for a prompt of 100,000 tokens all would take 65 GB.
"""

from __future__ import annotations

from torch import Tensor, nn

from folioscope.model.kimi_vl.attention import Attend, LatentAttention, RmsNorm
from folioscope.model.kimi_vl.configuration import KimiVLTextConfig
from folioscope.model.kimi_vl.experts import MixtureOfExperts, SwiGlu
from folioscope.model.kimi_vl.rotary import text_rotation


class DecoderLayer(nn.Module):
    def __init__(self, config: KimiVLTextConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = LatentAttention(config, layer)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        dense = layer < config.first_k_dense_replace
        self.mlp = SwiGlu(config.hidden_size, config.intermediate_size) if dense else MixtureOfExperts(config)

    def forward(self, hidden: Tensor, rotation: Tensor, attend: Attend) -> Tensor:
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), rotation, attend)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Decoder(nn.Module):
    def __init__(self, config: KimiVLTextConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, embedded: Tensor, positions: Tensor, attend: Attend, states: list[Tensor] | None = None
    ) -> Tensor:
        """``embedded`` (tokens, width) at ``positions`` (tokens,) to normed hidden states (tokens, width).

        ``states``, where given, receives the input of each layer.
        """
        rotation = text_rotation(positions, self.config.qk_rope_head_dim, self.config.rope_theta)
        hidden = embedded
        for layer in self.layers:
            if states is not None:
                states.append(hidden)
            hidden = layer(hidden, rotation, attend)
        return self.norm(hidden)


class LanguageModel(nn.Module):
    """Decoder and head under the names that checkpoints give them."""

    def __init__(self, config: KimiVLTextConfig) -> None:
        super().__init__()
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
