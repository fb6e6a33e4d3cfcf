"""The one thing that training leaves behind and scoring loads: stage one, ranker, configuration, provenance.

A folder: `manifest.json`, and the arrays of each trained model as `.npz`. No pickle, no TensorFlow: scoring is numpy,
so that lists and judging start at once.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.errors import BadInput
from models.candidates.related import Related, RelatedItems
from models.candidates.two_tower_source import TwoTowerScorer
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig
from models.interface import Floats, Ints, Ranked, Reasons
from models.ranking import scoring
from models.snapshot import Snapshot

SCHEMA = 3
"""Version of the folder's layout; a bundle of another version is refused."""

Arrays = Mapping[str, NDArray[Any]]


class Bundle:
    """Candidate sources and ranker that were trained together.

    A bundle without a ranker (too few shoppers to train one) ranks by the agreement of own and popular items; its
    interface is the same.

    Attributes:
        trained_through: last day whose events any of its parts has seen.
        manifest: provenance and metrics, as saved; plain JSON values.
        config: the training's configuration.
        two_tower, ranker: the trained models' arrays by name, or None.
        gpu: candidates are searched for on a GPU; the answers are the same but for rounding.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        config: TrainingConfig,
        two_tower: Arrays | None = None,
        ranker: Arrays | None = None,
    ) -> None:
        self.manifest = dict(manifest)
        self.config = config
        self.two_tower = two_tower
        self.ranker = ranker
        self.gpu = False
        self._ranking: tuple[Snapshot, scoring.Ranking] | None = None
        self._related: tuple[Snapshot, RelatedItems] | None = None

    @property
    def trained_through(self) -> date:
        return date.fromisoformat(self.manifest["trained_through"])

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Read a bundle's folder.

        Raises:
            BadInput: it is no bundle, or one of another layout.
        """
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError) as error:
            raise BadInput(f"{path} holds no bundle ({error}); give the folder with manifest.json") from error
        if manifest.get("schema") != SCHEMA:
            raise BadInput(f"{path}: bundle layout {manifest.get('schema')}, this code reads {SCHEMA}; train anew")
        config = TrainingConfig.model_validate(manifest["config"])
        return cls(manifest, config, _arrays(path / "two_tower.npz"), _arrays(path / "ranker.npz"))

    def save(self, path: Path) -> Path:
        """Write the bundle's folder; the same bundle gives the same bytes. Returns `path`."""
        path.mkdir(parents=True, exist_ok=True)
        for name, arrays in (("two_tower", self.two_tower), ("ranker", self.ranker)):
            if arrays is not None:
                np.savez(path / f"{name}.npz", **{key: arrays[key] for key in sorted(arrays)})  # type: ignore[arg-type]
        content = {**self.manifest, "schema": SCHEMA, "config": self.config.get_config()}
        text = json.dumps(content, indent=2, sort_keys=True, default=str)
        (path / "manifest.json").write_text(text + "\n", encoding="utf-8")
        return path

    def prepared(self, snapshot: Snapshot) -> Union:
        """The candidate sources made ready for a snapshot; kept for the snapshot used last."""
        return self.ranking(snapshot).union

    def ranking(self, snapshot: Snapshot) -> scoring.Ranking:
        """The ranker over those sources; kept with them."""
        if self._ranking is None or self._ranking[0] is not snapshot:
            union = Union(make_sources(self.config, self.two_tower, gpu=self.gpu), self.config, snapshot)
            self._ranking = (snapshot, scoring.Ranking(union, self.ranker))
        return self._ranking[1]

    def score(
        self,
        snapshot: Snapshot,
        users: Sequence[str],
        *,
        candidates: int | None = None,
        only_new: bool = False,
        memory_mb: int = 1024,
        threads: int = 1,
    ) -> Ranked:
        """Rank candidates for shoppers.

        Args:
            users: user ids; one the snapshot does not know gets the candidates of a cold user.
            candidates: how many a user; default as configured (200).
            only_new: propose only items that the user never touched.
            memory_mb: bound on what the batches at work hold, whatever the number of users.
            threads: batches at work at once.

        Returns:
            A user may have fewer candidates than asked for, where the catalogue is small.
        """
        rows = snapshot.rows_of(users)
        ranking = self.ranking(snapshot)
        count = candidates or self.config.candidates
        return scoring.rank(ranking, rows, count, only_new=only_new, memory_mb=memory_mb, threads=threads)

    def score_pairs(self, snapshot: Snapshot, users: Sequence[str], items: Sequence[str]) -> Floats:
        """The ranker's score of given pairs, whether or not they are candidates; comparable within a user.

        Returns:
            float32 `[pairs]`; an item that the snapshot does not know gets the lowest score of all.
        """
        rows, columns = snapshot.rows_of(users), snapshot.items_of(items)
        return scoring.score_pairs(self.ranking(snapshot), rows, columns)

    def explain(self, snapshot: Snapshot, users: Sequence[str], ranked: Ranked) -> Reasons:
        """Why each row of `ranked` is there, told by the source that ranked it highest.

        Args:
            users: the users that `ranked.user` counts in.
        """
        rows: Ints = snapshot.rows_of(users)[ranked.user]
        return self.prepared(snapshot).explain(rows, ranked.item, ranked.source)

    def related(self, snapshot: Snapshot, items: Sequence[str], k: int) -> Related:
        """Complements and substitutes of items, by baskets, the catalogue and the two-tower's vectors.

        Args:
            k: partners an item and kind; fewer where nothing more is known.
        """
        if self._related is None or self._related[0] is not snapshot:
            towers = self.prepared(snapshot).scorers.get("two_tower")
            vectors = towers.items if isinstance(towers, TwoTowerScorer) else None
            self._related = (snapshot, RelatedItems(snapshot, vectors))
        return self._related[1].of(snapshot.items_of(items), k)


def _arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
