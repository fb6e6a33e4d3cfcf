"""What each surface shows: one YAML file a surface, refused by file and key where it is wrong."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from lake.errors import BadInput
from models.config import SourceName
from models.policy import merchandising
from models.policy.objectives import Objectives
from models.policy.selection import Name, Strict
from storefront import contract

SegmentName = Literal["country", "device"]
Kind = Literal["users", "items", "segments"]
ItemLists = Literal["complements", "similar", "both"]
ARM_MARK = "@"


class RecentlyBought(Strict):
    """Hide what the shopper bought within `days`, unless the log shows that people buy such an item again.

    `repurchase_rate` is the share of an item's buyers who came back for it, from which `days` do not count. `due_share`
    looks at the item's own clock: whatever it is, it is hidden until this share of the usual gap between two purchases
    of it has passed.
    """

    days: int = Field(14, ge=0, le=3650, description="0 hides nothing")
    repurchase_rate: float = Field(0.1, ge=0, le=1)
    due_share: float = Field(0.0, ge=0, le=2, description="0 hides nothing")


class Due(Strict):
    """Show nothing but what it is time to buy again; such lists are not filled up.

    An item is due while its last purchase lies between `opens` and `closes` times its usual gap back; see
    `models.policy.due`.
    """

    times: int = Field(2, ge=1, description="days on which the shopper bought it")
    opens: float = Field(0.75, ge=0)
    closes: float = Field(2.0, gt=0)


class Rules(Strict):
    """What the policy enforces, in this order of importance: stock, repeats, length, variety."""

    in_stock: bool = True
    recently_bought: RecentlyBought | None = RecentlyBought()
    due: Due | None = None
    max_per_category: float = Field(1.0, gt=0, le=1, description="share of a list that one category may take")
    min_items: int = Field(1, ge=1, description="a shorter list is not published; its shopper gets the segments")


class Arm(Strict):
    """One arm of an experiment: how many shoppers it takes, and what is other than on the surface.

    `rules` and `objectives` name the keys that differ; everything else stays as the surface has it.
    """

    share: float = Field(ge=0, le=1, description="of the shoppers; 0 makes and publishes its lists for nobody")
    bundle: Name | None = Field(None, description="version or alias of the models; default those of the surface")
    k: int | None = None
    sources: tuple[SourceName, ...] | None = None
    only_new: bool | None = None
    related: int | None = None
    item_lists: ItemLists | None = None
    rules: dict[str, Any] = Field({})
    objectives: dict[str, Any] = Field({})

    def changes(self) -> dict[str, Any]:
        """What it says that the surface does not: keys of a surface, as its file would have them."""
        told = self.model_dump(mode="json", exclude={"share", "bundle"})
        return {key: value for key, value in told.items() if value not in (None, {})}


class Experiment(Strict):
    """What is tried on a surface: arms by name, in the order in which they take their shares; the rest is control.

    `salt` deals the shoppers out; the experiment's name by default, so that another experiment deals them out anew.
    """

    name: str
    salt: str = ""
    arms: dict[str, Arm]

    @model_validator(mode="after")
    def _can_be(self) -> "Experiment":
        self.assignment()
        return self

    def assignment(self) -> contract.Experiment:
        """What readers need to know of it."""
        return contract.Experiment(
            self.name, self.salt or self.name, {name: arm.share for name, arm in self.arms.items()}
        )


class Surface(Strict):
    """One surface. `k` is the length of its lists (default: the setting LIST_LENGTH).

    `kinds` says whose lists it has; without segments, who has no list of their own is shown nothing. `item_lists` says
    what stands in the lists of items: complements, similar items, or similar items behind complements.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    description: str = ""
    kinds: tuple[Kind, ...] = get_args(Kind)
    k: int | None = Field(None, ge=1, le=1000)
    sources: tuple[SourceName, ...] = get_args(SourceName)
    only_new: bool = Field(False, description="only items that the shopper has never touched")
    related: int = Field(20, ge=0, le=1000, description="length of the lists of items, at most k; 0 = none")
    item_lists: ItemLists = "both"
    segments: tuple[SegmentName, ...] = ("country", "device")
    segment_min_shoppers: int = Field(20, ge=1, description="a smaller segment gets no list of its own")
    rules: Rules = Rules()
    objectives: Objectives = Objectives()
    experiment: Experiment | None = None

    @field_validator("kinds", "sources", "segments")
    @classmethod
    def _once(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a name occurs twice")
        if not names and info.field_name != "segments":
            raise ValueError(f"at least one of the {info.field_name} is needed")
        return names

    @model_validator(mode="after")
    def _arms_can_be(self) -> "Surface":
        for arm in self.experiment.arms if self.experiment else ():
            try:
                self.of_arm(arm)
            except ValidationError as error:
                raise ValueError(f"experiment.arms.{arm}: {'; '.join(_faults(error.errors()))}") from None
        return self

    def of_arm(self, arm: str) -> "Surface":
        """The surface as the shoppers of an arm see it; it bears the surface's name and has no experiment."""
        assert self.experiment is not None
        plain = self.model_dump(mode="json", by_alias=True, exclude={"experiment"})
        return Surface.model_validate(_merged(plain, self.experiment.arms[arm].changes()))

    def get_config(self) -> dict[str, Any]:
        """The surface as plain values; `Surface.model_validate` reads them back."""
        return self.model_dump(mode="json", by_alias=True)


def shelf(surface: str, arm: str | None) -> str:
    """Under which name the lake keeps lists: the surface's, or `home@treatment`, which no surface can be called."""
    return f"{surface}{ARM_MARK}{arm}" if arm else surface


def surface_and_arm(shelf: str) -> tuple[str, str | None]:
    """The inverse of `shelf`."""
    surface, _, arm = shelf.partition(ARM_MARK)
    return surface, arm or None


def load(folder: Path) -> dict[str, Surface]:
    """All surfaces of a folder by name, ascending; merchandisers' rules beside them are no surface.

    Raises:
        BadInput: the folder has none, or a file is wrong; names file and key.
    """
    files = sorted(file for file in folder.glob("*.yaml") if file.name != merchandising.FILE)
    if not files:
        raise BadInput(f"no surface in {folder.absolute()}: expected files such as home.yaml, or set SURFACES")
    return {surface.name: surface for surface in map(read, files)}


def read(file: Path) -> Surface:
    """One surface; its name must be the file's.

    Raises:
        BadInput: names the file and the key.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: is no YAML file: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{file}: holds {type(content).__name__}, expected keys such as name, k, rules")
    try:
        surface = Surface.model_validate(content)
    except ValidationError as error:
        raise BadInput(
            f"{file}: {'; '.join(_faults(error.errors()))}; keys: {', '.join(Surface.model_fields)}"
        ) from None
    if surface.name != file.stem:
        raise BadInput(f"{file}: name: found {surface.name!r}, expected the file's name {file.stem!r}")
    return surface


def _faults(errors: Iterable[Any]) -> list[str]:
    return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in errors]


def _merged(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`whole` with the keys of `changes`, those of mappings one by one."""
    found = dict(whole)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found
