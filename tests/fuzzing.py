"""Fuzzing that is led by coverage (atheris): bytes that reach new lines of our readers are kept and changed further.

    python -m tests.fuzzing decoder|planner [--runs 200] [--seed 1]

decoder  What the decode child does with a file, in this process: look into it, decode two pages. Each gives a verdict.
planner  What a user hands the planner: lists of inputs, questions (YAML, JSON, CSV). Each is listed, parsed, or refused
         with its name in the message.

An answer of another kind ends the program with a traceback and the bytes in a file. Same seed, same runs. Native code is
not instrumented: what MuPDF does inside is left to chance, and to ``test_fuzz.py``, which survives its crashes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pipeline", "model"], enable_loader_override=False):
    import folioscope.pipeline.decode.image
    import folioscope.pipeline.decode.pdf
    import folioscope.pipeline.decode.probe  # noqa: F401  which the child loads as it needs them: later is too late to watch them
    from folioscope.pipeline.decode.messages import DecodeRequest, ProbeRequest
    from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, FailedSegment, Probe
    from folioscope.pipeline.decode.worker import Server
    from folioscope.pipeline.errors import ConfigError
    from folioscope.pipeline.failures import Failure
    from folioscope.pipeline.questions import load_questions
    from folioscope.pipeline.storage.sources import FailedInput, SourceFile, list_sources

from examples.make_archive import PASSWORD, make_archive

NAME = "fuzzed file"
MOST_LISTED = 20  # of one list: it may come to name a whole disk
FAST = DecodeSettings(layout="fast", dpi=36)
SUFFIXES = (".txt", ".yaml", ".json", ".csv")
QUESTIONS = (
    b"- {id: who, question: Who keeps the lighthouse?, assets: '*.pdf'}\n- id: when\n  question: When was it lit?\n",
    b'[{"id": "who", "question": "Who keeps the lighthouse?", "assets": null}]',
    b'id,question,assets\nwho,"Who keeps, and paints, it?",*.pdf\n',
)


def decoder(scratch: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """(what is fuzzed, seeds)"""
    server = Server((PASSWORD,))
    path = scratch / "fuzzed"
    files = [file.read_bytes() for file in make_archive(scratch / "archive") if file.suffix != ".txt"]

    def decode(data: bytes) -> None:
        path.write_bytes(data)
        [found] = server.answer(ProbeRequest(path, NAME))
        if isinstance(found, Failure):
            assert NAME in found.message
            return
        assert isinstance(found, Probe)
        pages = tuple(range(1, min(found.page_count or 0, 2) + 1))
        for answer in server.answer(DecodeRequest(path, NAME, found.kind, pages, FAST)):
            assert isinstance(answer, DecodedPage) or (
                isinstance(answer, FailedSegment) and NAME in answer.failure.message
            )

    return decode, sorted((file for file in files if file), key=len)[:8]


def planner(scratch: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """(what is fuzzed, seeds); the first byte says which kind of file it is."""
    inputs = scratch / "inputs"
    inputs.mkdir()
    (inputs / "a.pdf").write_bytes(b"%PDF-1.4")

    def plan(data: bytes) -> None:
        suffix = SUFFIXES[data[0] % len(SUFFIXES)] if data else ".txt"
        path = inputs / f"fuzzed{suffix}"
        path.write_bytes(data[1:])
        if suffix == ".txt":
            for found in islice(list_sources((str(path),)), MOST_LISTED):
                assert isinstance(found, SourceFile) or (isinstance(found, FailedInput) and found.failure.message)
            return
        try:
            load_questions(path)
        except ConfigError as error:
            if path.name not in str(error):
                raise

    listed = b"a.pdf\n# a comment\n*.pdf\nsub\n../inputs/a.pdf\nmissing.pdf\n"
    return plan, [b"\0" + listed, *(bytes([number]) + text for number, text in enumerate(QUESTIONS, start=1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["decoder", "planner"])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        target, seeds = {"decoder": decoder, "planner": planner}[arguments.target](scratch)
        corpus = scratch / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / f"{number}").write_bytes(seed)
        limits = [
            f"-runs={arguments.runs}",
            f"-seed={arguments.seed}",
            "-rss_limit_mb=4096",
            "-timeout=300",
            "-max_len=65536",
        ]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={tempfile.gettempdir()}/fuzz-", str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
