"""Every setting is declared once: as an option, in a settings file and in Python it is the same setting."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from folioscope.jobs.options import config_from
from folioscope.jobs.read import plan, read
from folioscope.jobs.settings_file import load_settings
from folioscope.pipeline.config import SETTINGS, RunConfig, parse_config
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.options import Group

PLACES = {"inputs": ("in",), "output": "out"}
VALUES: dict[str, object] = {  # one value of each setting that is not its default
    "inputs": ("a", "b"),
    "kinds": "pdf,video",
    "limit": 3,
    "max_file_mb": 7,
    "output": "elsewhere",
    "thumbnails": 0,
    "webvtt": False,
    "tasks": "read",
    "model": "fake",
    "engine": "vllm",
    "replicas": 5,
    "gpus_per_replica": 0.5,
    "layout": "fast",
    "dpi": 200,
    "max_pixels": 20_000,
    "pages_per_unit": 3,
    "seconds_per_unit": 30.0,
    "max_frames_per_shot": 2,
    "video_decoder": "decord",
    "address": "ray://head:10001",
    "max_failures": 4,
    "seconds_per_page": 5.0,
    "seconds_per_file": 50.0,
    "seconds_per_read": 6.0,
    "memory_mb": 512,
    "max_replica_hours": 1.5,
    "max_cost": 2.0,
    "deadline": "2031-01-01T06:00+00:00",
    "price_per_replica_hour": 3.0,
    "retry_failed": "all",
    "log_format": "json",
}
FILES = {"questions": "- id: 1\n  question: Who?\n", "passwords": "secret\n"}


def test_every_field_of_the_configuration_can_be_set() -> None:
    assert set(SETTINGS) == set(RunConfig.model_fields)
    assert set(VALUES) | set(FILES) <= set(SETTINGS)


def test_every_option_has_a_help_text_and_a_group() -> None:
    for setting in SETTINGS.values():
        assert setting.option.help.endswith(".") or ":" in setting.option.help, setting.field
    helped = CliRunner().invoke(read, ["--help"]).output
    headings = [line.rstrip(":") for line in helped.splitlines() if line.rstrip(":") in list(Group)]
    assert headings == list(Group), "grouped, in the order of Group"
    for setting in SETTINGS.values():
        assert setting.field == "inputs" or setting.names[0] in helped


def typed(command: click.Command, arguments: list[str]) -> dict[str, object]:
    return command.make_context(command.name, arguments).params


@pytest.mark.parametrize("field", sorted(VALUES))
def test_an_option_a_settings_file_and_python_mean_the_same(field: str, tmp_path: Path) -> None:
    setting = SETTINGS[field]
    value = VALUES[field]
    extra = {"price_per_replica_hour": 3.0} if field == "max_cost" else {}
    in_python = parse_config(**{**PLACES, **extra, field: value})
    arguments = ["--output", "out"] if field != "output" else []
    arguments += ["--price-per-replica-hour", "3"] if extra else []
    if field == "inputs":
        arguments += ["a", "b"]
    elif isinstance(value, bool):
        arguments += ["in", setting.names[0] if value else f"--no-{setting.key}"]
    else:
        arguments += ["in", setting.names[0], str(value)]
    assert config_from(typed(read, arguments)) == in_python

    written = {
        "input": ["in"],
        "output": "out",
        **({"price-per-replica-hour": 3.0} if extra else {}),
        setting.key: value,
    }
    path = tmp_path / "night.toml"
    path.write_text("".join(f"{key} = {json.dumps(item)}\n" for key, item in written.items()))
    assert config_from(typed(read, ["--config", str(path)])) == in_python
    assert in_python != parse_config(**{**PLACES, **extra})


@pytest.mark.parametrize("field", sorted(FILES))
def test_files_of_questions_and_passwords_too(field: str, tmp_path: Path) -> None:
    (tmp_path / "given.yaml").write_text(FILES[field])
    place = str(tmp_path / "given.yaml")
    in_python = parse_config(**PLACES, **{field: place})
    assert config_from(typed(read, ["in", "--output", "out", SETTINGS[field].names[0], place])) == in_python
    assert len(getattr(in_python, field)) == 1


def test_options_override_the_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "folioscope.toml"
    path.write_text('input = "in"\noutput = "out"\nreplicas = 4\ndpi = 100\n')
    config = config_from(typed(read, ["--config", str(path), "--replicas", "6", "other"]))
    assert (config.replicas, config.dpi, config.inputs) == (6, 100, ("other",))


def test_a_settings_file_in_the_folder_is_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folioscope.toml").write_text('output = "out"\nmodel = "fake"\n')
    done = CliRunner().invoke(plan, ["in", "--json"])
    assert done.exit_code == 3
    assert "settings are read from folioscope.toml" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("replicsa = 2", "there is no setting replicsa; did you mean replicas?"),
        ("colour = 1", "there is no setting colour; the keys are"),
        ("replicas = ", "is not valid TOML"),
    ],
)
def test_a_bad_settings_file_is_told_by_its_name_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "night.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"night\.toml") as error:
        load_settings(path)
    assert told in str(error.value)


def test_a_bad_value_is_told_under_the_name_by_which_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "night.toml"
    path.write_text('output = "out"\ndpi = 1\n')
    with pytest.raises(ConfigError) as error:
        config_from(typed(read, ["in", "--config", str(path), "--replicas", "0"]))
    assert "night.toml: dpi: " in str(error.value)
    assert "--replicas: " in str(error.value)


@given(st.text(min_size=1, max_size=30))
def test_no_text_for_a_time_ends_in_anything_but_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert parse_config(**PLACES, deadline=text).deadline is not None
