"""On CUDA: the kernel against plain attention, graphs against kernels launched one by one, the nano model's reading.

Needs a GPU of compute capability 9.0 (grouped products in bfloat16); without one all of it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from folioscope.model.engine.interface import Completion, Picture, Request, Sampling, complete_in_order
from folioscope.model.engine.schedule import Piece
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl.checkpoint import load
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.experts import gated
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.rotary import rotate, text_rotation
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability() < (9, 0), reason="no GPU that can run it"
)

VOCABULARY = tiny_vocabulary(512)
MEDIA = VOCABULARY.media_placeholder_token_id
# Head sizes, experts and widths as published; three layers and a small vocabulary.
WIDE = TinySizes(
    hidden_size=2048,
    intermediate_size=11_264,
    moe_intermediate_size=1408,
    num_attention_heads=16,
    n_routed_experts=64,
    num_experts_per_tok=6,
    kv_lora_rank=512,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
    vision_hidden_size=1152,
    vision_intermediate_size=4304,
    vision_num_attention_heads=16,
)


@pytest.fixture(autouse=True)
def exact_float32() -> Iterator[None]:
    """Products in float32 are float32's, so that devices may be compared."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def config(sizes: TinySizes) -> KimiVLConfig:
    return KimiVLConfig(**tiny_config(sizes, VOCABULARY))


def requests(count: int, new: int, seed: int = 0) -> list[Request]:
    """Prompts of 20 to 900 tokens, every second one with a picture; nothing ends early."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        text = rng.integers(0, 500, int(rng.integers(20, 900))).tolist()
        pictures: tuple[Picture, ...] = ()
        if n % 2:
            columns = 2 * (3 + n)
            patches = rng.standard_normal((8 * columns, 3, 14, 14), dtype=np.float32)
            pictures = (Picture(patches, 8, columns),)
        ids = [1, *(i for shown in pictures for i in (530, *[MEDIA] * shown.tokens, 532)), *text]
        found.append(Request(f"{n}", tuple(ids), Sampling(new), frozenset(), pictures, stop_on_loop=False))
    return found


def complete(model: KimiVLForConditionalGeneration, asked: list[Request]) -> list[Completion]:
    engine = TorchEngine(model, EngineSettings(cache_tokens=64 * 1024, most_sequences=16, tokens_per_step=1024))
    return complete_in_order(engine, asked)


@pytest.mark.parametrize(
    ("heads", "rank", "rope", "dtype", "most"),
    [(16, 512, 64, torch.bfloat16, 1e-2), (16, 512, 64, torch.float32, 1e-5), (4, 48, 8, torch.bfloat16, 1e-2)],
)
def test_the_kernel_is_attention(heads: int, rank: int, rope: int, dtype: torch.dtype, most: float) -> None:
    from folioscope.model.engine.paged_kernel import attend_pages, splits_for

    lengths = [1, 15, 64, 65, 511, 512, 513, 4000, 20_000, 32_768, 32_769, 70_000]
    latents = torch.randn(1200, 64, rank + rope, device="cuda").to(dtype)
    query = torch.randn(len(lengths), heads, rank + rope, device="cuda").to(dtype)
    tables = torch.stack([torch.randperm(1200)[:1100] for _ in lengths]).int().cuda()
    held = torch.tensor(lengths, dtype=torch.int32, device="cuda")
    seen = attend_pages(query, latents, tables, held, splits_for(70_000), rank, 0.072)
    assert bool(seen.isfinite().all())
    for row, length in enumerate(lengths):
        context = latents[tables[row].long()].flatten(0, 1)[:length].double()
        wanted = (query[row].double() @ context.mT * 0.072).softmax(-1) @ context[:, :rank]
        assert float((seen[row].double() - wanted).norm() / wanted.norm()) < most


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_fused_steps_are_the_plain_ones(dtype: torch.dtype, most: float) -> None:
    """With gradients the same functions take PyTorch's steps."""
    query = torch.randn(37, 16, 192, device="cuda").to(dtype)
    joint = torch.randn(37, 3, 16, 72, device="cuda").to(dtype)
    gates = torch.randn(37, 2 * 1408, device="cuda").to(dtype)
    places = torch.arange(37, device="cuda")
    experts = random_model(config(WIDE), device="cuda", dtype=dtype).language_model.model.layers[1].mlp
    steps: dict[str, Callable[[], Tensor]] = {
        "queries": lambda: rotate(query[..., 128:], text_rotation(places, 64, 800_000.0)),
        "position": lambda: rotate(query[:, 0, 128:], text_rotation(places, 64, 800_000.0)),
        "patches": lambda: rotate(joint[:, :2], text_rotation(places, 72, 10_000.0)),
        "gate": lambda: gated(*gates.chunk(2, dim=-1)),
    }
    if dtype == torch.bfloat16:  # what grouped products want
        hidden = torch.randn(37, 2048, device="cuda").to(dtype)
        steps["experts"] = lambda: experts(hidden)
    for name, step in steps.items():
        with torch.enable_grad():
            plain = step().detach()
        with torch.no_grad():
            one = step()
        assert one.shape == plain.shape
        assert float((one - plain).float().norm() / plain.float().norm()) < most, name


