"""Parity of our Kimi-VL with vLLM's, on the CPU: same greedy tokens, log-probabilities within a thousandth.

    python benchmarks/kimi_vl_vllm.py --vllm-python VENV/bin/python

VENV is an environment of its own with vLLM for the CPU (0.32 was used), since its pins differ from ours. Makes a tiny
random checkpoint, asks both for text, one image and two images, and compares. vLLM gets our tokenizer and processor by
registration (model/engine/vllm_plugin.py): no code of a checkpoint runs on either side. Two minutes, 4 GB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kimi_peers import run_under_vllm
from folioscope.model.kimi_vl import KimiVLForConditionalGeneration, KimiVLProcessor
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, write_tiny_checkpoint
from folioscope.pipeline.versions import versions

NEW_TOKENS = 24
TOLERANCE = 1e-3
# vLLM's latent attention on the CPU is built for 512 + 64 alone, its expert kernels for widths divisible by 32.
SIZES = TinySizes(
    hidden_size=128,
    intermediate_size=256,
    moe_intermediate_size=64,
    kv_lora_rank=512,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
    max_position_embeddings=2048,
    vision_hidden_size=64,
    vision_num_attention_heads=4,
    vision_intermediate_size=160,
)
METHOD = f"""\
Method: a random checkpoint ({SIZES.num_hidden_layers} layers, latent 512+64, {SIZES.n_routed_experts} experts),
float32 on the CPU, one process each. Greedy, {NEW_TOKENS} new tokens, end tokens ignored. Compared: the tokens, and at
each new place the log-probabilities of the whole vocabulary as far as vLLM gives them. Parity: equal tokens, and no
log-probability further apart than {TOLERANCE}.
"""


def case_images() -> dict[str, list[Image.Image]]:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in ((100, 72), (57, 141))]
    return {"text": [], "one_image": pictures[:1], "two_images": pictures}


def prompt_of(processor: KimiVLProcessor, images: int) -> str:
    content = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": "What does the page say?"}]
    prompt: str = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    return prompt


def ours(checkpoint: Path) -> dict[str, tuple[list[int], NDArray[np.float32]]]:
    """Greedy tokens and log-probabilities (new tokens, vocabulary) of our model."""
    model = KimiVLForConditionalGeneration.from_pretrained(checkpoint)
    processor = KimiVLProcessor.from_pretrained(checkpoint)
    found = {}
    for case, images in case_images().items():
        inputs = processor(images=images or None, text=prompt_of(processor, len(images)), return_tensors="pt")
        found[case] = greedy(model, inputs)
    return found


@torch.inference_mode()
def greedy(model: KimiVLForConditionalGeneration, inputs: Any) -> tuple[list[int], NDArray[np.float32]]:
    """The likeliest token again and again, whatever it is: what vLLM does when end tokens are ignored."""
    out = model(**inputs, use_cache=True, logits_to_keep=1)
    tokens, rows = [], []
    while True:
        rows.append(out.logits[0, -1].log_softmax(-1))
        tokens.append(int(rows[-1].argmax()))
        if len(tokens) == NEW_TOKENS:
            return tokens, torch.stack(rows).numpy()
        out = model(torch.tensor([tokens[-1:]]), past_key_values=out.past_key_values, use_cache=True)


def ask_vllm(checkpoint: Path, out: Path) -> None:
    """Runs under vLLM's own interpreter: the same cases, written to a file."""
    from vllm import LLM, SamplingParams

    from folioscope.model.engine.vllm_plugin import CPU_COMPILATION, register

    register()
    vocabulary = json.loads((checkpoint / "config.json").read_text())["vocab_size"]
    llm = LLM(
        model=str(checkpoint),
        dtype="float32",
        max_model_len=1024,
        enforce_eager=True,
        max_logprobs=vocabulary,
        enable_prefix_caching=False,
        disable_log_stats=True,
        limit_mm_per_prompt={"image": 2},
        compilation_config=CPU_COMPILATION,
        trust_remote_code=False,
    )
    processor = KimiVLProcessor.from_pretrained(checkpoint)
    asked = SamplingParams(temperature=0, max_tokens=NEW_TOKENS, ignore_eos=True, logprobs=vocabulary, detokenize=False)
    arrays: dict[str, NDArray[Any]] = {}
    for case, images in case_images().items():
        prompt: dict[str, Any] = {
            "prompt_token_ids": processor.tokenizer.encode_prompt(prompt_of(processor, len(images)))
        }
        if images:
            prompt["multi_modal_data"] = {"image": images}
        answer = llm.generate([prompt], asked, use_tqdm=False)[0].outputs[0]
        table = np.full((len(answer.logprobs), vocabulary), np.nan, np.float32)
        for row, place in enumerate(answer.logprobs):
            for token, value in place.items():
                table[row, token] = value.logprob
        arrays[f"{case}_tokens"], arrays[f"{case}_logprobs"] = np.array(answer.token_ids), table
    with out.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def theirs(checkpoint: Path, python: str, out: Path) -> dict[str, NDArray[Any]]:
    run_under_vllm(python, __file__, [str(checkpoint), str(out)], threads=1)
    with np.load(out) as held:
        return dict(held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", help="interpreter of the environment that holds vLLM")
    parser.add_argument("--ask", nargs=2, type=Path, metavar=("CHECKPOINT", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        ask_vllm(*arguments.ask)
        return
    if not arguments.vllm_python:
        parser.error("--vllm-python is needed")
    print(METHOD)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny_checkpoint(folder / "model", SIZES)
        mine = ours(folder / "model")
        other = theirs(folder / "model", arguments.vllm_python, folder / "vllm.npz")
    equal: dict[str, bool] = {}
    apart: dict[str, float] = {}
    for case, (tokens, logprobs) in mine.items():
        equal[case] = tokens == other[f"{case}_tokens"].tolist()
        apart[case] = float(np.nanmax(np.abs(other[f"{case}_logprobs"] - logprobs)))
        print(f"{case:>10}: tokens {'equal' if equal[case] else 'DIFFER'}, log-probabilities within {apart[case]:.2e}")
    parity = all(equal.values()) and max(apart.values()) < TOLERANCE
    figures = {"parity": parity, "tokens_equal": equal, "max_logprob_difference": apart, "versions": dict(versions())}
    print(json.dumps(figures))
    sys.exit(0 if parity else 1)


if __name__ == "__main__":
    main()
