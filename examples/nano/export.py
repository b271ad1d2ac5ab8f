"""Writes a trained nano model as a checkpoint in the published layout, in bfloat16, with its card and its curve.

    python -m examples.nano.export --run DIR --to examples/nano/checkpoint

Measures the exported checkpoint, not the one in training, and puts the figures into its card. Two minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from examples.nano.evaluation import evaluate
from examples.nano.lessons import Desk
from examples.nano.recipe import BASE_ENTRIES, SIZES, make_config, make_model
from examples.nano.teaching import LetterHead
from folioscope.model.kimi_vl.checkpoint import load
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_checkpoint import tiny_config, write_weights
from folioscope.model.kimi_vl.tiny_tokenizer import write_tiny_tokenizer
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer

CURVE = Path(__file__).parent / "curve.png"
CARD = """\
# A nano Kimi-VL

The architecture of Kimi-VL (MoonViT, projector, latent attention, mixture of experts) in {parameters:,} parameters, trained
from scratch on the CPU to read printed lines. It exists so that tests and demos run the real code path, with a model
that reads, stops by itself and answers by looking. **It says nothing about the quality of Kimi-VL**, shares no weight with
it, and reads nothing but short, clean, printed lines in Latin letters.

Made by `python -m examples.nano.train --minutes {minutes:.0f} --seed {seed}` with {processes} processes of one thread each;
texts are Python's own help texts and random words, fonts those inside PyMuPDF (Nimbus Sans, Nimbus Sans Bold, Nimbus
Roman). Licence: Apache-2.0, as the repository.

Prompts: `Read the text.` · `Count the lines.` · `Is "WORD" on the page? Where?`

| on fixed held-out images, greedy | |
|---|---|
| character errors, one clean line | {cer_line:.2%} |
| character errors, four clean lines | {cer_four_lines:.2%} |
| character errors, four noisy lines | {cer_noisy_four_lines:.2%} |
| presence of a word, yes or no | {right_presence_yes_no:.1%} of 200 |
| presence with the right line | {right_presence:.1%} of 200 |
| presence on two images, with image and line | {right_presence_in_two:.1%} of 50 |
| number of lines | {right_count:.1%} of 50 |
| blank images named so | {right_blank:.1%} of 20 |
| answers that ended by themselves | {stopped:.1%} |

Worst clean line: {worst_line}
"""


def export(run: Path, target: Path, seed: int) -> dict[str, Any]:
    """Write the checkpoint and return what was measured on it."""
    vocabulary = write_tiny_tokenizer(target, base_entries=BASE_ENTRIES, merges=0)
    config = tiny_config(SIZES, vocabulary, "bfloat16")
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    model = make_model(vocabulary.vocab_size, seed)
    state = torch.load(run / "state.pt", weights_only=False)
    parts = torch.nn.ModuleList([model, LetterHead(make_config().vision_config.hidden_size)])
    parts.load_state_dict(state["parts"])
    write_weights(target, model.to(torch.bfloat16), shards=1)
    shipped = load(KimiVLForConditionalGeneration, target, dtype="float32")
    figures = evaluate(shipped, Desk(KimiVLTokenizer.from_pretrained(target)), quick=False)
    parameters = sum(tensor.numel() for tensor in shipped.state_dict().values())
    card = CARD.format(parameters=parameters, minutes=state["seconds"] / 60, seed=seed, processes=2, **figures)
    (target / "README.md").write_text(card, "utf-8")
    return figures


def read_log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]


def draw_curve(rows: list[dict[str, Any]], path: Path) -> None:
    """Loss of the answers and character error rates over minutes, drawn by hand: no plotting library is needed."""
    width, height, left, bottom = 760, 360, 50, 30
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    last = max(row["minutes"] for row in rows)

    def place(minutes: float, share: float) -> tuple[float, float]:
        return left + (width - left - 10) * minutes / last, height - bottom - (height - bottom - 20) * min(share, 1.0)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = place(0, share)[1]
        pen.line([(left, y), (width - 10, y)], fill="#dddddd")
        pen.text((8, y - 6), f"{share:.0%}", fill="black")
    for minutes in range(0, int(last) + 1, 10):
        pen.text((place(minutes, 0)[0] - 6, height - bottom + 8), f"{minutes}", fill="black")
    series = (
        ("right", "#2a7f3f", "tokens right while teaching"),
        ("slots_right", "#8a8a8a", "letters right in the encoder's lesson"),
        ("cer_line", "#c23b22", "character errors, one line"),
        ("cer_four_lines", "#1f4e9c", "character errors, four lines"),
    )
    for number, (key, colour, label) in enumerate(series):
        points = [place(row["minutes"], row[key]) for row in rows if key in row]
        if len(points) > 1:
            pen.line(points, fill=colour, width=2)
        pen.text((left + 420, 130 + 15 * number), label, fill=colour)
    pen.text((width - 60, height - 14), "minutes", fill="black")
    image.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--curve", type=Path, default=CURVE, help="where the picture of the training goes")
    arguments = parser.parse_args()
    figures = export(arguments.run, arguments.to, arguments.seed)
    draw_curve(read_log(arguments.run), arguments.curve)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
