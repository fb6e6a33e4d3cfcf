"""What must be true after nights on the services of docker-compose.yml; GateFailed says what is not."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from infra.checks.compose_services import House
from lake.errors import GateFailed
from storefront.contract import BadId, canonical_id, current_key, user_token

K = 10


def prove(house: House, day: str, shop: Path) -> dict[str, Any]:
    """All of them, and their figures."""
    return {
        "storefront": _storefront(house, day, shop),
        "redis": _redis(house),
        "store": _store(house),
        "mlflow": _mlflow(house),
        "spark": _spark(),
    }


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise GateFailed(what)


def _storefront(house: House, day: str, shop: Path) -> dict[str, Any]:
    """Everybody who was active on the day reads a list of their own over HTTP, by the shop's own id."""
    key = (house.secrets / "user_key").read_bytes().strip()
    from deltalake import DeltaTable

    options = {
        "AWS_ENDPOINT_URL": "http://seaweedfs:8333",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": (house.secrets / "s3_access_key").read_text(),
        "AWS_SECRET_ACCESS_KEY": (house.secrets / "s3_secret_key").read_text(),
    }
    events = DeltaTable("s3://nightshelf-lake/lake/events", storage_options=options)
    rows = events.to_pyarrow_table(columns=["user_id"], partitions=[("ds", "=", day)])
    known = {user for user in rows["user_id"].to_pylist() if user}
    delivered: dict[str, str] = {}
    with gzip.open(shop / "events" / f"{day}.jsonl.gz", "rt") as lines:
        for line in lines:
            delivered |= _by_token(line, key)
    active = {shopper for token, shopper in delivered.items() if token in known}
    _must(len(active) > 10, f"only {len(active)} shoppers of {day} are in the lake under their pseudonyms")
    _must(not known & set(delivered.values()), "the lake has the shop's own ids, though PSEUDONYMISE is on")
    for shopper in sorted(active):
        asked = {"user_id": shopper, "k": str(K), "why": "true"}
        answer = requests.get("http://storefront:8000/recommend", params=asked, timeout=5).json()
        right = answer.get("fallback") == "user" and answer.get("data_through") == day
        right &= len(set(answer.get("items", []))) == K == len(answer.get("reasons") or [])
        _must(right, f"/recommend for {shopper} answered {answer}")
    stranger = requests.get("http://storefront:8000/recommend", params={"user_id": "nobody"}, timeout=5).json()
    _must(stranger["fallback"] != "user" and len(stranger["items"]) == K, f"a stranger was answered {stranger}")
    ready = requests.get("http://storefront:8000/readyz", timeout=5)
    _must(ready.ok, f"/readyz answered {ready.status_code}")
    return {"shoppers_with_own_list": len(active), "k": K, "data_through": day}


def _by_token(line: str, key: bytes) -> dict[str, str]:
    try:
        shopper = json.loads(line).get("shopper")
        return {user_token(canonical_id(shopper), key): shopper} if isinstance(shopper, str) else {}
    except (ValueError, AttributeError, BadId):
        return {}


def _redis(house: House) -> dict[str, Any]:
    """Each user of Redis may do its work and no more; publishing and serving needed nothing that was refused."""
    import redis

    def client(user: str) -> Any:
        password = (house.secrets / f"redis_{user}_password").read_text()
        return redis.Redis(host="redis", username=user, password=password, decode_responses=True)

    admin, writer, reader = client("admin"), client("writer"), client("reader")
    refused = admin.acl_log()
    _must(not refused, f"commands of the DAGs or the service were refused: {refused}")
    users = {connection["user"] for connection in admin.client_list()}
    _must("reader" in users, f"the service is not connected as the reader: {users}")
    version = reader.get(current_key("home"))
    _must(bool(version), "the reader finds no current version")
    denied: dict[str, Callable[[], Any]] = {
        "nobody reads": lambda: redis.Redis(host="redis").get(current_key("home")),
        "reader writes": lambda: reader.set(current_key("home"), "x"),
        "reader deletes": lambda: reader.delete(current_key("home")),
        "reader looks elsewhere": lambda: reader.get("other"),
        "reader lists all keys": lambda: reader.execute_command("KEYS", "*"),
        "writer writes elsewhere": lambda: writer.set("other", "x"),
        "writer configures": lambda: writer.config_set("maxmemory", "1"),
        "writer empties": lambda: writer.flushall(),
    }
    for what, action in denied.items():
        try:
            action()
        except (redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError):
            continue
        raise GateFailed(f"Redis allowed what its ACL should not: {what}")
    _must(reader.get(current_key("home")) == version, "the pointer moved under what should have been refused")
    return {"server": admin.info("server")["redis_version"], "refused": sorted(denied), "version": version}


def _store(house: House) -> dict[str, Any]:
    """Lake, deliveries and models are in the object store, and no lake is on the disk of any container."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url="http://seaweedfs:8333",
        region_name="us-east-1",
        aws_access_key_id=(house.secrets / "s3_access_key").read_text(),
        aws_secret_access_key=(house.secrets / "s3_secret_key").read_text(),
    )
    counts = {}
    for bucket in ("nightshelf-lake", "nightshelf-deliveries", "nightshelf-mlflow"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        counts[bucket] = len(keys)
        _must(bool(keys), f"bucket {bucket} is empty")
        if bucket == "nightshelf-lake":
            tables = sorted({key.split("/")[1] for key in keys if "/_delta_log/" in key})
    _must({"events", "user_features", "lists"} <= set(tables), f"the bucket's lake has tables {tables} only")
    local = list((house.state / "volumes" / "state").rglob("_delta_log"))
    _must(not local, f"there is a lake on the disk too: {local}")
    return {"objects": counts, "tables": tables}


def _mlflow(house: House) -> dict[str, Any]:
    """The champion is registered in PostgreSQL, and its files are in the bucket."""
    import psycopg2

    password = (house.secrets / "mlflow_database_password").read_text()
    with psycopg2.connect(host="postgres", user="mlflow", password=password, dbname="mlflow") as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT a.alias, v.version, v.storage_location FROM registered_model_aliases a "
            "JOIN model_versions v ON v.name = a.name AND v.version = a.version"
        )
        aliases = {alias: version for alias, version, _ in cursor.fetchall()}
        cursor.execute("SELECT DISTINCT artifact_uri FROM runs")
        places = [row[0] for row in cursor.fetchall()]
    _must("champion" in aliases, f"no champion among the registry's aliases {aliases}")
    _must(all(place.startswith("mlflow-artifacts:") for place in places), f"artifacts are elsewhere: {places}")
    return {"champion": str(aliases["champion"]), "runs": len(places)}


def _spark() -> dict[str, Any]:
    """The jobs ran on the cluster."""
    page = requests.get("http://spark-master:8081/json/", timeout=5).json()
    done = [app for app in page["completedapps"] if app["name"].startswith("nightshelf-")]
    _must(len(done) >= 2, f"the Spark master knows of {len(done)} finished applications of ours")
    failed = [app["id"] for app in done if app["state"] != "FINISHED"]
    _must(not failed, f"applications ended otherwise than FINISHED: {failed}")
    return {"workers": len(page["workers"]), "applications": len(done)}
