"""How a command ended, left in the lake under a name."""

import pytest

from lake import outcome, staging
from lake.errors import BadInput
from lake.outcome import Outcome
from lake.settings import Settings


def test_an_outcome_is_taken_once_and_nothing_stays(tmp_settings: Settings) -> None:
    told = Outcome(66, None, ["gate events: 3 rows of 5"])
    outcome.write(tmp_settings, "outcome-a", Outcome(0, {"rows": 1}))
    outcome.write(tmp_settings, "outcome-a", told)
    assert outcome.take(tmp_settings, "outcome-a") == told
    assert outcome.take(tmp_settings, "outcome-a") is None
    files, root = staging.filesystem(tmp_settings)
    assert files.get_file_info(f"{root}/{staging.FOLDER}/outcome-a").type.name == "NotFound"


@pytest.mark.parametrize("name", ["", "../events", "a/b", ".x"])
def test_a_name_cannot_leave_its_folder(tmp_settings: Settings, name: str) -> None:
    with pytest.raises(BadInput, match="one path element"):
        outcome.take(tmp_settings, name)


@pytest.mark.integration
def test_an_outcome_crosses_an_object_store(s3_url: str, tmp_settings: Settings) -> None:
    import boto3

    boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1").create_bucket(Bucket="outcomes")
    there = tmp_settings.model_copy(update={"lake_root": "s3a://outcomes/lake", "s3_endpoint_url": s3_url})
    outcome.write(there, "outcome-b", Outcome(0, {"version": "3"}, ["step 1/1"]))
    assert outcome.take(there, "outcome-b") == Outcome(0, {"version": "3"}, ["step 1/1"])
    assert outcome.take(there, "outcome-b") is None
