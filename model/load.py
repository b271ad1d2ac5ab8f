"""From a model's name to its description (cheap, for the driver) and to a loaded replica (for an actor)."""

from __future__ import annotations

from model.protocol import Replica, ReplicaDescription

MODELS = ("embedded", "fake")


class UnknownModelError(ValueError):
    """No replica goes by this name."""


def describe_replica(name: str) -> ReplicaDescription:
    """What the driver must know of a model, without loading it.

    Raises:
        UnknownModelError: names the models there are.
    """
    if name == "embedded":
        from model.embedded.replica import DESCRIPTION

        return DESCRIPTION
    if name == "fake":
        from model.fake import DESCRIPTION

        return DESCRIPTION
    raise UnknownModelError(f"--model {name}: there is no such model; choose one of {', '.join(MODELS)}")


def load_replica(name: str) -> Replica:
    """A loaded replica; may take seconds to minutes, and the memory of the model."""
    describe_replica(name)
    if name == "embedded":
        from model.embedded.replica import EmbeddedReplica

        return EmbeddedReplica()
    from model.fake import FakeReplica

    return FakeReplica()
