"""A replica over a model server: pages, answers, thoughts that were cut off, and what is told before the first page."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from chat_server import KEY, Say, serving, words

from folioscope.model.choice import ModelChoice
from folioscope.model.engine.interface import Completion, RequestError
from folioscope.model.kimi.chat_conversation import ChatConversation
from folioscope.model.kimi.conversation import TruncatedThoughtError
from folioscope.model.kimi.served import ServerRefusesError, load_served
from folioscope.model.load import ModelLoadError, load_replica
from folioscope.model.protocol import Answer, AssetTasks, DocumentText, PageInput, PageText, Question, Reading, Summary


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLIOSCOPE_API_KEY", KEY)


def picture() -> Any:
    image = np.full((120, 200, 3), 255, np.uint8)
    image[20:40, 20:90] = 0
    return image


def script(body: dict[str, Any], _: int) -> Say:
    asked = json.dumps(body["messages"])
    if "Summarise" in asked:
        return Say(words(json.dumps({"summary": "A weir.", "key_points": []})))
    if "Question:" in asked:
        return Say(words(json.dumps({"answerable": True, "answer": "1987", "page": "1", "quote": "in 1987"})))
    return Say(words("# Weirs\n\nRebuilt in 1987."), logprob=None)


def test_pages_are_read_and_documents_understood_over_a_server() -> None:
    with serving(script) as server:
        replica = load_served(ModelChoice(f"{server.url}#tiny"))
        readings = list(replica.read([PageInput(n, 200, 120, picture(), None) for n in range(1, 6)]))
        assert [r.text for r in readings if isinstance(r, Reading)] == ["# Weirs\n\nRebuilt in 1987."] * 5
        assert readings[0].blocks[0].confidence is None  # type: ignore[union-attr]  # its server tells none
        pages = tuple(PageText(n, "words", width_px=200, height_px=120) for n in (1, 2))
        asset = DocumentText("d", "d.pdf", None, pages, lambda number: picture())
        [found] = replica.understand([AssetTasks(asset, True, (Question("q", "When?"),))])
        assert isinstance(found.summary, Summary)
        [answer] = found.answers
        assert isinstance(answer, Answer)
        assert (answer.text, answer.evidence[0].page_number) == ("1987", 1)
        images = [item for item in server.bodies[-1]["messages"][0]["content"] if item["type"] == "image_url"]
        assert len(images) == 2


def test_no_answer_may_take_more_than_half_of_a_servers_context() -> None:
    with serving(script) as server:
        server.models[:] = [{"id": "tiny", "max_model_len": 2048}]
        replica = load_served(ModelChoice(f"{server.url}#tiny"))
        [reading] = list(replica.read([PageInput(1, 200, 120, picture(), None)]))
        assert isinstance(reading, Reading)
        asked = [body.get("max_tokens") or body.get("max_completion_tokens") for body in server.bodies]
    assert asked == [1024]


def completion(text: str, reason: str = "stop", thoughts: str | None = None) -> Completion:
    return Completion("r", (), reason, 1, None, text=text, thoughts=thoughts, tokens=9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "thinks"),
    [
        (completion("", "length", "hm, the plate says"), False),
        (completion("<think>hm, the plate", "length"), False),
        (completion("◁think▷hm, the plate", "stop"), False),
        (completion("hm, the plate says", "length"), True),  # its template opens the thoughts
    ],
)
def test_what_was_cut_off_inside_its_thoughts_is_no_answer(said: Completion, thinks: bool) -> None:
    with pytest.raises(TruncatedThoughtError, match="still thinking after 9 tokens"):
        ChatConversation(thinks=thinks).answer(said)


def test_thoughts_are_kept_apart_from_answers() -> None:
    conversation = ChatConversation()
    assert conversation.answer(completion("<think>hm</think>1987")) == ("1987", "hm")
    assert conversation.answer(completion("1987", thoughts="hm")) == ("1987", "hm")
    assert conversation.answer(completion("half a page", "length")) == ("half a page", None)
    assert conversation.answer(completion("hm</think>1987")) == ("1987", "hm")
    with pytest.raises(TruncatedThoughtError):  # by now it is known that this model's thoughts open by themselves
        conversation.answer(completion("hm, the plate", "length"))


def test_a_model_that_the_server_does_not_have_is_told_before_the_first_page() -> None:
    with serving(script) as server, pytest.raises(ServerRefusesError, match="has no model huge; it has tiny"):
        load_served(ModelChoice(f"{server.url}#huge"))


def test_a_server_that_is_not_there_is_told_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folioscope.model.load.LONGEST_WAIT", 0.0)
    with pytest.raises(ModelLoadError, match=r"127.0.0.1:9 cannot be reached") as raised:
        load_replica(ModelChoice("http://127.0.0.1:9/v1#tiny"))
    assert KEY not in str(raised.value)


def test_an_error_of_one_page_leaves_the_others() -> None:
    def refusing(body: dict[str, Any], number: int) -> Say:
        return Say(status=400, error="image too large") if number == 1 else script(body, number)

    with serving(refusing) as server:
        replica = load_served(ModelChoice(f"{server.url}#tiny"))
        found = list(replica.read([PageInput(n, 200, 120, picture(), None) for n in range(1, 5)]))
    assert sum(isinstance(one, Reading) for one in found) >= 3
    assert all("image too large" in str(one) for one in found if isinstance(one, RequestError))
