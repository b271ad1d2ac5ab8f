"""Kimi-VL's decoder against transformers' DeepSeek-V3, same sizes and weights, same run, on the CPU.

    python benchmarks/kimi_vl.py [--threads N] [--quick]

About six minutes and 6 GB. Both run greedy steps of one model of 146M parameters whose attention has the published
head sizes. Decoding starts from a cache filled with the same random latents, so that no time goes into prompts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DeepseekV3Config, DynamicCache
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3ForCausalLM

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kimi_peers import BASE_ENTRIES, ORDINARY_IDS, SIZES
from folioscope.model.kimi_vl.cache import LatentCache
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_checkpoint import random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary
from folioscope.pipeline.versions import versions

PROMPTS = (512, 2048)
CONTEXTS = (512, 8192)
BATCHES = (1, 8, 32)
PUBLISHED = KimiVLConfig().text_config
# The peer expands a whole cache at each step: at 32 x 8,192 tokens that is minutes a step and more memory than this.
PEER_MOST_TOKENS = 8 * 8192
METHOD = """\
Method: float32, {threads} threads, inference mode. One model of {parameters:.0f}M parameters (4 layers, 16 experts, 16
heads of 128+64, latent 512+64), the same weights on both sides. Each figure is the best of {rounds} rounds, the two
sides in turn. Prefill: one prompt, all tokens, logits of the last. Decode: one step for every sequence of the batch
over a cache already filled. Ratios are ours / theirs in tokens a second; the lowest over prompts or batches is the
figure reported. Where the peer's step would need over {most} cached tokens it is left out (null).
"""


@dataclass(frozen=True)
class Pair:
    ours: KimiVLForConditionalGeneration
    theirs: DeepseekV3ForCausalLM


def make_pair() -> Pair:
    ours = random_model(KimiVLConfig(**tiny_config(SIZES, tiny_vocabulary(BASE_ENTRIES))))
    text = ours.config.text_config
    same = {name: getattr(text, name) for name in DeepseekV3Config().to_dict() if hasattr(text, name)}
    same = {name: value for name, value in same.items() if name not in ("model_type", "architectures", "dtype")}
    config = DeepseekV3Config(
        **same, rope_parameters={"rope_type": "default", "rope_theta": text.rope_theta}, rope_interleave=True
    )
    theirs = DeepseekV3ForCausalLM(config).eval()
    theirs.load_state_dict(ours.language_model.state_dict(), strict=True)
    return Pair(ours, theirs)


def best_of(rounds: int, *jobs: Callable[[], Any]) -> list[float]:
    """Least seconds of each job, the jobs in turn, after one round that does not count."""
    best = [float("inf")] * len(jobs)
    for turn in range(rounds + 1):
        for number, job in enumerate(jobs):
            begun = time.perf_counter()
            job()
            if turn:
                best[number] = min(best[number], time.perf_counter() - begun)
    return best


def measure_prefill(pair: Pair, length: int, rounds: int) -> dict[str, float]:
    prompt = torch.randint(0, ORDINARY_IDS, (1, length), generator=torch.Generator().manual_seed(length))
    last = {"logits_to_keep": 1, "use_cache": True}
    ours, theirs = best_of(rounds, lambda: pair.ours(prompt, **last), lambda: pair.theirs(prompt, **last))
    return {"ours": length / ours, "theirs": length / theirs, "ratio": theirs / ours}


def measure_decode(pair: Pair, batch: int, context: int, rounds: int) -> dict[str, float | None]:
    token = torch.randint(0, ORDINARY_IDS, (batch, 1), generator=torch.Generator().manual_seed(batch))
    ours = best_of(rounds, decoder_of(pair.ours, token, latent_cache(batch, context)))[0]
    figures: dict[str, float | None] = {"ours": batch / ours, "theirs": None, "ratio": None}
    if batch * context <= PEER_MOST_TOKENS:
        theirs = best_of(rounds, decoder_of(pair.theirs, token, peer_cache(batch, context)))[0]
        figures |= {"theirs": batch / theirs, "ratio": theirs / ours}
    return figures


def decoder_of(model: Any, token: Tensor, cache: Any) -> Callable[[], Any]:
    return lambda: model(token, past_key_values=cache, use_cache=True)


def latents(batch: int, context: int) -> Tensor:
    return torch.randn(batch, 1, context, 576, generator=torch.Generator().manual_seed(context))


def latent_cache(batch: int, context: int) -> LatentCache:
    cache = LatentCache(SIZES.num_hidden_layers)
    held = latents(batch, context)
    for layer in range(SIZES.num_hidden_layers):
        cache.update(held, held[..., :0], layer)
    return cache


def peer_cache(batch: int, context: int) -> DynamicCache:
    cache = DynamicCache()
    held = latents(batch, context)
    for layer in range(SIZES.num_hidden_layers):
        cache.update(held[..., :512], held[..., 512:], layer)
    return cache


def cache_bytes() -> dict[str, int]:
    """Bytes a token over the published layers in bfloat16, measured on a layer of each kind of cache."""
    layers = PUBLISHED.num_hidden_layers
    cache = LatentCache(1)
    latent = torch.zeros(1, 1, 8, PUBLISHED.latent_width, dtype=torch.bfloat16)
    held, _ = cache.update(latent, latent[..., :0], 0)
    heads = PUBLISHED.num_attention_heads
    expanded = torch.zeros(8, heads, PUBLISHED.qk_head_dim + PUBLISHED.v_head_dim, dtype=torch.bfloat16)
    return {"ours": held.nbytes // 8 * layers, "expanded": expanded.nbytes // 8 * layers}


def lowest(ratios: list[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return round(min(known), 2) if known else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="one round and no batch of 32")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = 1 if arguments.quick else 3
    batches = BATCHES[:2] if arguments.quick else BATCHES
    pair = make_pair()
    parameters = sum(p.numel() for p in pair.theirs.parameters()) / 1e6
    print(METHOD.format(threads=arguments.threads, parameters=parameters, rounds=rounds, most=PEER_MOST_TOKENS))
    with torch.inference_mode():
        prefill = {str(length): measure_prefill(pair, length, rounds) for length in PROMPTS}
        for length, row in prefill.items():
            print(f"prefill {length:>5} tokens: {row}")
        decode: dict[str, dict[str, float | None]] = {}
        for context in CONTEXTS:
            for batch in batches:
                decode[f"{batch}x{context}"] = row_ = measure_decode(pair, batch, context, rounds)
                print(f"decode {batch:>2} x {context:>5} cached tokens: {row_}")
    held = cache_bytes()
    print(f"cache bytes a token, published sizes, bfloat16: {held}")
    by_context = {c: lowest([row["ratio"] for at, row in decode.items() if at.endswith(f"x{c}")]) for c in CONTEXTS}
    figures = {
        "prefill_ratio": lowest([row["ratio"] for row in prefill.values()]),
        "decode_ratio_512": by_context[512],
        "decode_ratio_8192": by_context[8192],
        "cache_bytes_per_token": held["ours"],
        "cache_times_smaller": round(held["expanded"] / held["ours"], 2),
        "prefill": prefill,
        "decode": decode,
        "threads": arguments.threads,
        "versions": dict(versions()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
