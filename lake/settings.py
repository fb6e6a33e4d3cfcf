"""The one typed settings model: read from the environment once, validated at the border, passed on by hand.

`python -m lake.settings` prints what is in force. Every field is an environment variable of the same name in
capitals (`LAKE_ROOT`, `REDIS_URL`, ...).
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lake.errors import BadInput


class SettingsError(BadInput):
    """A setting is missing or contradicts another one; the message says which and what to do."""


class Settings(BaseSettings):
    """Where things are and how much of the machine may be used. Frozen; durations carry their unit in the name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # places
    var: Path = Field(Path("var"), description="folder of the embedded state; two stacks need two folders")
    lake_root: str = Field("", description="folder or s3a://bucket/prefix; default VAR/lake")
    source: Path = Field(Path("sources/demo_shop.yaml"), description="the log's mapping")
    data: str = Field("", description="root of the deliveries: folder or s3://bucket/prefix; default VAR/deliveries")
    surfaces: Path = Field(Path("surfaces"), description="folder with one YAML a surface")
    merchandising: Path | None = Field(
        None, description="file with merchandisers' pins, boosts and buries; default SURFACES/merchandising.yaml"
    )
    jars: Path = Field(Path(".jars"), description="folder with the Delta and S3A jars that the set-up resolved")

    code_version: str = Field("", description="version of the code, for records; default: what git says")

    # services
    redis_url: str = "redis://127.0.0.1:6379/0"
    mlflow_tracking_uri: str = ""
    s3_endpoint_url: str = Field("", description="S3 API other than AWS, for example http://127.0.0.1:9000")
    s3_region: str = "us-east-1"

    # metrics
    metrics_dir: Path | None = Field(
        None, description="folder of the text files that commands leave for Prometheus; default VAR/metrics"
    )
    metrics_push_url: str = Field("", description="Pushgateway that commands push to as well; empty: none")

    # identity
    pseudonymise: bool = Field(True, description="false keeps the shop's own user ids")
    user_key: SecretStr = Field(SecretStr(""), description="key of the pseudonyms; at least 16 bytes")
    user_key_file: Path | None = Field(None, description="file that holds the key; default VAR/secrets/user_key")
    user_key_id: str = "k1"

    # clocks and windows
    delivery_cutoff_hours: int = Field(6, ge=0, le=24, description="as of D sees what was ingested until D+1 plus this")
    late_days: int = Field(3, ge=0, le=30, description="days after which an event of a delivery is refused")
    history_days: int = Field(365, ge=1, description="how far back features, candidates and training look")
    active_days: int = Field(365, ge=1, description="users with an event in this many days get their own list")

    # features
    co_visitation_half_life_days: int = Field(60, ge=1, description="age at which a basket counts half")
    bot_events_a_day: int = Field(1000, ge=1, description="more events in a UTC day than this may be a bot's")

    # machine
    spark_master: str = "local[*]"
    spark_driver_memory: str = "3g"
    spark_java_options: str = Field(
        "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -Xms1g -Xmn768m",
        description="JVM flags of the driver. The default compiles quickly and clears young objects rarely, which pays "
        "up to some million events; for more, give -XX:+UseParallelGC alone",
    )
    spark_shuffle_partitions: int = Field(4, ge=1)
    small_write_rows: int = Field(
        1_000_000, ge=0, description="up to this many rows the driver commits by itself, without a Spark write"
    )
    accelerator: Literal["auto", "gpu", "cpu"] = "auto"
    training_strategy: Literal["auto", "single", "mirrored", "multi-worker"] = Field(
        "auto", description="devices that share a training; auto = all GPUs, and all workers that TF_CONFIG names"
    )
    threads: int = Field(2, ge=1, description="threads of one training or scoring process")
    scoring: Literal["local", "spark"] = Field(
        "local", description="where shoppers are scored: in this process, or by Spark over parts of them"
    )
    scoring_memory_mb: int = Field(1024, ge=64, description="bound on what the batches of users at work hold")

    # gates
    volume_warn_factor: float = Field(3, gt=1, description="rows against the same weekday's median that are told")
    volume_fail_factor: float = Field(10, gt=1, description="rows against the same weekday's median that stop the line")
    volume_min_rows: int = Field(50, ge=0, description="below this, in both, a day's volume is not judged")
    refused_warn: float = Field(0.05, gt=0, le=1, description="share of refused rows that is told")
    refused_fail: float = Field(0.5, gt=0, le=1, description="share of refused rows that stops the line")
    data_docs_runs: int = Field(200, ge=1, description="validation results kept in the Data Docs")

    # judging
    auc_drop: float = Field(0.05, gt=0, lt=1, description="relative AUC drop against the reference that retrains")
    auc_floor: float = Field(0.55, gt=0, lt=1, description="absolute AUC under which the bundle is retrained")
    judge_users: int = Field(500, ge=1, description="days are pooled backwards until this many users are judged")
    judge_negatives: int = Field(100, ge=1)
    judge_days: int = Field(14, ge=1, description="most days that are pooled")
    judge_min_users: int = Field(30, ge=1, description="fewer judged users decide nothing")
    retrain_every_days: int = Field(7, ge=0, description="age of the champion that retrains; 0 = never by age")
    retrain_cooldown_days: int = Field(7, ge=1, description="days before the same cause may retrain again")
    min_shoppers: int = Field(50, ge=1, description="below this the bundle is own items and popular items")

    # publication
    list_length: int = Field(50, ge=1, le=1000)
    publish_lists_per_second: int = Field(0, ge=0, description="throttle of a publication; 0 = none")
    publish_workers: int = Field(
        2, ge=1, le=32, description="threads that write one surface's lists; under a throttle one"
    )
    publish_lease_seconds: int = Field(30, ge=3, description="after how long a silent publication counts as dead")
    version_grace_seconds: int = Field(600, ge=0, description="how long a version outlives the last pointer to it")

    @model_validator(mode="before")
    @classmethod
    def _derive_places(cls, values: dict[str, object]) -> dict[str, object]:
        var = Path(str(values.get("var") or "var"))
        values["lake_root"] = str(values.get("lake_root") or var / "lake")
        values["data"] = str(values.get("data") or var / "deliveries")
        values["metrics_dir"] = values.get("metrics_dir") or var / "metrics"
        values["mlflow_tracking_uri"] = str(values.get("mlflow_tracking_uri") or f"sqlite:///{var}/mlflow.db")
        return values

    def key(self) -> bytes:
        """The pseudonyms' key.

        Raises:
            SettingsError: pseudonyms are on and neither `USER_KEY` nor `USER_KEY_FILE` gives 16 bytes or more.
        """
        path = self.user_key_file or self.var / "secrets" / "user_key"
        secret = self.user_key.get_secret_value().encode() or (path.read_bytes().strip() if path.is_file() else b"")
        if len(secret) < 16:
            raise SettingsError(
                f"PSEUDONYMISE is on, but USER_KEY is unset or shorter than 16 bytes and {path} gives none. "
                f"Set USER_KEY, run `make up` (which makes a key), or set PSEUDONYMISE=false to keep the shop's ids."
            )
        return secret


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read from the environment at the first call.

    Raises:
        SettingsError: a variable holds what its field cannot be; names variable, value and what was expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])).upper()}={e['input']!r}: {e['msg']}" for e in error.errors()]
        raise SettingsError(
            f"wrong settings: {'; '.join(faults)}. `python -m lake.settings` shows the defaults."
        ) from error


if __name__ == "__main__":
    print(settings().model_dump_json(indent=2))