def test_the_same_tokens_in_float32_as_on_the_cpu() -> None:
    on_cpu = random_model(config(TinySizes()), seed=3)
    on_gpu = random_model(config(TinySizes()), seed=3).to("cuda")
    asked = requests(8, 24)
    wanted = complete(on_cpu, asked)
    assert [c.ids for c in complete(on_gpu, asked)] == [c.ids for c in wanted]


def test_graphs_compute_what_single_launches_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step over the same cache, while sequences come and go: logits within bfloat16's rounding."""
    model = random_model(config(WIDE), device="cuda", dtype=torch.bfloat16)
    engine = TorchEngine(model, EngineSettings(cache_tokens=64 * 1024, most_sequences=16, tokens_per_step=1024))
    recorded = engine._graphs
    assert recorded is not None
    errors: list[float] = []
    sizes: set[int] = set()

    class Compared:
        def logits(self, pieces: list[Piece]) -> Tensor:
            replayed = recorded.logits(pieces).clone()
            launched = model.language_model.lm_head(engine._hidden(pieces))
            errors.append(float((replayed - launched).float().norm() / launched.float().norm()))
            sizes.add(len(pieces))
            return replayed

    monkeypatch.setattr(engine, "_graphs", Compared())
    asked = [replace(one, sampling=Sampling(2 + 9 * n)) for n, one in enumerate(requests(20, 1, seed=2))]
    completions = complete_in_order(engine, asked)
    assert [len(c.ids) for c in completions] == [one.sampling.max_new_tokens for one in asked]
    assert len(sizes) > 8
    assert max(errors) < 0.02, max(errors)


def test_bfloat16_is_near_float32() -> None:
    narrow = random_model(config(WIDE), device="cuda", dtype=torch.bfloat16)
    wide = random_model(config(WIDE), device="cuda", dtype=torch.bfloat16).float()
    asked = requests(12, 1, seed=1)
    near, exact = (np.array([c.mean_logprob for c in complete(model, asked)]) for model in (narrow, wide))
    assert np.abs(near - exact).mean() < 0.2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_nano_model_reads(dtype: str) -> None:
    pytest.importorskip("pymupdf")  # its fonts
    from examples.nano.evaluation import answer, character_errors, reading_set
    from examples.nano.lessons import Desk
    from examples.nano.replica import FOLDER
    from folioscope.model.kimi_vl import KimiVLTokenizer

    desk, lessons = Desk(KimiVLTokenizer.from_pretrained(FOLDER)), reading_set("four_lines", 30)

    def read(device: str, dtype: str) -> list[str]:
        model = load(KimiVLForConditionalGeneration, FOLDER, dtype=dtype, device_map=device)
        return [desk.text(completion.ids) for completion in answer(model, desk, lessons)]

    texts = read("cuda", dtype)
    rate, worst = character_errors(texts, lessons)
    assert rate <= 0.10, worst
    if dtype == "float32":
        assert texts == read("cpu", dtype)
