"""Our engine: continuous batching of Kimi-VL over a paged latent cache, on the CPU and on CUDA from the same code.

Each step runs one flat list of tokens through the decoder: one of every sequence that is writing, and pieces of
prompts. Images of new requests are encoded before, packed up to a budget of patches. A shared prefix is computed by the
first request that has it, and read from the same pages by all others. Memory is fixed when the engine is made: the
pool of pages, and the activations of one step. Prompts are read in pieces, so a long one holds up nobody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from model.engine.interface import Completion, Counters, FinishReason, Picture, Request
from model.engine.loops import find_loop, is_due
from model.engine.pages import PAGE_TOKENS, PagePool, pages_for
from model.engine.sampling import choose
from model.engine.schedule import Piece, Scheduler, Sequence
from model.kimi_vl.attention import LatentAttention
from model.kimi_vl.modeling import KimiVLForConditionalGeneration
from model.kimi_vl.packed import can_pack, packed

_MOST_RAGGED = 2  # times the shortest context, beyond which a longer one is not attended in the same call


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Limits of the engine. ``cache_tokens`` is the memory of all contexts together, in tokens."""

    cache_tokens: int = 32_768
    most_sequences: int = 32
    tokens_per_step: int = 1024
    patches_per_step: int = 16_384


class TorchEngine:
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
        self.counters = Counters()
        self._scheduler = Scheduler(
            self._pool,
            self.counters,
            most_sequences=self._settings.most_sequences,
            tokens_per_step=self._settings.tokens_per_step,
            most_positions=text.max_position_embeddings,
            media_id=model.config.media_placeholder_token_id,
        )

    def submit(self, request: Request) -> None:
        self._scheduler.submit(request)
        self.counters.requests += 1

    @property
    def unfinished(self) -> int:
        return len(self._scheduler.waiting) + len(self._scheduler.running)

    def clear(self) -> None:
        self._scheduler.clear()

    @property
    def free_pages(self) -> int:
        """Pages of the cache that nobody holds."""
        return self._pool.free

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        begun = time.perf_counter()
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
        ids = torch.tensor([i for piece in pieces for i in piece.sequence.ids[piece.start : piece.end]])
        positions = torch.cat([torch.arange(piece.start, piece.end) for piece in pieces]).to(self._device)
        embedded = self._model.get_input_embeddings()(ids.to(self._device))
        self._place_features(embedded, pieces)
        attend = PagedAttention(self._pool, pieces)
        hidden = self._language.model(embedded, positions, attend)
        ends = torch.tensor([piece.end - piece.start for piece in pieces]).cumsum(0) - 1
        ready = [row for row, piece in enumerate(pieces) if self._scheduler.advance(piece)]
        if not ready:
            return []
        logits = self._language.lm_head(hidden[ends[ready].to(self._device)]).float()
        sequences = [pieces[row].sequence for row in ready]
        chosen, logprobs = choose(logits, [s.request.sampling for s in sequences], [s.generator for s in sequences])
        finished = [
            self._take(sequence, token, logprob)
            for sequence, token, logprob in zip(sequences, chosen.tolist(), logprobs.tolist(), strict=True)
        ]
        return [completion for completion in finished if completion is not None]

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
        if request.stop_on_loop and is_due(written) and (kept := find_loop(sequence.written)) is not None:
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
        )


@dataclass(frozen=True, slots=True)
class _Writers:
    """Sequences that write one token each, attended together: which of the writers, their pages, what they may see."""

    rows: slice
    tables: Tensor  # (sequences, pages)
    visible: Tensor  # (sequences, 1, tokens)


class PagedAttention:
    """Attention of one step: writes new latents to their pages, then attends each piece to its own sequence."""

    def __init__(self, pool: PagePool, pieces: list[Piece]) -> None:
        self._pool = pool
        self._device = pool.latents.device
        slots: list[int] = []
        writers: list[tuple[int, Piece]] = []
        self._readers: list[tuple[slice, Tensor, int]] = []
        for piece in pieces:
            row = len(slots)
            pages = piece.sequence.pages
            slots += [pages[at // PAGE_TOKENS] * PAGE_TOKENS + at % PAGE_TOKENS for at in range(piece.start, piece.end)]
            if piece.end - piece.start == 1:
                writers.append((row, piece))
            else:
                table = self._tensor(pages[: pages_for(piece.end)])
                self._readers.append((slice(row, len(slots)), table, piece.end))
        self._slots = self._tensor(slots)
        groups = _alike(writers)
        self._writing = self._tensor([row for group in groups for row, _ in group])
        ends = [0, *accumulate(len(group) for group in groups)]
        self._writers = [self._group(group, slice(*ends[n : n + 2])) for n, group in enumerate(groups)]

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        held = self._pool.latents[layer]
        held.view(-1, held.shape[-1])[self._slots] = latent
        out = query.new_empty(len(query), attention.heads, attention.value)
        if self._writers:
            carried = attention.absorb(query[self._writing])
            seen = [
                attention.mix(carried[group.rows, None], held[group.tables].flatten(1, 2), group.visible)
                for group in self._writers
            ]
            out[self._writing] = attention.release(torch.cat(seen)[:, 0])
        for rows, table, length in self._readers:
            context = held[table].flatten(0, 1)[:length]
            out[rows] = attention.attend(query[rows][None], context[None])[0]
        return out

    def _group(self, group: list[tuple[int, Piece]], rows: slice) -> _Writers:
        """Contexts of about one length as one rectangle; the pages that fill it up are masked."""
        most = max(pages_for(piece.end) for _, piece in group)
        tables = [piece.sequence.pages[:most] for _, piece in group]
        tables = [table + table[-1:] * (most - len(table)) for table in tables]
        lengths = self._tensor([piece.end for _, piece in group])
        visible = torch.arange(most * PAGE_TOKENS, device=self._device) < lengths[:, None]
        return _Writers(rows, self._tensor(tables), visible[:, None])

    def _tensor(self, values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)


def _alike(writers: list[tuple[int, Piece]]) -> list[list[tuple[int, Piece]]]:
    """Writers in groups whose contexts differ by a factor of two at most, so that little is computed for nothing."""
    groups: list[list[tuple[int, Piece]]] = []
    for row, piece in sorted(writers, key=lambda writer: writer[1].end):
        if groups and piece.end <= _MOST_RAGGED * max(groups[-1][0][1].end, PAGE_TOKENS):
            groups[-1].append((row, piece))
        else:
            groups.append([(row, piece)])
    return groups
