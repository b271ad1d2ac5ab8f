"""What is wrong with a run's arguments is told before Ray starts, each argument by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from folioscope.pipeline.config import parse_config
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.questions import QuestionSpec, load_passwords, load_questions


def test_every_wrong_argument_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(inputs=(), output="out", dpi=5, tasks=("read", "sing"))
    assert all(name in str(told.value) for name in ("inputs", "dpi", "tasks"))


def test_tasks_come_in_the_order_of_the_pipeline() -> None:
    config = parse_config(inputs=("a",), output="o", tasks=("answer", "read"))
    assert config.tasks == ("read", "answer")


def test_passwords_never_leave_with_the_configuration() -> None:
    config = parse_config(inputs=("a",), output="o", passwords=("hunter2",))
    assert "hunter2" not in json.dumps(config.public()) + repr(config)
    assert config.public()["passwords"] == 1


def test_question_ids_must_differ() -> None:
    question = QuestionSpec(id="q", question="Who?")
    with pytest.raises(ConfigError, match="more than once: q"):
        parse_config(inputs=("a",), output="o", questions=(question, question))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.yaml", "- {id: a, question: 'Who?'}\n- {id: b, question: 'Where?', assets: '*.png'}\n"),
        ("q.json", '[{"id": "a", "question": "Who?"}, {"id": "b", "question": "Where?", "assets": "*.png"}]'),
        ("q.csv", "id,question,assets\na,Who?,\nb,Where?,*.png\n"),
    ],
)
def test_questions_load_alike_from_yaml_json_and_csv(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    first, second = load_questions(tmp_path / name)
    assert first == QuestionSpec(id="a", question="Who?")
    assert first.applies_to("/any/file.pdf")
    assert second.applies_to("s3://bucket/x/y.png")
    assert not second.applies_to("s3://bucket/x/y.pdf")


def test_a_glob_may_name_a_folder_at_the_tail() -> None:
    question = QuestionSpec(id="a", question="Who?", assets="leases/*.pdf")
    assert question.applies_to("/archive/leases/one.pdf")
    assert not question.applies_to("/archive/letters/one.pdf")


@pytest.mark.parametrize(
    "text",
    [
        "just words",
        "- {id: a}",
        "- {id: a, question: 'Who?', colour: red}",
        "{",
        "- [1]",
        pytest.param("[" * 5000, id="brackets without end"),
    ],
)
def test_bad_questions_name_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "q.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"q\.yaml"):
        load_questions(path)


@pytest.mark.parametrize("text", ["1", "yes", "2026-13-01", "1.50", "0x1F", "ÄÖ"])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("q.yaml", "- id: {}\n  question: Who?\n"),
        ("q.csv", "id,question\n{},Who?\n"),
        ("q.json", '[{{"id": "{}", "question": "Who?"}}]'),
    ],
)
def test_ids_are_texts_as_they_are_written(tmp_path: Path, name: str, form: str, text: str) -> None:
    (tmp_path / name).write_text(form.format(text))
    assert load_questions(tmp_path / name) == (QuestionSpec(id=text, question="Who?"),)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("q.yaml", "- id: a\n  question: Who?\n- id: b\n", "q.yaml, line 3: question is missing"),
        ("q.yaml", "- id: a\n  quetsion: Who?\n", "q.yaml, line 1: there is no key quetsion"),
        ("q.yaml", "- id: [a]\n  question: Who?\n", "q.yaml, line 1: id must be a text"),
        ("q.yaml", "- id: a\n question: Who?\n", "q.yaml, line 2: is not valid YAML"),
        ("q.yaml", "id: a", "q.yaml: must be a list of questions"),
        ("q.csv", "id,question\na,Who?\nb,\n", "q.csv, line 3: question is missing"),
        ("q.csv", "id,question\na,Who,extra\n", "q.csv, line 2: has more cells"),
        ("q.json", '[{"id": 1}]', "q.json, question 1: question is missing"),
        ("q.json", '[\n{"id": 1,]', "q.json, line 2: is not valid JSON"),
    ],
)
def test_errors_name_file_line_and_key_and_nothing_of_pydantic(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        load_questions(tmp_path / name)
    assert told in str(error.value)
    assert "pydantic" not in str(error.value)
    assert "validation error" not in str(error.value)


def test_questions_and_passwords_come_from_any_store() -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/cli/q.yaml", b"- id: 1\n  question: Who?\n")
    store.pipe("/cli/p.txt", b"one\ntwo\n")
    config = parse_config(inputs=("in",), output="out", questions="memory://cli/q.yaml", passwords="memory://cli/p.txt")
    assert [spec.id for spec in config.questions] == ["1"]
    assert len(config.passwords) == 2


def test_a_tilde_is_the_home_folder() -> None:
    config = parse_config(inputs=("~/docs",), output="~/out")
    assert config.inputs == (str(Path.home() / "docs"),)
    assert config.output == str(Path.home() / "out")


def test_missing_files_are_told_by_their_option(tmp_path: Path) -> None:
    def named(field: str) -> str:
        return {"questions": "--questions", "passwords": "--password-file"}[field]

    for field, option in (("questions", "--questions"), ("passwords", "--password-file")):
        with pytest.raises(ConfigError, match=f"{option}: .*none.yaml: cannot be read .there is no such file"):
            parse_config(named, inputs=("in",), output="out", **{field: str(tmp_path / "none.yaml")})


def test_passwords_keep_their_spaces(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\n\n two \n")
    assert [password.get_secret_value() for password in load_passwords(tmp_path / "p.txt")] == ["one", " two "]


def test_pages_that_commit_together_follow_the_layout_unless_given() -> None:
    places = {"inputs": ["in"], "output": "out"}
    assert parse_config(**places).pages_per_unit == 16
    assert parse_config(**places, layout="full").pages_per_unit == 8
    assert parse_config(**places, layout="fast").pages_per_unit == 32
    assert parse_config(**places, layout="fast", pages_per_unit=3).pages_per_unit == 3
    with pytest.raises(ConfigError, match="pages_per_unit"):
        parse_config(**places, pages_per_unit=0)
