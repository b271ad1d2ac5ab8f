"""Trains the nano Kimi-VL from scratch on the CPU: encoder, then lines, then everything; resumes where it stopped.

    python -m examples.nano.train --out DIR [--minutes 80] [--seed 0] [--processes 2]

Minutes are those for which each process, one thread, had a core. Every figure goes to DIR/log.jsonl, the state to
DIR/state.pt every two minutes. What is trained is the code that is shipped: model/kimi_vl forwards and backwards, its
chat template and its tokenizer. Export with export.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn

from examples.nano.drawing import Words
from examples.nano.evaluation import evaluate
from examples.nano.lessons import Batch, Desk, make_lesson
from examples.nano.recipe import make_model, make_tokenizer
from examples.nano.teaching import Balance, LetterHead, answer_losses, letter_loss

ENCODER_UNTIL = 0.22  # share of the time
LINES_UNTIL = 0.42
GUIDED_UNTIL = 0.85
SAVE_SECONDS = 120
EVALUATE_SECONDS = 420
MATRIX_RATE = 3e-3  # Muon
OTHER_RATE = 2e-3  # AdamW
WORK_PER_STEP = 3000  # patches and tokens of one process
CLIP = 1.0


class School:
    """One process: a model, its optimisers, and how far it has come."""

    def __init__(self, folder: Path, seed: int, rank: int, world: int) -> None:
        self.folder, self.seed, self.rank, self.world = folder, seed, rank, world
        tokenizer = make_tokenizer(folder / f"tokenizer-{rank}")  # its own: both write
        self.desk = Desk(tokenizer)
        self.model = make_model(len(tokenizer), seed).train()
        self.head = LetterHead(self.model.config.vision_config.hidden_size)
        self.balance = Balance(self.model)
        self.words = Words(held_out=False)
        self.rng = random.Random(seed * 1000 + rank)
        self.parts = nn.ModuleList([self.model, self.head])
        self.optimizers = make_optimizers(self.parts)
        self.share, self.step_number, self.seconds = 0.0, 0, 0.0
        if (folder / "state.pt").exists():
            self._resume(torch.load(folder / "state.pt", weights_only=False))

    def step(self) -> dict[str, float]:
        """One batch forwards and backwards; what it showed."""
        encoder_only = self.share < ENCODER_UNTIL
        batch = self.make_batch()
        self.balance.valid = None if encoder_only else batch.valid.flatten()
        if encoder_only:
            loss, right = letter_loss(self.model, self.head, batch)
            shown = {"letters": loss.item(), "slots_right": right}
        else:
            answers, letters, guide, right = answer_losses(
                self.model, self.head, batch, guided=self.share < GUIDED_UNTIL
            )
            fade = 1 - self.share
            loss = answers + max(0.1, fade) * letters + 0.15 * fade * guide
            shown = {"loss": answers.item(), "letters": letters.item(), "guide": guide.item(), "right": right}
        loss.backward()
        self.update(encoder_only)
        return shown

    def make_batch(self) -> Batch:
        """Images of one size; which size and how many lines depends on how far the training is."""
        shape = random.Random(f"{self.seed} {self.step_number}")  # the same in all processes
        images = 1
        if self.share < ENCODER_UNTIL:
            lines = shape.choice([1, 2, 3, 4])
            columns = shape.choice([16, 20, 24, 28])
        elif self.share < LINES_UNTIL:
            lines = 1
            columns = shape.choice([8, 12, 16, 20, 24, 28, 32])
        else:
            lines = shape.choice([1, 1, 2, 3, 4, 4])
            columns = shape.choice([12, 16, 20, 24, 28, 32])
            images = 2 if shape.random() < 0.07 else 1
        rows = min(8, 2 * lines + shape.choice([0, 0, 2]))
        tasks = self.share >= LINES_UNTIL
        tokens = 0 if self.share < ENCODER_UNTIL else 75 + images * rows * columns / 4 + lines * columns * 14 / 9
        count = max(4, int(WORK_PER_STEP / (images * rows * columns + 0.6 * tokens)))
        return self.desk.batch(
            [make_lesson(self.rng, self.words, (rows, columns), lines, tasks, images) for _ in range(count)]
        )

    def update(self, encoder_only: bool) -> None:
        gradients = [p.grad for p in self.parts.parameters() if p.grad is not None]
        if self.world > 1:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            flat /= self.world
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
        nn.utils.clip_grad_norm_(self.parts.parameters(), CLIP)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * self.rate()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if not encoder_only:
            self.balance.step(max(0.05, 1 - self.share))
        self.step_number += 1

    def rate(self) -> float:
        """Warm up, fall to a third while the encoder learns alone; warm up again, and fall along a cosine to 2 %."""
        if self.share < ENCODER_UNTIL:
            done = self.share / ENCODER_UNTIL
            return min(1.0, done / 0.05 + 0.02) * (1 - 0.67 * done)
        done = (self.share - ENCODER_UNTIL) / (1 - ENCODER_UNTIL)
        return min(1.0, done / 0.02 + 0.02) * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))

    def save(self) -> None:
        state: dict[str, Any] = {
            "parts": self.parts.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "seconds": self.seconds,
            "step": self.step_number,
        }
        torch.save(state, self.folder / "state.tmp")
        os.replace(self.folder / "state.tmp", self.folder / "state.pt")

    def _resume(self, state: dict[str, Any]) -> None:
        self.parts.load_state_dict(state["parts"])
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        self.seconds, self.step_number = state["seconds"], state["step"]
        self.rng.seed(f"{self.seed} {self.rank} {self.step_number}")


def make_optimizers(parts: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of encoder and decoder, AdamW for all else."""
    names = ("blocks", "layers", "linear_1", "linear_2")
    matrices = [
        p
        for name, p in parts.named_parameters()
        if p.dim() == 2 and any(n in name for n in names) and "gate.w" not in name
    ]
    chosen = {id(p) for p in matrices}
    others = [p for p in parts.parameters() if id(p) not in chosen]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    for optimizer, peak in ((muon, MATRIX_RATE), (adam, OTHER_RATE)):
        for group in optimizer.param_groups:
            group["peak"] = peak
    return [muon, adam]


