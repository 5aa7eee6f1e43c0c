"""Weighted parts of a recipe: losses, and datasets with shares of the crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import SrzooError
from ..plugins.plugin import Use


@dataclass(frozen=True)
class Weighted:
    """A loss and its weight in the sum."""

    use: Use
    weight: float = 1.0

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Weighted:
        """Read ``"l1"``, or a table with ``name``, ``weight`` and the loss's own arguments."""
        if isinstance(value, str):
            return cls(Use(value))
        weight = value.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise SrzooError(f"the weight of {value.get('name')} is {weight!r}", "Give a number")
        return cls(Use.of({k: v for k, v in value.items() if k != "weight"}), float(weight))

    def plain(self) -> dict[str, Any]:
        """The table that :meth:`of` reads."""
        return {**self.use.plain(), "weight": self.weight}


@dataclass(frozen=True)
class DataSource:
    """One dataset, and its share of the crops, or None to share by numbers of pictures."""

    use: Use
    weight: float | None = None


@dataclass(frozen=True)
class DataSources:
    """The source of pictures: one dataset plugin, or several with a share of the crops each.

    If every set has a share, shares are relative to each other. Otherwise the sets without one
    divide what is left of 1 by their numbers of pictures.
    """

    each: tuple[DataSource, ...]

    @classmethod
    def of(cls, value: str | Mapping[str, Any] | Use) -> DataSources:
        """Read the name or the table of a single data set."""
        return cls((DataSource(Use.of(value)),))

    @classmethod
    def of_list(cls, values: Sequence[object], where: str) -> DataSources:
        """Read a list of names and tables; a table may have a ``weight``."""
        if not values:
            raise SrzooError(f"{where} is an empty list", "Name a dataset")
        return cls(tuple(_source(item, f"{where}[{n}]") for n, item in enumerate(values)))

    def plain(self) -> Any:
        """What :meth:`of` or :meth:`of_list` reads."""
        if len(self.each) == 1 and self.each[0].weight is None:
            return self.each[0].use.plain()
        weights = ({} if s.weight is None else {"weight": s.weight} for s in self.each)
        return [{**s.use.plain(), **w} for s, w in zip(self.each, weights, strict=True)]


def _source(value: object, where: str) -> DataSource:
    if not isinstance(value, str | Mapping):
        raise SrzooError(f"{where} is {value!r}", "Give a name, or a table with a name")
    if isinstance(value, str):
        return DataSource(Use(value))
    table = dict(cast("Mapping[str, Any]", value))
    weight = table.pop("weight", None)
    if weight is None:
        return DataSource(Use.of(table))
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not 0 < weight < float("inf"):
        raise SrzooError(
            f"{where}: weight is {weight!r}", "Give a number above 0, or leave the set out"
        )
    return DataSource(Use.of(table), float(weight))
