"""vLLM behind our interface: its scheduler, its cache and its prefix caching, our tokenizer and processor.

One place holds its settings. vLLM finds shared prefixes by itself, block by block, so ``prefix_key`` is not needed; on
the CPU its latent attention has no prefix caching. Images are handed over as pictures: vLLM cuts the patches, with our
image processor. Wants the extra ``folioscope[vllm]``, whose pins differ: an environment of its own on the actors.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from folioscope.model.engine.interface import Completion, Counters, FinishReason, Request, RequestError
from folioscope.model.engine.loops import is_due, looped
from folioscope.model.engine.vllm_plugin import CPU_COMPILATION, register

MOST_IMAGES = 256
CPU_SEQUENCES, GPU_SEQUENCES = 32, 256


class VllmEngine:
    def __init__(
        self,
        location: str,
        *,
        context_tokens: int | None = None,
        most_sequences: int | None = None,
        tensor_parallel_size: int = 1,
        quantization: str | None = None,
    ) -> None:
        """Raises what vLLM raises for a checkpoint it cannot load; ``location`` is a directory."""
        from vllm import LLM
        from vllm.platforms import current_platform

        register()
        on_cpu = current_platform.is_cpu()
        self.most_sequences = most_sequences or (CPU_SEQUENCES if on_cpu else GPU_SEQUENCES)
        self._llm = LLM(
            model=str(Path(location)),
            dtype=_dtype(location),  # by itself vLLM would run a float32 checkpoint in bfloat16
            max_model_len=context_tokens,
            max_num_seqs=self.most_sequences,
            tensor_parallel_size=tensor_parallel_size,
            quantization=quantization,
            limit_mm_per_prompt={"image": MOST_IMAGES},
            enable_prefix_caching=not on_cpu,
            enforce_eager=on_cpu,
            trust_remote_code=False,
            disable_log_stats=True,
            **({"compilation_config": CPU_COMPILATION} if on_cpu else {}),
        )
        config = self._llm.llm_engine.model_config
        self.context_tokens = int(config.max_model_len)
        self._media_id = int(config.hf_config.media_placeholder_token_id)
        self._running: dict[str, Request] = {}
        self._written: dict[str, list[int]] = {}  # vLLM gives new tokens alone
        self._least: dict[str, float] = {}
        self.counters = Counters()

    def submit(self, request: Request) -> None:
        """Queue a request. Raises :class:`RequestError`."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        total = len(request.ids) + request.sampling.max_new_tokens
        if total > self.context_tokens:
            raise RequestError(
                f"Request {request.key}: {total} tokens pass the {self.context_tokens} of this engine. Give fewer "
                "pages, or ask for a shorter answer."
            )
        sampling = request.sampling
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed if sampling.temperature else None,
            max_tokens=sampling.max_new_tokens,
            stop_token_ids=sorted(request.stop_ids),
            ignore_eos=True,  # what ends a completion is what the request says
            logprobs=0,
            detokenize=request.schema is not None,
            output_kind=RequestOutputKind.DELTA,
            structured_outputs=None if request.schema is None else StructuredOutputsParams(json=request.schema),
        )
        self._llm.llm_engine.add_request(request.key, self._prompt(request), parameters)
        self._running[request.key] = request
        self._written[request.key] = []
        self._least[request.key] = 0.0
        self.counters.requests += 1

    @property
    def unfinished(self) -> int:
        return len(self._running)

    def clear(self) -> None:
        self._llm.llm_engine.abort_request(list(self._running))
        self._running.clear()
        self._written.clear()
        self._least.clear()

    def forget(self, prefix_key: str) -> None:
        """vLLM gives up the blocks of the least recently used prefixes by itself."""

    def step(self) -> list[Completion]:
        begun = time.perf_counter()
        finished = []
        for output in self._llm.llm_engine.step():
            request = self._running.get(output.request_id)
            if request is None:
                continue  # one that was cut off in an earlier step
            completion = self._take(request, output)
            if completion is not None:
                del self._running[output.request_id], self._written[output.request_id]
                del self._least[output.request_id]
                finished.append(completion)
        self.counters.steps += 1
        self.counters.most_sequences = max(self.counters.most_sequences, len(self._running) + len(finished))
        self.counters.busy_seconds += time.perf_counter() - begun
        return finished

    def _take(self, request: Request, output: Any) -> Completion | None:
        """The completion that a request's output so far makes; None while it is still writing."""
        answer = output.outputs[0]
        ids = self._written[request.key]
        ids += answer.token_ids
        for token, chosen in zip(answer.token_ids, answer.logprobs or (), strict=False):
            self._least[request.key] = min(self._least[request.key], float(chosen[token].logprob))
        if output.finished:
            stopped = answer.finish_reason == "stop"
            written = ids[:-1] if stopped and ids and ids[-1] in request.stop_ids else ids
            return self._completion(request, output, written, "stop" if stopped else "length")
        if is_due(len(ids)) and (kept := looped(request, ids)) is not None:
            self._llm.llm_engine.abort_request([output.request_id])
            self.counters.loops_cut += 1
            return self._completion(request, output, ids[:kept], "loop")
        return None

    def _completion(self, request: Request, output: Any, ids: list[int], reason: FinishReason) -> Completion:
        answer = output.outputs[0]
        shared = int(output.num_cached_tokens or 0)
        saved = request.sampling.max_new_tokens - len(self._written[request.key]) if reason == "loop" else 0
        self.counters.prompt_tokens_computed += len(request.ids) - shared
        self.counters.prompt_tokens_shared += shared
        self.counters.images_encoded += len(request.pictures)
        self.counters.output_tokens += len(self._written[request.key])
        self.counters.tokens_saved += saved
        logprob = answer.cumulative_logprob or 0.0
        return Completion(
            key=request.key,
            ids=tuple(ids),
            finish_reason=reason,
            computed_tokens=len(request.ids) - shared,
            mean_logprob=logprob / max(1, len(self._written[request.key])),
            saved_tokens=saved,
            min_logprob=self._least[request.key],
        )

    def _prompt(self, request: Request) -> dict[str, Any]:
        """vLLM's form of a prompt: one image token an image, and the pictures themselves."""
        if not request.pictures:
            return {"prompt_token_ids": list(request.ids)}
        widths = iter(picture.tokens for picture in request.pictures)
        ids: list[int] = []
        skip = 0
        for token in request.ids:
            if skip:
                skip -= 1
                continue
            ids.append(token)
            if token == self._media_id:
                skip = next(widths) - 1
        images = [picture.image for picture in request.pictures]
        if any(image is None for image in images):
            raise RequestError(
                f"Request {request.key}: vLLM cuts patches itself and needs the pictures they come from."
            )
        return {"prompt_token_ids": ids, "multi_modal_data": {"image": [_pil(image) for image in images]}}


def _pil(image: Any) -> Any:
    from PIL import Image

    return Image.fromarray(image)


def _dtype(location: str) -> str:
    """What the checkpoint's config.json says."""
    settings = json.loads((Path(location) / "config.json").read_text("utf-8"))
    return str(settings.get("torch_dtype") or settings.get("dtype") or "auto")
