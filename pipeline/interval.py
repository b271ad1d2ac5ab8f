"""A figure that is not known exactly: the least, the expected and the most it is likely to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """``low`` and ``high`` bound four cases in five; they equal ``expected`` where the figure is exact."""

    low: float
    expected: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Interval:
        return cls(value, value, value)

    @property
    def exact(self) -> bool:
        return self.low == self.high

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __sub__(self, part: Interval) -> Interval:
        """What a part of it leaves."""
        return Interval(max(0.0, self.low - part.high), self.expected - part.expected, max(0.0, self.high - part.low))

    def __mul__(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.expected * factor, self.high * factor)
