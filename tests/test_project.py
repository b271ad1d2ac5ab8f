"""The project's own promises: who may import whom, and a demo archive that is what it says."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from examples.make_archive import PASSWORD, make_archive
from folioscope.jobs import extract_docs, index_videos
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.questions import load_questions

PROJECT = Path(__file__).resolve().parents[1]
# The rooms from the lowest to the highest: a room may import those before it, and itself.
ROOMS = (
    "schemas",
    "model",
    "pipeline.logs",
    "pipeline.errors",
    "pipeline.failures",
    "pipeline.kinds",
    "pipeline.versions",
    "pipeline.storage",
    "pipeline.video",
    "pipeline.grounding",
    "pipeline.decode",
    "pipeline.durations",
    "pipeline.interval",
    "pipeline.prices",
    "pipeline.options",
    "pipeline.questions",
    "pipeline.settings",
    "pipeline.config",
    "pipeline.decoding",
    "pipeline.tables",
    "pipeline.planning",
    "pipeline.stages",
    "pipeline.usage",
    "pipeline.setup",
    "pipeline.advice",
    "pipeline.ray_session",
    "pipeline.block_stream",
    "pipeline.readers.views",
    "pipeline.search",
    "pipeline.readers",
    "pipeline.report",
    "pipeline.evaluation",
    "pipeline.one_file",
    "pipeline.progress",
    "pipeline.session",
    "pipeline.increments",
    "pipeline.run_plan",
    "pipeline.file_stages",
    "pipeline.phases",
    "pipeline.phase_planner",
    "pipeline.stage_runner",
    "pipeline.run",
    "jobs",
    "folioscope",
)
MOST_LINES = 300


def _modules() -> dict[str, Path]:
    """The package's modules by their names below ``folioscope``."""
    found = {}
    for room in ("schemas", "model", "pipeline", "jobs", "folioscope"):
        for path in sorted((PROJECT / room).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(path: Path, modules: Mapping[str, Path]) -> set[str]:
    """The modules of ours that a module names, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            base = (node.module or "").removeprefix("folioscope").removeprefix(".")
            within = [f"{base}.{alias.name}".removeprefix(".") for alias in node.names]
            found |= {name if name in modules else base for name in within}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("folioscope.") for alias in node.names}
    return found & set(modules)


def _room(module: str) -> str:
    return next(room for room in ROOMS if module == room or module.startswith(f"{room}."))


MODULES = _modules()
IMPORTS = {name: _imports(path, MODULES) - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    below = set(ROOMS[: ROOMS.index(room) + 1])
    for module in MODULES:
        if module != "pipeline" and _room(module) == room:
            above = {name for name in IMPORTS[module] if name != "pipeline" and _room(name) not in below}
            assert not above, f"{module} imports {above}, which stand above {room}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """A module that reaches itself over imports, by whatever way."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            fresh = IMPORTS[waiting.pop()] - seen
            seen |= fresh
            waiting += fresh
        return seen

    everything = {name: reached(name) for name in MODULES}
    circles = {
        frozenset(other for other in everything[name] if name in everything[other])
        for name in MODULES
        if name in everything[name]
    }
    assert circles == set()


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in MODULES.values()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert long == {}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_says_what_it_is_for(module: str) -> None:
    text = MODULES[module].read_text()
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"


def test_the_manifest_for_kubernetes_starts_jobs_that_there_are() -> None:
    manifests = list(yaml.safe_load_all((PROJECT / "deploy" / "rayjob.yaml").read_text()))
    commands = {"extract_docs.py": extract_docs.command, "index_videos.py": index_videos.command}
    started = []
    for manifest in manifests:
        words = manifest["spec"]["entrypoint"].split()
        scripts = [word for word in words if word.startswith("/opt/folioscope/")]
        assert [Path(script).name for script in scripts[:1]] == ["once-more.sh"]
        for script in scripts:
            assert (PROJECT / script.removeprefix("/opt/folioscope/")).is_file()
        name = Path(scripts[1]).name
        started.append(name)
        arguments = words[words.index(scripts[1]) + 1 :]
        assert commands[name].make_context(name, arguments).params["inputs"] == ("s3://archive",)
        cluster = manifest["spec"]["rayClusterSpec"]
        groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
        containers = [item for group in groups for item in group["template"]["spec"]["containers"]]
        assert len({container["image"] for container in containers}) == 1, "head and workers run the same code"
        assert any(group["groupName"] == "cpu" for group in cluster["workerGroupSpecs"])
        mounts = {
            item["mountPath"] for item in cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        }
        for word in words:
            assert not word.startswith("/etc/") or str(Path(word).parent) in mounts, f"{word} is mounted nowhere"
        volumes = {item["name"] for item in cluster["headGroupSpec"]["template"]["spec"]["volumes"]}
        assert len(volumes) == len(mounts)
    assert started == ["extract_docs.py", "index_videos.py"]
    assert "WORKDIR /opt/folioscope" in (PROJECT / "Dockerfile").read_text()


@pytest.mark.parametrize(("code", "runs"), [(0, 1), (1, 3), (2, 1), (3, 1), (5, 1)])
def test_a_job_on_kubernetes_is_repeated_only_after_it_broke_off(tmp_path: Path, code: int, runs: int) -> None:
    log = tmp_path / "log"
    command = ["sh", str(PROJECT / "deploy" / "once-more.sh"), "3", "sh", "-c", f"echo run >> {log}; exit {code}"]
    done = subprocess.run(command, env={**os.environ, "ONCE_MORE_SECONDS": "0"}, capture_output=True)
    assert done.returncode == code
    assert log.read_text().count("run") == runs


def test_the_demo_archive_is_what_it_says(tmp_path: Path) -> None:
    files = make_archive(tmp_path / "archive")
    children = DecodeChildren(1, ChildLimits(), (PASSWORD,))
    outcomes = {}
    for path in files:
        try:
            outcomes[path.name] = children.probe(path, path.name).page_count if path.stat().st_size else "empty"
        except Failure as failure:
            outcomes[path.name] = failure.reason.value
    children.close()
    assert outcomes["annual-report-2024.pdf"] == 6
    assert outcomes["fax.tiff"] == 2
    assert outcomes["salaries-locked.pdf"] == 1
    assert outcomes["minutes-locked-password-lost.pdf"] == "password_required"
    assert outcomes["a-note-named.pdf"] == "type_mismatch"
    assert outcomes["empty.pdf"] == "empty"
    again = make_archive(tmp_path / "again")
    same = [a.name for a, b in zip(files, again, strict=True) if "locked" in a.name or a.read_bytes() == b.read_bytes()]
    assert same == [path.name for path in files], "drawn the same each time; locked files hold random salt"
    assert load_questions(PROJECT / "examples" / "questions.yaml")
