"""What is told of refused rows."""

from typing import Any

from validation import quarantine


def test_reasons_are_few_and_hold_nothing_that_a_delivery_made_up(told: Any) -> None:
    many = {f"column{n}: wrong": 100 - n for n in range(40)}
    quarantine.tell({"event_type: unknown gift": 3000, "event_type: unknown 💥": 2000, **many})
    reasons = told("nightshelf_events_quarantined_by_reason_rows")
    assert reasons[("event_type: unknown",)] == 5000
    assert len(reasons) == quarantine.MOST_REASONS + 1
    assert sum(reasons.values()) == 5000 + sum(many.values())
    quarantine.tell({})
    assert told("nightshelf_events_quarantined_by_reason_rows") == {}
