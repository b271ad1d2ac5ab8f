"""The command ``folioscope``: quick to start, one file without a cluster, and a line instead of a traceback."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from folioscope.jobs.main import COMMANDS, main
from folioscope.model.load import ModelLoadError, UnknownModelError
from folioscope.schemas.errors import ExitCode, FolioscopeError

PROJECT = Path(__file__).resolve().parents[2]
HEAVY = ("ray", "pyarrow", "duckdb", "torch", "transformers", "pydantic", "numpy", "rich", "fsspec", "yaml", "pymupdf")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="folioscope")


def loaded_after(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has imported after ``code``."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_and_asking_for_help_load_nothing_heavy() -> None:
    assert loaded_after("import folioscope") == set()
    assert loaded_after("from folioscope.jobs.main import main; main(['--help'], standalone_mode=False)") == set()


def test_one_file_is_read_without_a_cluster_or_tables(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["The keeper of the lighthouse wrote this.", "And this was the second page."])
    arguments = ["read", str(path), "--layout", "fast"]
    loaded = loaded_after(f"from folioscope.jobs.main import main; main({arguments!r}, standalone_mode=False)")
    assert not loaded & {"ray", "pyarrow", "duckdb", "torch", "rich", "pymupdf"}


def test_every_command_has_help() -> None:
    listed = run("--help").output
    for group in COMMANDS.values():
        for name in group:
            assert name in listed
            helped = run(name, "--help")
            assert helped.exit_code == 0
            assert len(helped.output.splitlines()) > 4


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0
    assert "_FOLIOSCOPE_COMPLETE" in done.output


def test_the_text_of_files_is_printed_and_failures_end_with_3(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "a.pdf", ["The keeper of the lighthouse wrote this."])
    (tmp_path / "note.txt").write_text("a list file is an input of its own, and not a document")
    (tmp_path / "b.pdf").write_bytes(b"")
    done = run("read", str(tmp_path / "a.pdf"), "--layout", "fast")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.strip() == "The keeper of the lighthouse wrote this."
    both = run("read", str(tmp_path), "--layout", "fast", "--json")
    assert both.exit_code == ExitCode.TOO_MANY_FAILURES
    assert "b.pdf: the file holds no bytes" in both.stderr
    [document] = map(json.loads, both.stdout.splitlines())
    assert document["pages"][0]["text"] == "The keeper of the lighthouse wrote this."
    assert document["pages"][0]["blocks"][0]["bbox"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("read",), 2, "INPUT: is required"),
        (("read", "{}", "--model", "gpt"), 2, "there is no such model"),
        (("read", "{}/none.pdf"), 3, "there is no such file"),
        (("read", "{}", "--json", "--output", "{}/out"), 2, "--json"),
        (("read", "{}", "--config", "{}/none.toml"), 2, "cannot be read"),
        (("read", "{}", "--kinds", "music"), 2, "--kinds"),
        (("read", "{}"), 2, "no file of a kind that is read"),
        (("plan", "{}"), 2, "--output"),
        (("plan", "{}", "--output", "{}/out", "--deadline", "999999999999d"), 2, "beyond the calendar"),
        (("search", "{}", "words"), 2, "no run has published there"),
        (("search", "{}"), 2, "the words to look for"),
        (("ask", "{}", "Who?"), 2, "no run has published there"),
        (("show", "a.pdf", "--output", "{}"), 2, "nothing has been published"),
        (("show", "{}/none.pdf"), 1, "there is no such file"),
        (("report", "{}"), 1, "first"),
        (("compare", "{}"), 1, "nothing has been published"),
        (("expire", "{}"), 2, "give one of"),
        (("expire", "{}", "--older-than", "999999999999d"), 2, "beyond the calendar"),
        (("audit", "{}"), 1, "nothing has been published"),
    ],
)
def test_what_a_user_can_cause_ends_with_a_line_and_a_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = run(*(argument.format(tmp_path) for argument in arguments))
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit), "no traceback"


def test_an_output_whose_manifest_or_files_are_damaged_ends_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    for command in ("report", "audit", "compare"):
        done = run(command, str(tmp_path))
        assert done.exit_code == 1
        assert "manifest" in done.stderr
        assert isinstance(done.exception, SystemExit)


def test_all_errors_stand_in_one_tree() -> None:
    """Exceptions that carry something within a room, and never reach a user, are named here."""
    within = {"Failure", "ChildDiedError", "OverLimitError", "_Misfit", "_UnreadableError"}
    outside = []
    for path in sorted(path for room in ("jobs", "pipeline", "schemas") for path in (PROJECT / room).rglob("*.py")):
        if "class " not in path.read_text() or "Error" not in path.read_text():
            continue
        name = ".".join(["folioscope", *path.relative_to(PROJECT).with_suffix("").parts])
        for found in vars(importlib.import_module(name)).values():
            own = isinstance(found, type) and issubclass(found, Exception) and found.__module__ == name
            if own and not issubclass(found, FolioscopeError) and found.__name__ not in within:
                outside.append(f"{name}.{found.__name__}")
    assert outside == []
    assert issubclass(UnknownModelError, FolioscopeError)
    assert issubclass(ModelLoadError, FolioscopeError)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}', "type llama (LlamaForCausalLM)"),
        ("{}", "type unknown (no architecture)"),
        ("[1]", "holds no settings"),
        ("{", "not valid JSON"),
    ],
)
def test_a_checkpoint_of_another_model_is_named_before_anything_is_loaded(
    tmp_path: Path, config: str, told: str
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(config)
    done = run("read", str(tmp_path), "--output", str(tmp_path / "out"), "--model", str(folder))
    assert done.exit_code == 2
    assert told in done.stderr
    assert "model type kimi_vl" in done.stderr
    assert isinstance(done.exception, SystemExit)


# The options of the version of 26 November 2026: each works in this one, some under another name.
_BOTH = (
    "--input --output --tasks --questions --model --engine --gpus-per-replica --replicas --thumbnails --limit "
    "--max-failures --address --seconds-per-page --seconds-per-file --memory-mb --max-file-mb --price-per-replica-hour "
    "--plan --plan-json --max-replica-hours --max-gpu-hours --max-cost --deadline --retry-failed --log-format"
)
EARLIER = {
    "extract_docs": f"{_BOTH} --pages-per-unit --dpi --layout --password-file",
    "index_videos": f"{_BOTH} --seconds-per-unit --max-frames-per-shot --decoder --webvtt --no-webvtt",
    "search": "--index --limit --kind --json --cache",
    "report": "--to --limit --compare",
    "compare_runs": "--depth --all --json",
    "expire": "--keep-runs --older-than --dry-run",
}


@pytest.mark.parametrize("job", EARLIER)
def test_the_options_of_the_version_before_are_still_there(job: str) -> None:
    command = importlib.import_module(f"folioscope.jobs.{job}").command
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert set(EARLIER[job].split()) - known == set()


def test_the_file_that_searched_still_does_and_tells_its_new_name(tmp_path: Path) -> None:
    words = [sys.executable, str(PROJECT / "jobs" / "ask.py"), "--index", str(tmp_path), "lighthouse"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "python jobs/ask.py is now folioscope search OUTPUT WORDS" in done.stderr
    assert f"{tmp_path} holds no manifest.json" in done.stderr
