"""The two assets that carry a day from one DAG to the next; an event's partition key is the day, `ds`."""

from airflow.sdk import Asset

FEATURES = Asset("features", uri="nightshelf://lake/features", group="nightshelf")
"""A day's events and features stand in the lake, behind their gates."""

JUDGED = Asset("judged", uri="nightshelf://lake/judged", group="nightshelf")
"""A day has been judged, and retrained on where that was the verdict: its lists may be made."""
