"""Our engine: continuous batching of Kimi-VL over a paged latent cache, on the CPU and on CUDA from the same code.

Each step runs one flat list of tokens through the decoder: one of every sequence that is writing, and pieces of
prompts. Images of new requests are encoded before, packed up to a budget of patches. A shared prefix is computed by the
first request that has it, and read from the same pages by all others. Memory is fixed when the engine is made: the
pool of pages, and the activations of one step. Prompts are read in pieces, so a long one holds up nobody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from folioscope.model.engine.interface import Completion, Counters, FinishReason, Picture, Request
from folioscope.model.engine.loops import is_due, looped
from folioscope.model.engine.paged_attention import PagedAttention
from folioscope.model.engine.pages import PagePool, pages_for
from folioscope.model.engine.sampling import choose
from folioscope.model.engine.schedule import Piece, Scheduler, Sequence
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.packed import can_pack, packed

if TYPE_CHECKING:
    from folioscope.model.engine.decode_graphs import DecodeGraphs

CUDA_SEQUENCES = 256


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Limits of the engine. ``cache_tokens`` is the memory of all contexts together, in tokens.

    New requests wait until ``join_at_once`` of the ``most_sequences`` places are free: prompts that are read together
    interrupt the others' writing once.
    """

    cache_tokens: int = 32_768
    most_sequences: int = 32
    join_at_once: int = 1
    tokens_per_step: int = 1024
    patches_per_step: int = 16_384
    cuda_graphs: bool = True  # where there is CUDA

    @classmethod
    def for_cuda(cls, cache_tokens: int) -> EngineSettings:
        """A step of decoding reads nearly all weights, whoever shares it: so many share it, and prompts come whole.

        A step holds eight A4 pages beside all that write, since one with prompts is launched kernel by kernel.
        """
        return cls(cache_tokens, CUDA_SEQUENCES, join_at_once=8, tokens_per_step=10_240, patches_per_step=36_864)


