"""Hyper-parameter search with Optuna; the command is `python -m models.tuning` (docs/tuning.md)."""
