"""The engine for servers, against one that throttles, drops, stalls, truncates, talks nonsense and echoes the key."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from chat_server import KEY, Say, serving, words
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.model.engine.concurrency import ConcurrencyLimit
from folioscope.model.engine.interface import Completion, EncodedImage, Request, RequestError, Sampling, Turn, run_all
from folioscope.model.engine.loops import CHECK_EVERY
from folioscope.model.engine.openai_connection import Patience
from folioscope.model.engine.openai_engine import OpenAiEngine
from folioscope.model.engine.openai_servers import Server, ServerNameError, parse_server
from folioscope.model.engine.openai_wire import body_of
from folioscope.model.protocol import UnavailableError

HASTY = Patience(connect=2, stall=1.5, answer=15, absence=1.5, tries=4, first_wait=0.01, longest_wait=0.05)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLIOSCOPE_API_KEY", KEY)


def request(key: str, text: str = "Read.", new: int = 500, **more: Any) -> Request:
    turn = Turn("user", (EncodedImage("data:image/jpeg;base64,AAAA"), text))
    return Request(key, (), Sampling(new), frozenset(), turns=(turn,), **more)


def ask(url: str, count: int = 1, **more: Any) -> tuple[list[Completion], OpenAiEngine]:
    engine = OpenAiEngine([Server(url, "tiny")], HASTY)
    found = {done.key: done for done in run_all(engine, [request(f"r{n}", f"page {n}", **more) for n in range(count)])}
    return [found[f"r{n}"] for n in range(count)], engine


def page_of(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"][-1]["text"])


def test_a_completion_comes_with_text_logprobs_and_usage() -> None:
    with serving(lambda body, _: Say(words(f"read {page_of(body)}"), logprob=-0.5)) as server:
        [done], engine = ask(server.url)
        assert (done.text, done.finish_reason, done.mean_logprob) == ("read page 0", "stop", -0.5)
        assert (done.computed_tokens, done.output_tokens) == (100, 3)
        assert (engine.counters.output_tokens, engine.counters.prompt_tokens_computed) == (3, 100)
        body = server.bodies[0]
        assert body["model"] == "tiny"
        assert body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
        assert server.keys == [f"Bearer {KEY}"]


def test_a_connection_serves_one_request_after_the_other() -> None:
    with serving(lambda *_: Say(words("a page"))) as server:
        engine = OpenAiEngine([Server(server.url, "tiny")], HASTY)
        for number in range(6):
            [done] = run_all(engine, [request(f"r{number}")])
            assert done.text == "a page"
        assert len(server.peers) == 1


@given(st.text(), st.text(), st.sampled_from(['http://x/"a"', "data:image/png;base64,AAAA", 'data:,\\u0000 "\n']))
def test_a_request_says_what_it_was_given(first: str, last: str, url: str) -> None:
    turns = (Turn("user", (first, EncodedImage(url), last)), Turn("assistant", (last,)), Turn("user", (first, last)))
    body = json.loads(body_of(Request("r", (), Sampling(5), frozenset(), turns=turns), "tiny", frozenset()))
    user, assistant, again = body["messages"]
    assert user["content"] == [
        {"type": "text", "text": first},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": last},
    ]
    assert (assistant, again["content"]) == ({"role": "assistant", "content": last}, f"{first}\n{last}")
    assert (body["model"], body["max_tokens"], body["stream"]) == ("tiny", 5, True)


FAULTS = {
    "throttles": Say(status=429, error={"message": "slow down"}, headers={"Retry-After": "0.05"}),
    "throttles until a date": Say(status=429, error="wait", headers={"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}),
    "is overloaded": Say(status=503, error="overloaded"),
    "has an error": Say(status=500, error={"message": f"internal: key {KEY} of user"}),
    "drops the connection": Say([*words("half a p"), None]),
    "stalls": Say([*words("half"), 4.0, "late"]),
    "ends without an end": Say(words("half a page"), finish=None),
    "sends an error in the stream": Say(words("half"), error={"message": f"boom {KEY}"}, finish=None),
    "sends nonsense": Say(raw="data: {]\n\n"),
    "sends a page of HTML": Say(raw="<html>busy</html>", headers={"Content-Type": "text/html"}),
    "sends a list": Say(raw="data: [1, 2]\n\n"),
    "sends numbers for text": Say(raw='data: {"choices": [{"delta": {"content": 7}}]}\n\n'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_passes_is_tried_again_and_nothing_is_lost(fault: Say) -> None:
    tried: set[str] = set()

    def script(body: dict[str, Any], number: int) -> Say:
        first = page_of(body) not in tried
        tried.add(page_of(body))
        return fault if first else Say(words(f"read {page_of(body)}"))

    with serving(script) as server:
        found, _ = ask(server.url, 12)
        assert [done.text for done in found] == [f"read page {n}" for n in range(12)]
        assert all(done.error is None for done in found)
        assert len(server.bodies) == 24


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_stays_fails_its_own_request_and_never_tells_the_key(fault: Say) -> None:
    def script(body: dict[str, Any], number: int) -> Say:
        return fault if page_of(body) == "page 1" else Say(words("fine"))

    with serving(script) as server:
        (first, bad, last), engine = ask(server.url, 3)
        assert (first.text, last.text, bad.finish_reason) == ("fine", "fine", "failed")
        assert isinstance(bad.error, UnavailableError)
        assert KEY not in repr(bad)
        assert KEY.encode() not in pickle.dumps(bad)
        assert bad.error.__cause__ is None
        assert engine.unfinished == 0


def test_a_refusal_for_good_is_told_with_what_to_do() -> None:
    with serving(lambda *_: Say(status=401, error={"message": f"Incorrect API key provided: {KEY}."})) as server:
        [done], _ = ask(server.url)
    assert isinstance(done.error, RequestError)
    assert "FOLIOSCOPE_API_KEY_127_0_0_1" in str(done.error)
    assert KEY not in str(done.error)
    assert "[key]" in str(done.error)


def test_a_key_in_an_answer_is_taken_out() -> None:
    with serving(lambda *_: Say(words(f"your key is {KEY}"))) as server:
        [done], _ = ask(server.url)
    assert done.text == "your key is [key]"


def test_an_engine_is_never_pickled() -> None:
    engine = OpenAiEngine([Server("http://127.0.0.1:9/v1", "tiny")], HASTY)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(engine)
    assert KEY not in repr(engine)


def test_extras_that_a_server_does_not_know_are_left_out() -> None:
    def script(body: dict[str, Any], number: int) -> Say:
        if "logprobs" in body:
            return Say(status=400, error={"message": "logprobs is not supported with this model"})
        if "max_tokens" in body:
            return Say(status=400, error={"message": "Unsupported parameter: use 'max_completion_tokens' instead."})
        return Say(["fine"], logprob=None)

    with serving(script) as server:
        found, _ = ask(server.url, 3, schema='{"type": "object"}')
        assert [done.text for done in found] == ["fine"] * 3
        assert [done.mean_logprob for done in found] == [None] * 3
        assert server.bodies[-1]["max_completion_tokens"] == 500
        assert server.bodies[-1]["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_a_server_that_does_not_say_which_extra_it_refuses_gets_none() -> None:
    def script(body: dict[str, Any], number: int) -> Say:
        return Say(status=422, error="bad request") if "stream_options" in body else Say(["fine"])

    with serving(script) as server:
        assert [done.text for done in ask(server.url, 3)[0]] == ["fine"] * 3


def test_a_request_that_is_wrong_by_itself_fails_alone() -> None:
    def script(body: dict[str, Any], number: int) -> Say:
        return Say(status=400, error="context length exceeded") if page_of(body) == "page 1" else Say(["fine"])

    with serving(script) as server:
        first, wrong, last = ask(server.url, 3)[0]
    assert (first.text, last.text) == ("fine", "fine")
    assert isinstance(wrong.error, RequestError)


def test_a_loop_is_cut_while_it_is_being_written() -> None:
    turn = "The rent is paid in two parts. "
    with serving(lambda *_: Say([*words("Rules.\n"), *[turn] * 5000])) as server:
        [done], engine = ask(server.url, new=20_000)
        assert done.finish_reason == "loop"
        assert done.text is not None
        assert done.text.startswith("Rules.")
        assert done.text.count(turn.strip()) <= 2
        assert done.output_tokens < 1000 + CHECK_EVERY
        assert (engine.counters.loops_cut, engine.counters.tokens_saved > 0) == (1, True)


def test_a_server_that_is_gone_is_waited_for_and_then_told() -> None:
    engine = OpenAiEngine([Server("http://127.0.0.1:9/v1", "tiny")], HASTY)
    [done] = run_all(engine, [request("r0")])
    assert isinstance(done.error, UnavailableError)
    assert "127.0.0.1:9: it cannot be reached" in str(done.error)


def test_of_two_servers_the_one_that_is_there_does_the_work() -> None:
    with serving(lambda *_: Say(["fine"])) as server:
        engine = OpenAiEngine([Server("http://127.0.0.1:9/v1", "tiny"), Server(server.url, "tiny")], HASTY)
        found = list(run_all(engine, [request(f"r{n}") for n in range(30)]))
        assert [done.text for done in found] == ["fine"] * 30


def test_two_servers_share_the_work() -> None:
    with serving(lambda *_: Say(["fine"], seconds=0.01)) as one, serving(lambda *_: Say(["fine"], seconds=0.01)) as two:
        engine = OpenAiEngine([Server(one.url, "tiny"), Server(two.url, "tiny")], HASTY)
        assert len(list(run_all(engine, [request(f"r{n}") for n in range(60)]))) == 60
        assert len(one.bodies) > 10
        assert len(two.bodies) > 10


def test_a_cleared_engine_gives_no_old_answers_and_serves_on() -> None:
    with serving(lambda body, _: Say([page_of(body)], seconds=0.2 if page_of(body) == "old" else 0.0)) as server:
        engine = OpenAiEngine([Server(server.url, "tiny")], HASTY)
        engine.submit(request("r0", "old"))
        engine.step()
        engine.clear()
        assert engine.unfinished == 0
        [done] = run_all(engine, [request("r0", "new")])
        assert done.text == "new"


def test_a_server_that_takes_few_at_once_is_given_few() -> None:
    def script(body: dict[str, Any], number: int) -> Say:
        if server.held > 5:
            return Say(status=429, error="too many at once")
        return Say(["fine"], seconds=0.01)

    with serving(script) as server:
        found, engine = ask(server.url, 150)
        assert all(done.text == "fine" for done in found)
        assert engine.most_sequences <= 7
        assert len(server.bodies) < 200


@settings(max_examples=50, deadline=None)
@given(slots=st.integers(1, 60), refuses=st.booleans(), seconds=st.floats(0.05, 20))
def test_the_limit_settles_where_the_server_is_full(slots: int, refuses: bool, seconds: float) -> None:
    """A server of so many places, in simulated time: those beyond wait, or are refused."""
    limit, now = ConcurrencyLimit(), 0.0
    ends: list[float] = []
    for _ in range(4000):
        while limit.has_room:
            limit.begin(now)
            if refuses and len(ends) >= slots:
                limit.end(now)
                limit.refuse()
            else:
                starts = sorted(ends)[len(ends) - slots] if len(ends) >= slots else now
                ends.append(max(now, starts) + seconds)
        now = min(ends)
        ends.remove(now)
        limit.end(now, 100.0)
    assert slots <= limit.limit + 1
    assert limit.limit <= max(slots + 1 if refuses else 4 * slots + 8, 8)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("https://user:geheim@host/v1#m", "no key or password"),
        ("https://host/v1?api_key=geheim#m", "no key or password"),
        ("https:///v1#m", "given as https://host/v1#model-name"),
        ("https://host/v1#", "given as https://host/v1#model-name"),
    ],
)
def test_what_is_no_server_is_refused_without_repeating_a_secret(name: str, said: str) -> None:
    with pytest.raises(ServerNameError, match=said) as raised:
        parse_server(name)
    assert "geheim" not in str(raised.value)


def test_a_servers_own_key_comes_before_the_common_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "common")
    monkeypatch.setenv("FOLIOSCOPE_API_KEY_API_EXAMPLE_COM", "own")
    assert parse_server("https://api.example.com/v1#m").key() == "own"
    assert parse_server("https://other.example.com/v1#m").key() == KEY
    monkeypatch.delenv("FOLIOSCOPE_API_KEY")
    assert parse_server("https://other.example.com/v1#m").key() == "common"
