"""`python3 -m infra.images.make_secrets`: the files that docker-compose.yml hands to its services as secrets.

Standard library only. Secrets that are there already stay; files made from them are written anew. The folder is closed
to others (0700) while the files can be read by anybody who is inside (0444): Docker mounts each of them as it is into
containers whose users have other numbers than yours.
"""

import argparse
import base64
import hashlib
import json
import os
import secrets
from pathlib import Path

from infra.embedded import secret_files

FOLDER = Path("var/compose-secrets")
PASSWORDS = (
    "postgres_password",
    "airflow_database_password",
    "mlflow_database_password",
    "redis_admin_password",
    "redis_writer_password",
    "redis_reader_password",
    "s3_access_key",
    "s3_secret_key",
    "s3_admin_access_key",
    "s3_admin_secret_key",
    "airflow_admin_password",
    "airflow_api_secret",
    "airflow_jwt_secret",
    "grafana_password",
    "user_key",
)
ACL = Path(__file__).with_name("redis") / "users.acl"
BUCKETS = ("nightshelf-lake", "nightshelf-deliveries", "nightshelf-mlflow")


def derived(known: dict[str, str]) -> dict[str, str]:
    """File name to content of what is made from other secrets: addresses with passwords, the servers' own files."""
    hashed = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in known.items()}
    pipeline = [f"{action}:{bucket}" for bucket in BUCKETS for action in ("Read", "Write", "List", "Tagging")]
    identities = (
        ("admin", known["s3_admin_access_key"], known["s3_admin_secret_key"], ["Admin"]),
        ("nightshelf", known["s3_access_key"], known["s3_secret_key"], pipeline),
    )
    return {
        "airflow_database_url": f"postgresql+psycopg2://airflow:{known['airflow_database_password']}@postgres:5432/airflow",
        "mlflow_database_url": f"postgresql+psycopg2://mlflow:{known['mlflow_database_password']}@postgres:5432/mlflow",
        "redis_writer_url": f"redis://writer:{known['redis_writer_password']}@redis:6379/0",
        "redis_reader_url": f"redis://reader:{known['redis_reader_password']}@redis:6379/0",
        "redis_users": ACL.read_text().format_map({n.removeprefix("redis_"): h for n, h in hashed.items()}),
        "s3_identities": json.dumps(
            {
                "identities": [
                    {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
                    for name, key, secret, actions in identities
                ]
            },
            indent=2,
        )
        + "\n",
        "airflow_passwords": json.dumps({"admin": known["airflow_admin_password"]}) + "\n",
    }


def make(folder: Path) -> list[str]:
    """Write what is missing, and what follows from the rest anew; returns the names of all files."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    known = {name: secret_files.token(folder / name) for name in PASSWORDS}
    # Fernet's format: 32 bytes, URL-safe base64 with padding; as `cryptography` makes it.
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    known["airflow_fernet_key"] = secret_files.keep(folder / "airflow_fernet_key", fernet)
    for name, text in derived(known).items():
        path = folder / name
        path.unlink(missing_ok=True)
        secret_files.keep(path, text)
    names = sorted([*known, *derived(known)])
    for name in names:
        os.chmod(folder / name, 0o444)
    return names


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    print(f"{len(make(folder))} secrets in {folder}; Airflow's admin logs in with airflow_admin_password")


if __name__ == "__main__":
    main()