class TorchEngine:
    """See :class:`folioscope.model.engine.interface.Engine`. On CUDA in bfloat16, decode steps are CUDA graphs."""

    def __init__(self, model: KimiVLForConditionalGeneration, settings: EngineSettings | None = None) -> None:
        self._model = model.eval()
        self._settings = settings or EngineSettings()
        language = self._model.language_model
        self._language: Any = packed(language) if can_pack(language) else language
        text = model.config.text_config
        weight = model.get_input_embeddings().weight
        self._device = weight.device
        pages = pages_for(self._settings.cache_tokens)
        self._pool = PagePool(text.num_hidden_layers, pages, text.latent_width, weight.dtype, weight.device)
        self._graphs: DecodeGraphs | None = None
        graphs = self._settings.cuda_graphs and weight.device.type == "cuda"
        if graphs and weight.dtype == torch.bfloat16:  # others' experts wait for the host
            from folioscope.model.engine.decode_graphs import DecodeGraphs  # with it comes Triton

            most_tokens = min(text.max_position_embeddings, self._settings.cache_tokens)
            self._graphs = DecodeGraphs(language, self._pool, self._settings.most_sequences, most_tokens)
        self.counters = Counters()
        self._scheduler = Scheduler(
            self._pool,
            self.counters,
            most_sequences=self._settings.most_sequences,
            join_at_once=self._settings.join_at_once,
            tokens_per_step=self._settings.tokens_per_step,
            most_positions=text.max_position_embeddings,
            media_id=model.config.media_placeholder_token_id,
        )

    def submit(self, request: Request) -> None:
        self._scheduler.submit(request)
        self.counters.requests += 1

    @property
    def most_sequences(self) -> int:
        return self._settings.most_sequences

    @property
    def unfinished(self) -> int:
        return len(self._scheduler.waiting) + len(self._scheduler.running) + len(self._scheduler.preempted)

    def clear(self) -> None:
        self._scheduler.clear()

    def forget(self, prefix_key: str) -> None:
        self._scheduler.forget(prefix_key)

    @property
    def cache_bytes(self) -> int:
        """Memory of the cache."""
        return self._pool.latents.nbytes

    @property
    def free_pages(self) -> int:
        """Pages of the cache that nobody holds."""
        return self._pool.free

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        begun = time.perf_counter()
        self._scheduler.make_room()
        self._scheduler.admit()
        if not self._scheduler.running:
            return []
        self._encode_pictures()
        pieces = self._scheduler.pieces()
        finished = self._compute(pieces) if pieces else []
        self.counters.steps += 1
        self.counters.most_sequences = max(self.counters.most_sequences, len(self._scheduler.running) + len(finished))
        self.counters.busy_seconds += time.perf_counter() - begun
        return finished

    def _encode_pictures(self) -> None:
        """Encode pictures of new prompts, as many requests as the budget of patches holds and one at least."""
        chosen: list[Sequence] = []
        pictures: list[Picture] = []
        patches = 0
        for sequence in self._scheduler.running:
            if not sequence.needs_features:
                continue
            own = sequence.request.pictures[sequence.first_picture :]
            patches += sum(len(picture.patches) for picture in own)
            if chosen and patches > self._settings.patches_per_step:
                break
            chosen.append(sequence)
            pictures += own
        if not chosen:
            return
        tokens = self._encode(pictures).split([picture.tokens for picture in pictures])
        for sequence in chosen:
            count = len(sequence.request.pictures) - sequence.first_picture
            sequence.features, tokens = torch.cat(tokens[:count]), tokens[count:]
            request = sequence.request
            sequence.request = replace(request, pictures=tuple(picture.seen() for picture in request.pictures))

    def _encode(self, pictures: list[Picture]) -> Tensor:
        """Features of pictures, in packs within the budget so that a long document fits as well as a short one."""
        packs: list[list[Picture]] = [[]]
        for picture in pictures:
            held = sum(len(other.patches) for other in packs[-1])
            if packs[-1] and held + len(picture.patches) > self._settings.patches_per_step:
                packs.append([])
            packs[-1].append(picture)
        features = []
        for pack in packs:
            pixels = torch.cat([torch.from_numpy(picture.patches) for picture in pack])
            features.append(self._model.get_image_features(pixels, [(p.rows, p.columns) for p in pack]))
            self.counters.images_encoded += len(pack)
            self.counters.patches_encoded += len(pixels)
        return torch.cat(features)

    def _compute(self, pieces: list[Piece]) -> list[Completion]:
        """One pass of the decoder over all pieces; completions that a new token ended."""
        if self._graphs is not None and all(piece.writes for piece in pieces):
            logits = self._graphs.logits(pieces)
            ready = [piece.sequence for piece in pieces if self._scheduler.advance(piece)]
        else:
            hidden = self._hidden(pieces)
            ends = torch.tensor([piece.end - piece.start for piece in pieces]).cumsum(0) - 1
            rows = [row for row, piece in enumerate(pieces) if self._scheduler.advance(piece)]
            if not rows:
                return []
            logits = self._language.lm_head(hidden[ends[rows].to(self._device)])
            ready = [pieces[row].sequence for row in rows]
        chosen, logprobs = choose(logits.float(), [s.request.sampling for s in ready], [s.generator for s in ready])
        finished = [
            self._take(sequence, token, logprob)
            for sequence, token, logprob in zip(ready, chosen.tolist(), logprobs.tolist(), strict=True)
        ]
        return [completion for completion in finished if completion is not None]

    def _hidden(self, pieces: list[Piece]) -> Tensor:
        """Normed hidden states of all tokens of the pieces, one piece after the other."""
        ids = torch.tensor([i for piece in pieces for i in piece.sequence.ids[piece.start : piece.end]])
        positions = torch.cat([torch.arange(piece.start, piece.end) for piece in pieces]).to(self._device)
        embedded = self._model.get_input_embeddings()(ids.to(self._device))
        self._place_features(embedded, pieces)
        return self._language.model(embedded, positions, PagedAttention(self._pool, pieces))

    def _place_features(self, embedded: Tensor, pieces: list[Piece]) -> None:
        """Write image features over the embeddings of image tokens, piece by piece."""
        offset = 0
        for piece in pieces:
            sequence, length = piece.sequence, piece.end - piece.start
            end = min(piece.end, len(sequence.request.ids))
            if sequence.features is not None and piece.start < end:
                places = sequence.places
                before, after = int(places[piece.start]), int(places[end])
                if after > before:
                    media = torch.from_numpy(places[piece.start + 1 : end + 1] > places[piece.start : end])
                    rows = offset + media.nonzero()[:, 0]
                    first = sequence.first_place()
                    embedded[rows.to(self._device)] = sequence.features[before - first : after - first].to(embedded)
            offset += length

    def _take(self, sequence: Sequence, token: int, logprob: float) -> Completion | None:
        """Give a sequence its new token; its completion where that ends it."""
        request = sequence.request
        sequence.logprobs.append(logprob)
        self.counters.output_tokens += 1
        if token in request.stop_ids:
            return self._end(sequence, "stop", sequence.written)
        sequence.ids.append(token)
        written = len(sequence.ids) - len(request.ids)
        if is_due(written) and (kept := looped(request, sequence.written)) is not None:
            self.counters.loops_cut += 1
            return self._end(sequence, "loop", sequence.written[:kept])
        if written == request.sampling.max_new_tokens:
            return self._end(sequence, "length", sequence.written)
        return None

    def _end(self, sequence: Sequence, reason: FinishReason, ids: list[int]) -> Completion:
        self._scheduler.finish(sequence)
        request = sequence.request
        saved = request.sampling.max_new_tokens - len(sequence.written) if reason == "loop" else 0
        self.counters.tokens_saved += saved
        return Completion(
            key=request.key,
            ids=tuple(ids),
            finish_reason=reason,
            computed_tokens=len(request.ids) - sequence.shared,
            mean_logprob=sum(sequence.logprobs) / len(sequence.logprobs),
            saved_tokens=saved,
            min_logprob=min(sequence.logprobs),
        )
