"""The latent cache of transformers' generation, and attention over a padded batch that uses it.

A token takes 576 values a layer: 31,104 bytes over 27 layers in bfloat16. Room is taken ahead in steps of a quarter, so
that a step writes one latent instead of copying all of them. The engine has a paged cache of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from folioscope.model.kimi_vl.attention import LatentAttention

_GROWTH = 1.25
_LEAST_ROOM = 64  # tokens


class LatentLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's latents. transformers asks a layer for ``keys`` and ``values``; a latent is both.

    ``keys`` is (batch, 1, tokens, 576), a view of the room taken ahead; ``values`` has no width.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room: Tensor | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self._show(key_states[..., :0, :])
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Adds latents (batch, 1, new, 576) and returns all of them; ``value_states`` has no width."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        known = self.keys.shape[-2]
        total = known + key_states.shape[-2]
        room = self._room
        # transformers puts other tensors in place where it reorders beams, repeats rows or moves layers away.
        if room is None or room.shape[-2] < total or room.data_ptr() != self.keys.data_ptr():
            space = max(int(total * _GROWTH), total + _LEAST_ROOM)
            room = key_states.new_empty(*key_states.shape[:2], space, key_states.shape[-1])
            room[..., :known, :] = self.keys
        room[..., known:total, :] = key_states
        self._room = room
        self._show(room[..., :total, :])
        return self.keys, self.values

    def reset(self) -> None:
        self._room = None
        super().reset()

    def _show(self, keys: Tensor) -> None:
        self.keys, self.values = keys, keys[..., :0]


class LatentCache(Cache):  # type: ignore[misc]
    """The cache that ``generate`` makes for Kimi-VL unless it is given one."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[LatentLayer() for _ in range(layers)])


class PaddedBatch:
    """Attention for tokens that came as a rectangle (rows, columns), padded anywhere, with or without a cache.

    Padding takes no part in any layer: ``pack`` drops it, ``unpack`` puts zeros there.
    """

    def __init__(self, rows: int, columns: int, mask: Tensor | None, cache: Cache | None) -> None:
        """``mask`` is (rows, known + columns), not 0 where a token stands; None where all are tokens.

        Raises ``TypeError`` for a cache of fixed length, whose empty places would be taken for tokens.
        """
        if cache is not None and cache.is_compileable:
            raise TypeError("Kimi-VL's cache grows: leave out cache_implementation, or pass a DynamicCache.")
        self.rows, self.columns = rows, columns
        self.cache = cache
        known = mask.shape[1] - columns if mask is not None else 0
        self.valid = None if mask is None or bool((mask != 0).all()) else mask != 0
        self.tokens = None
        if self.valid is not None and not bool(self.valid[:, known:].all()):
            self.tokens = self.valid[:, known:].flatten().nonzero().squeeze(1)

    def pack(self, values: Tensor) -> Tensor:
        """(rows, columns, ...) to (tokens, ...)."""
        flat = values.flatten(0, 1)
        return flat if self.tokens is None else flat[self.tokens]

    def unpack(self, values: Tensor) -> Tensor:
        """(tokens, ...) to (rows, columns, ...)."""
        if self.tokens is None:
            return values.unflatten(0, (self.rows, self.columns))
        flat = values.new_zeros(self.rows * self.columns, *values.shape[1:])
        return flat.index_copy(0, self.tokens, values).unflatten(0, (self.rows, self.columns))

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        query, latent = self.unpack(query), self.unpack(latent)
        if self.cache is not None:
            latents = latent[:, None]
            latent = self.cache.update(latents, latents[..., :0], layer)[0][:, 0]
        if self.valid is None:
            return self.pack(attention.attend(query, latent))
        valid = self.valid.to(query.device)
        if self.columns == 1:
            return self.pack(attention.attend_absorbed(query, latent, valid[:, None]))
        return self._row_by_row(attention, query, latent, valid)

    def _row_by_row(self, attention: LatentAttention, query: Tensor, latent: Tensor, valid: Tensor) -> Tensor:
        """Rows of different lengths, each alone: no mask, and no work for padding."""
        mixed = []
        for row in range(self.rows):
            own = query[row, valid[row, -self.columns :]]
            if len(own):
                mixed.append(attention.attend(own[None], latent[row, valid[row]][None])[0])
        return torch.cat(mixed)
