"""What the Kimi-VL benchmarks share: a mid-size model, and running a part of a program under vLLM's interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes

PROJECT = Path(__file__).resolve().parents[1]
# 146M parameters; the attention has the published head sizes.
SIZES = TinySizes(
    hidden_size=1024,
    intermediate_size=4096,
    moe_intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=16,
    n_routed_experts=16,
    num_experts_per_tok=4,
    kv_lora_rank=512,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
)
BASE_ENTRIES = 8192 - 256
ORDINARY_IDS = 7900  # below the special ones
_ANSWER = "answer: "


def run_under_vllm(python: str, program: str, arguments: list[str], threads: int) -> None:
    """Run ``program --ask arguments`` by the interpreter of an environment with vLLM. Ends this program if it fails."""
    done = subprocess.run(
        [python, program, "--ask", *arguments],
        env=_environment(threads),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"vLLM ended with {done.returncode}:\n{done.stderr[-4000:]}")


@contextmanager
def asked_under_vllm(
    python: str, program: str, arguments: list[str], threads: int
) -> Iterator[Callable[[], dict[str, Any]]]:
    """As :func:`run_under_vllm`, for a program that answers each line it is sent by :func:`answer_lines`."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [python, program, "--ask", *arguments],
            env=_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=PROJECT,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def ask() -> dict[str, Any]:
            told.write("\n")
            told.flush()
            for line in heard:
                if line.startswith(_ANSWER):
                    return dict(json.loads(line.removeprefix(_ANSWER)))
            errors.seek(0)
            raise SystemExit(f"vLLM ended with {process.wait()}:\n{errors.read()[-4000:]}")

        yield ask
        told.close()


def answer_lines(work: Callable[[], dict[str, Any]]) -> None:
    """In the program that is asked: do the work for each line, until there are no more. Others may print as well."""
    for _ in sys.stdin:
        print(_ANSWER + json.dumps(work()), flush=True)


def _environment(threads: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
