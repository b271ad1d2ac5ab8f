"""Train the script identifier (model/embedded/scripts.onnx): python -m examples.script_lines.train OUTPUT.onnx

Four convolutions over a line's crop, 60,000 weights, ten minutes on one core. Prints how many of 2,000 lines
drawn anew are told rightly, script by script. Needs torch, onnx and what ``drawing`` needs.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from examples.script_lines.drawing import sample
from folioscope.model.embedded.scripts import CROP, SCRIPTS, crop_of

BATCH = 128
TURNED_SHARE = 0.1


def network() -> nn.Sequential:
    def step(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*step(1, 12), *step(12, 24), *step(24, 48), *step(48, 96))


class Identifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = network()
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(96 * (CROP[0] // 16), len(SCRIPTS))

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        found = self.features(lines).mean(dim=3)  # over the line's length; how high a stroke stands is kept
        told: torch.Tensor = self.head(self.drop(found.flatten(1)))
        return told


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    dice = random.Random(seed)
    crops, labels = [], []
    for picture, label in sample(count, seed):
        upside_down = dice.random() < TURNED_SHARE and SCRIPTS[label] not in ("None", "Turned")
        crops.append(crop_of(np.rot90(picture, 2) if upside_down else picture))
        labels.append(SCRIPTS.index("Turned") if upside_down else label)
    return torch.from_numpy(np.stack(crops)[:, None]), torch.tensor(labels)


def train(lines: int, epochs: int) -> Identifier:
    torch.manual_seed(1)
    model = Identifier()
    crops, labels = drawn(lines, 1)
    steps = epochs * (lines // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    begun = time.perf_counter()
    for epoch in range(epochs):
        order = torch.randperm(lines)
        total = 0.0
        for first in range(0, lines - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            batch = crops[chosen]
            batch = torch.roll(batch, int(torch.randint(-2, 3, ()).item()), dims=2)
            loss = nn.functional.cross_entropy(model(batch), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(
            f"epoch {epoch + 1}: loss {total / (lines // BATCH):.3f}, {time.perf_counter() - begun:.0f} s", flush=True
        )
    return model.eval()


def _layer(model: Identifier, layer: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return cast(nn.Conv2d, model.features[4 * layer]), cast(nn.BatchNorm2d, model.features[4 * layer + 1])


def export(model: Identifier, path: Path) -> None:
    """The network as ONNX with half-precision weights, its normalisations folded into its convolutions."""
    nodes, weights = [], []

    def constant(name: str, value: torch.Tensor) -> str:
        weights.append(numpy_helper.from_array(value.detach().numpy().astype(np.float16), f"{name}_half"))
        nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return name

    flow = "lines"
    for layer in range(4):
        convolution, normalisation = _layer(model, layer)
        mean, variance = normalisation.running_mean, normalisation.running_var
        assert mean is not None
        assert variance is not None
        assert convolution.bias is not None
        scale = normalisation.weight / torch.sqrt(variance + normalisation.eps)
        weight = constant(f"w{layer}", convolution.weight * scale[:, None, None, None])
        bias = constant(f"b{layer}", (convolution.bias - mean) * scale + normalisation.bias)
        nodes += [
            helper.make_node("Conv", [flow, weight, bias], [f"c{layer}"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
            helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]),
            helper.make_node("MaxPool", [f"r{layer}"], [f"p{layer}"], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        flow = f"p{layer}"
    head = [constant("wh", model.head.weight), constant("bh", model.head.bias)]
    nodes += [
        helper.make_node("ReduceMean", [flow], ["mean"], axes=[3], keepdims=0),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", *head], ["raw"], transB=1),
        helper.make_node("Softmax", ["raw"], ["shares"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "script_of_line",
        [helper.make_tensor_value_info("lines", TensorProto.FLOAT, ["n", 1, *CROP])],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["n", len(SCRIPTS)])],
        weights,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(whole)
    path.write_bytes(whole.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--lines", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    model = train(arguments.lines, arguments.epochs)
    export(model, arguments.output)
    crops, labels = drawn(2000, 2)
    with torch.no_grad():
        told = model(crops).argmax(dim=1)
    seen, right = Counter(labels.tolist()), Counter(labels[told == labels].tolist())
    print({SCRIPTS[n]: f"{right[n]}/{seen[n]}" for n in sorted(seen)})
    print(f"{right.total() / seen.total():.4f} of the lines told rightly; {arguments.output.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
