"""What Prometheus is told of a verdict: the figures that it rests on, and how often it was to train."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from lake.clock import day_end, shift
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from models import decisions

TRAIN = ("bootstrap", "retrain")
DAYS = 30


def tell(settings: Settings, day: date, row: Mapping[str, Any]) -> None:
    """Note a decision of `models.judging` as it stands in the table `decisions`."""
    figures, thresholds, intervals = row["figures"], row["thresholds"], row["intervals"]
    low, high = intervals.get("auc", (None, None))
    prometheus.JUDGED_DAY.tell(day_end(day).timestamp())
    prometheus.JUDGED_BUNDLE.tell(figures.get("bundle"))
    trained = figures.get("trained_through")
    prometheus.JUDGED_THROUGH.tell(day_end(date.fromisoformat(str(trained))).timestamp() if trained else None)
    auc, reference = figures.get("auc"), figures.get("reference_auc")
    prometheus.JUDGED_AUC.tell(auc)
    prometheus.JUDGED_LOW.tell(low)
    prometheus.JUDGED_HIGH.tell(high)
    prometheus.JUDGED_REFERENCE.tell(reference)
    prometheus.JUDGED_DROP.tell(1 - auc / reference if auc is not None and reference else None)
    prometheus.JUDGED_DROP_LIMIT.tell(thresholds.get("drop"))
    prometheus.JUDGED_FLOOR.tell(thresholds.get("floor_auc"))
    prometheus.JUDGED_USERS.tell(figures.get("users"))
    prometheus.JUDGED_VERDICT.state(row["kind"], prometheus.VERDICTS)
    prometheus.JUDGED_LISTS_NDCG.tell(figures.get("lists_ndcg20"))
    prometheus.JUDGED_LISTS_FALLBACK.tell(figures.get("lists_fallback_share"))
    prometheus.RETRAININGS.tell(len(decisions.history(settings, TRAIN, start=shift(day, 1 - DAYS), end=day)))