def attend(rank: int, arguments: argparse.Namespace) -> None:
    """One process of the training, from start or from its last state to the end of its minutes."""
    torch.set_num_threads(1)
    folder, world = Path(arguments.out), arguments.processes
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder.resolve()}/meeting", rank=rank, world_size=world)
    school = School(folder, arguments.seed, rank, world)
    shown: dict[str, list[float]] = defaultdict(list)
    last = saved = evaluated = time.process_time()  # its own time: other work beside it changes nothing
    while True:
        now = time.process_time()
        school.seconds += now - last
        last = now
        school.share = agreed(school.seconds / 60 / arguments.minutes, world)
        if school.share >= 1:
            break
        for name, value in school.step().items():
            shown[name].append(value)
        if rank == 0 and school.step_number % 25 == 0:
            log(school, {name: sum(values) / len(values) for name, values in shown.items()})
            shown.clear()
        if rank == 0 and now - saved > SAVE_SECONDS:
            school.save()
            saved = now
        if rank == 0 and now - evaluated > EVALUATE_SECONDS and school.share > ENCODER_UNTIL:
            log(school, evaluate(school.model, school.desk, quick=True))
            school.model.train()
            evaluated = now
    if rank == 0:
        school.save()
        log(school, evaluate(school.model, school.desk, quick=False))


def agreed(share: float, world: int) -> float:
    """The first process's clock, for all."""
    clock = torch.tensor([share])
    if world > 1:
        dist.broadcast(clock, 0)
    return float(clock)


def log(school: School, figures: dict[str, Any]) -> None:
    rounded = {name: round(v, 4) if isinstance(v, float) else v for name, v in figures.items()}
    row = {
        "minutes": round(school.seconds / 60, 2),
        "share": round(school.share, 3),
        "step": school.step_number,
        **rounded,
    }
    with (school.folder / "log.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=80.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meeting").unlink(missing_ok=True)
    if arguments.processes == 1:
        attend(0, arguments)
    else:
        spawn(attend, args=(arguments,), nprocs=arguments.processes)


if __name__ == "__main__":
    main()
