"""Merchandisers' rules: pin, boost and bury, in one YAML file for all surfaces.

A rule that is written wrongly is refused by file, number and key. One that speaks of what does not exist (yet, or any
more) is told in the log and does nothing: a night must not fail because an article was taken out of the catalogue.
"""

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from lake.errors import BadInput
from lake.settings import Settings
from models.interface import Ints
from models.policy.audience import Audience
from models.policy.selection import Name, Selection, Strict
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.merchandising")

FILE = "merchandising.yaml"
WIDE = 0.5
"""Share of the catalogue from which a rule is told to match nearly everything."""


class Who(Strict):
    """The shoppers, or the fallback lists, for which a rule holds: all that meet every key given."""

    countries: tuple[Name, ...] = ()
    devices: tuple[Name, ...] = ()
    shoppers: Literal["all", "new", "returning"] = "all"


class When(Strict):
    """Days of the lists (`ds`), both included."""

    since: date | None = Field(None, alias="from")
    until: date | None = Field(None, alias="to")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"from {self.since} lies after to {self.until}")
        return self


class Rule(Strict):
    """One rule: exactly one of pin, boost and bury."""

    reason: Name = Field(description="why, for those who read the file and the log")
    what: Selection
    where: tuple[Name, ...] = Field((), description="surfaces; none given means all")
    who: Who = Who()
    when: When = When()
    pin: int | None = Field(None, ge=1, le=1000, description="rank of the first item, the others follow")
    boost: float | None = Field(None, ge=-10, le=10, description="spreads, see models.policy.preferences")
    bury: Literal["end", "out"] | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(action is not None for action in (self.pin, self.boost, self.bury)) != 1:
            raise ValueError("give exactly one of pin, boost, bury")
        if self.pin is not None and not self.what.items:
            raise ValueError("pin needs what.items; to move a whole category, boost it")
        return self

    @property
    def action(self) -> str:
        """`pin 1`, `boost 1.5`, `bury out`: for people."""
        return next(
            f"{name} {value}" for name in ("pin", "boost", "bury") if (value := getattr(self, name)) is not None
        )


@dataclass(frozen=True)
class Numbered:
    """A rule and its number in the file, from 1."""

    number: int
    rule: Rule

    def __str__(self) -> str:
        return f"rule {self.number} ({self.rule.action}, {self.rule.reason!r})"


@dataclass(frozen=True)
class Prepared:
    """A rule that holds on the snapshot's day.

    Attributes:
        matches: bool `[items]`.
        items: int32, the items in the order of the rule where it names them.
        countries, devices: codes; None where the rule does not ask.
    """

    rule: Rule
    matches: NDArray[np.bool_]
    items: Ints
    countries: Ints | None
    devices: Ints | None

    def meets(self, audience: Audience) -> NDArray[np.bool_]:
        """For which lists the rule holds, bool `[lists]`."""
        mask = np.ones(len(audience), np.bool_)
        if self.countries is not None:
            mask &= np.isin(audience.country, self.countries)
        if self.devices is not None:
            mask &= np.isin(audience.device, self.devices)
        if self.rule.who.shoppers != "all":
            mask &= audience.new == (self.rule.who.shoppers == "new")
        return mask

    @property
    def for_everybody(self) -> bool:
        return self.rule.who == Who()


def load(settings: Settings) -> tuple[Numbered, ...]:
    """The rules of MERCHANDISING, by default `merchandising.yaml` beside the surfaces, where there is one.

    Raises:
        BadInput: the file named by the setting is missing, or a rule is wrong; names file, rule and key.
    """
    file = settings.merchandising or settings.surfaces / FILE
    return read(file) if settings.merchandising or file.is_file() else ()


def read(file: Path) -> tuple[Numbered, ...]:
    """The rules of a file; an empty file has none.

    Raises:
        BadInput: see `load`.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: cannot be read as YAML: {error}") from error
    if content is None:
        return ()
    if not isinstance(content, dict) or set(content) != {"rules"} or not isinstance(content["rules"] or [], list):
        found = f"keys {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        raise BadInput(f"{file}: found {found}, expected one key `rules` with a list of rules")
    return tuple(_rule(file, number, rule) for number, rule in enumerate(content["rules"] or [], 1))


def _rule(file: Path, number: int, content: Any) -> Numbered:
    try:
        return Numbered(number, Rule.model_validate(content))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors())
        raise BadInput(
            f"{file}: rule {number}: {'; '.join(faults)}; keys of a rule: {', '.join(Rule.model_fields)}"
        ) from None


def in_force(rules: tuple[Numbered, ...], snapshot: Snapshot, surface: str) -> tuple[Prepared, ...]:
    """The rules of a surface that hold on the snapshot's day, made ready; what does nothing is told in the log."""
    prepared = []
    for numbered in rules:
        rule, day = numbered.rule, snapshot.as_of
        if rule.where and surface not in rule.where:
            continue
        if rule.when.until and rule.when.until < day:
            log.info("%s: %s ended on %s; it can be removed", surface, numbered, rule.when.until)
        elif rule.when.since and rule.when.since > day:
            log.info("%s: %s begins on %s", surface, numbered, rule.when.since)
        elif (ready := _prepare(numbered, snapshot, surface)) is not None:
            prepared.append(ready)
    return tuple(prepared)


def _prepare(numbered: Numbered, snapshot: Snapshot, surface: str) -> Prepared | None:
    rule = numbered.rule
    items, unknown = rule.what.ids(snapshot)
    if unknown:
        log.warning("%s: %s names items that the shop does not know: %s", surface, numbered, ", ".join(unknown[:20]))
    matches = rule.what.matches(snapshot)
    found = int(matches.sum())
    if not found:
        log.warning("%s: %s matches no item and does nothing", surface, numbered)
        return None
    if rule.pin is None and found > WIDE * len(matches):
        log.warning("%s: %s matches %d of %d items, so it moves little", surface, numbered, found, len(matches))
    log.info("%s: %s holds for %d items", surface, numbered, found)
    countries, devices = _codes(rule.who.countries, snapshot.countries), _codes(rule.who.devices, snapshot.devices)
    for name, codes in (("countries", countries), ("devices", devices)):
        if codes is not None and not len(codes):
            log.warning("%s: %s: nobody is of its %s", surface, numbered, name)
    return Prepared(rule, matches, items[matches[items]], countries, devices)


def _codes(wanted: tuple[str, ...], names: tuple[str, ...]) -> Ints | None:
    if not wanted:
        return None
    asked = {name.casefold() for name in wanted}
    return np.array([code for code, name in enumerate(names) if name.casefold() in asked], np.int32)


def warn_of_unknown_surfaces(rules: tuple[Numbered, ...], surfaces: set[str]) -> None:
    """Tell of rules for surfaces that do not exist."""
    for numbered in rules:
        if unknown := set(numbered.rule.where) - surfaces:
            log.warning("%s is for surfaces that do not exist: %s", numbered, ", ".join(sorted(unknown)))
