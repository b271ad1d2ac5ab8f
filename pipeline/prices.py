"""What replicas and tokens cost, by the prices that the user gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from folioscope.pipeline.interval import Interval

Amount = TypeVar("Amount", float, Interval)


@dataclass(frozen=True, slots=True)
class Prices:
    """``per_million_tokens`` are of tokens read and written."""

    per_replica_hour: float | None = None
    per_million_tokens: tuple[float, float] | None = None

    @property
    def are_nothing(self) -> bool:
        """Whether all of them are 0, or not given."""
        return not self.per_replica_hour and not any(self.per_million_tokens or ())

    def cost(self, replica_seconds: Amount, input_tokens: Amount, output_tokens: Amount) -> Amount | None:
        """None where no price was given."""
        if self.per_replica_hour is None and self.per_million_tokens is None:
            return None
        read, written = self.per_million_tokens or (0.0, 0.0)
        hours = replica_seconds * ((self.per_replica_hour or 0.0) / 3600)
        tokens = _sum(input_tokens * (read / 1e6), output_tokens * (written / 1e6))
        return _sum(hours, tokens)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a run may use; None is no limit. ``cost`` is of replicas and tokens, by ``prices``."""

    replica_seconds: float | None = None
    cost: float | None = None
    prices: Prices = field(default_factory=Prices)
    deadline: datetime | None = None

    @property
    def is_limited(self) -> bool:
        return not (self.replica_seconds is None and self.cost is None and self.deadline is None)

    def is_spent(self, replica_seconds: float, input_tokens: int, output_tokens: int) -> bool:
        """Whether that much reaches the limit of replica seconds or that of cost."""
        if self.replica_seconds is not None and replica_seconds >= self.replica_seconds:
            return True
        cost = self.prices.cost(replica_seconds, float(input_tokens), float(output_tokens))
        return self.cost is not None and cost is not None and cost >= self.cost


def _sum(one: Amount, other: Amount) -> Amount:
    return one + other
