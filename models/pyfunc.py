"""The bundle as MLflow's generic model: `predict` a frame of user ids, get their ranked items.

For whoever wants a list without the nightly job: `mlflow.pyfunc.load_model("models:/recommender@champion")`, with the
lake's settings (`LAKE_ROOT`, `SOURCE`, ...) in the environment. MLflow runs this file when it loads the model; nothing
of ours imports it.
"""

from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class Recommender(mlflow.pyfunc.PythonModel):
    """Scores with the same function as the nightly lists, before any policy."""

    def load_context(self, context: Any) -> None:
        # Imported here: MLflow also runs this file when it logs the model, and needs none of it then.
        from models.bundle import Bundle

        self.bundle = Bundle.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Best items of each user.

        Args:
            model_input: a column `user_id`, ids as in the lake; unknown ids get what a new shopper would.
            params: `k`, items a user; `ds`, the as-of day (empty: the newest with features).

        Returns:
            `user_id` and `item_ids`, a list of at most `k` ids, best first; in the order of the input.
        """
        from lake import storage
        from lake.clock import parse_day
        from lake.settings import Settings
        from models.snapshot import Snapshot

        k = int((params or {}).get("k", 50))
        ds = str((params or {}).get("ds", ""))
        settings = Settings()
        day = parse_day(ds) if ds else date.fromisoformat(storage.days(settings, "items")[-1])
        snapshot = Snapshot.load(settings, day)
        users = model_input["user_id"].tolist()
        ranked = self.bundle.score(snapshot, users, candidates=max(200, k))
        items = [snapshot.items[ranked.item[rows][:k]].tolist() for _, rows in ranked.lists(len(users))]
        return pd.DataFrame({"user_id": users, "item_ids": items})


mlflow.models.set_model(Recommender())
