"""Models behind servers that speak OpenAI's chat completions: what the driver must know of one, and its replica.

Describing asks no server. Loading asks each for its list of models, so that a wrong name, URL or key is told before the
first page, and takes a second and no GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from folioscope.model.choice import ModelChoice
from folioscope.model.dialects.choice import dialect_of
from folioscope.model.engine.openai_engine import OpenAiEngine
from folioscope.model.engine.openai_servers import Server, ServerNameError, hide, parse_server
from folioscope.model.kimi.chat_conversation import ChatConversation
from folioscope.model.kimi.description import describe
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.variants import Behaviour, behaviour_of, variant_by_name
from folioscope.model.protocol import ReplicaDescription, UnavailableError

CONTEXT_TOKENS = 65_536  # of a server that does not tell
LOOK_SECONDS = 30.0
REVISION = "served"  # a server does not tell which weights it holds
NUM_CPUS = 0.5


class ServerRefusesError(ValueError):
    """A server does not know the model, or does not accept the key; the message says what to change."""


def describe_served(choice: ModelChoice) -> ReplicaDescription:
    """Raises ``ServerNameError`` and ``UnknownDialectError``."""
    servers = _servers(choice)
    name = f"openai:{servers[0].model}"
    return describe(name, REVISION, _behaviour(choice, servers[0]), dialect_of(choice), num_gpus=0.0, num_cpus=NUM_CPUS)


def load_served(choice: ModelChoice) -> KimiReplica:
    """Raises :class:`ServerRefusesError`, and ``UnavailableError`` where a server cannot be reached."""
    servers = _servers(choice)
    context = min(_look(server) for server in servers)
    behaviour = _behaviour(choice, servers[0]).within(context)
    conversation = ChatConversation(thinks=behaviour.thinks)
    return KimiReplica(OpenAiEngine(servers), conversation, dialect_of(choice), behaviour, context)


def _servers(choice: ModelChoice) -> tuple[Server, ...]:
    servers = tuple(parse_server(name) for name in choice.servers)
    if len({server.model for server in servers}) != 1:
        raise ServerNameError(
            f"--model {choice.name}: the servers must serve one model, under one name; these are "
            f"{', '.join(sorted({server.model for server in servers}))}"
        )
    return servers


def _behaviour(choice: ModelChoice, server: Server) -> Behaviour:
    return behaviour_of(choice.variant or variant_by_name(server.model))


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model in a server's list."""

    name: str
    context: int | None


def _look(server: Server) -> int:
    """Tokens that a request to this server may hold."""
    key = server.key()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx2.get(f"{server.url}/models", headers=headers, timeout=LOOK_SECONDS)
    except httpx2.HTTPError as error:
        raise UnavailableError(f"{server.host} cannot be reached ({type(error).__name__})") from None
    if response.status_code in (401, 403):
        said = hide(" ".join(response.text.split())[:200], key)
        raise ServerRefusesError(
            f"{server.host} does not accept the key (HTTP {response.status_code}: {said}). Put it into one of "
            f"{', '.join(server.key_variables)}, where the actors run."
        )
    if response.status_code >= 500 or response.status_code == 429:
        raise UnavailableError(f"{server.host} answers with HTTP {response.status_code}")
    listed = _listed(response)
    known = next((model for model in listed if model.name == server.model), None)
    if listed and known is None:
        names = ", ".join(sorted(model.name for model in listed)[:12])
        raise ServerRefusesError(f"{server.host} has no model {hide(server.model, key)}; it has {hide(names, key)}")
    return CONTEXT_TOKENS if known is None or known.context is None else known.context


def _listed(response: httpx2.Response) -> list[_Listed]:
    """What a server lists; [] where it has no such list, which some have not."""
    try:
        entries: Any = response.json()["data"] if response.status_code == 200 else []
        return [_Listed(str(entry["id"]), _positive(entry.get("max_model_len"))) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
