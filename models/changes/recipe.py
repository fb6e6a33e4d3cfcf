"""By which rules the lists of a day were made: kept beside them, since files are edited between two nights."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings
from lake.tables import TABLES
from models import surfaces
from models.policy import merchandising
from models.policy.merchandising import Numbered, Rule
from models.surfaces import Surface

log = logging.getLogger("nightshelf.changes")

TABLE = "list_recipes"


@dataclass(frozen=True)
class Recipe:
    """What a surface's lists were made by, beside the day's data.

    Attributes:
        surface: as its file had it; an arm of an experiment is the surface as the arm's shoppers see it.
        k: length of a list.
        rules: merchandisers' rules of all surfaces and days.
        bundle: version that ranked.
        shelf: the name under which the lake keeps the lists, such as `home` or `home@treatment`.
        recorded: it was kept with the lists; otherwise it is what the files say now.
    """

    surface: Surface
    k: int
    rules: tuple[Numbered, ...]
    bundle: str
    shelf: str
    recorded: bool = True

    @cached_property
    def key(self) -> str:
        """What makes the same lists of the same data has the same key."""
        return json.dumps([self.surface.get_config() | {"experiment": None}, self.k, _plain(self.rules), self.bundle])


def keep(settings: Settings, ds: str, recipes: Iterable[Recipe]) -> None:
    """Replace the day's rows of `list_recipes`."""
    rows = [
        {
            C.SURFACE: recipe.shelf,
            "length": recipe.k,
            # In the order of the file: the arms of an experiment take their shares in theirs.
            "config": json.dumps(recipe.surface.get_config()),
            "rules": json.dumps(_plain(recipe.rules)),
            C.BUNDLE: recipe.bundle,
            C.DS: ds,
        }
        for recipe in recipes
    ]
    storage.replace_days(settings, TABLE, pa.Table.from_pylist(rows, schema=TABLES[TABLE].arrow_schema()), [ds])


def of_day(settings: Settings, ds: str, shelf: str) -> Recipe:
    """The recipe of a day's lists on a shelf; of lists from before recipes were kept, today's files.

    Raises:
        BadInput: the day has no lists there, or there is no such surface or arm.
    """
    kept = storage.read(settings, TABLE, ds=ds, filters=[(C.SURFACE, "=", shelf)]).to_pylist()
    if kept:
        row = kept[0]
        try:
            rules = tuple(Numbered(n, Rule.model_validate(rule)) for n, rule in enumerate(json.loads(row["rules"]), 1))
            made = Surface.model_validate(json.loads(row["config"]))
            return Recipe(made, row["length"], rules, row[C.BUNDLE], shelf)
        except ValidationError as error:
            log.warning("%s: the recipe of %s cannot be read any more (%s); taking today's files", shelf, ds, error)
    filters = [(C.SURFACE, "=", shelf), (C.RANK, "=", 1)]
    made_by = storage.read(settings, "lists", ds=ds, columns=[C.BUNDLE], filters=filters)
    if not len(made_by):
        raise BadInput(f"no lists of {ds} on surface {shelf!r}; make them: python -m jobs.lists --ds {ds}")
    of_file = _of_file(settings, shelf)
    k = of_file.k or settings.list_length
    return Recipe(of_file, k, merchandising.load(settings), made_by[C.BUNDLE][0].as_py(), shelf, recorded=False)


def _of_file(settings: Settings, shelf: str) -> Surface:
    known, (surface, arm) = surfaces.load(settings.surfaces), surfaces.surface_and_arm(shelf)
    found = known.get(surface)
    if found is None or (arm and (found.experiment is None or arm not in found.experiment.arms)):
        raise BadInput(f"surface {shelf!r} does not exist; there are {', '.join(known)}")
    return found.of_arm(arm) if arm else found


def _plain(rules: Iterable[Numbered]) -> list[Any]:
    return [each.rule.model_dump(mode="json", by_alias=True) for each in rules]
