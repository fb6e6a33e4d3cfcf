"""`make verify CHECKS=compose`: the services of docker-compose.yml started without Docker, and a night through them.

In a room of namespaces (`room`) every service of ours runs as its image would: command, environment, secrets, user
and health check come from docker-compose.yml, infra/images/Dockerfile and `infra.images.make_secrets`; nothing is
translated. A generated shop's deliveries go to the S3 API, the DAGs load a history and run a first night on it through
the Spark cluster, and every shopper of the last day reads a list over HTTP from the service, whose user of Redis may
only read.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.checks import compose_file, compose_proof, room
from infra.checks.compose_services import NOT_HERE, STAND_INS, House
from infra.embedded import night
from infra.embedded.airflow_api import Airflow
from infra.embedded.commands import report, say
from lake.clock import DayRange
from lake.errors import BadInput, NightshelfError

HISTORY = DayRange.parse(start="2026-09-08", end="2026-09-24")
NIGHTS = ("2026-09-25",)
SHOP = ("--shoppers", "120", "--items", "80", "--seed", "7")
GIVEN = {
    "LIST_LENGTH": "20",
    "NIGHTSHELF_SCHEDULE": "none",
    "SPARK_DRIVER_MEMORY": "1g",
    "SPARK_SHUFFLE_PARTITIONS": "2",
    "SPARK_WORKER_MEMORY": "1g",
}
"""What differs from .env.example: a small shop on a small machine, nights by hand."""


def check() -> tuple[dict[str, Any], bool]:
    """Run the room and return its figures.

    Raises:
        Unavailable: this machine or its user may not make namespaces.
    """
    state = Path(tempfile.mkdtemp(prefix="nightshelf-compose-", dir="/var/tmp"))
    state.chmod(0o755)
    try:
        code = room.enter("infra.checks.compose", [str(state)])
        result = state / "figures.json"
        figures = json.loads(result.read_text()) if result.is_file() else {"error": "the room ended without figures"}
        return figures, code == 0 and "error" not in figures
    finally:
        shutil.rmtree(state, ignore_errors=True)


def inside(state: Path) -> dict[str, Any]:
    """In the room: furnish it, start the services, prove what they should do, end them."""
    from infra.images.make_secrets import make

    started = time.monotonic()
    services = compose_file.read(compose_file.variables() | GIVEN)
    room.furnish(services, state)
    make(state / "secrets")
    (state / "logs").mkdir()
    house = House(state, state / "secrets", services, say)
    try:
        house.up()
        figures: dict[str, Any] = {"healthy_after_seconds": house.healthy, "completed": sorted(house.done)}
        figures |= _nights(house)
        figures |= compose_proof.prove(house, NIGHTS[-1], state / "shop")
    except Exception:
        _keep_logs(state)
        raise
    finally:
        house.down()
    left_out = [s.image for n, s in services.items() if n not in house.wanted()]
    return {
        **figures,
        "seconds": round(time.monotonic() - started),
        "stand_ins": STAND_INS,
        "left_out": {image: NOT_HERE.get(image.rpartition(":")[0], "its profile is not active") for image in left_out},
        "not_shown": "images are not built; no limits on memory and CPUs; one machine, one network",
    }


def _nights(house: House) -> dict[str, Any]:
    """Deliver a made-up shop, load its history, run the night."""
    shop = house.state / "shop"
    days = ["--from", f"{HISTORY.first}", "--to", NIGHTS[-1]]
    subprocess.run([sys.executable, "-m", "sources.demo_shop", "--out", str(shop), *days, *SHOP], check=True)
    shop.chmod(0o755)
    scheduler = house.services["scheduler"]
    delivered = house.container(scheduler, deliver(shop, scheduler.environment)).run(120)
    if delivered.returncode != 0:
        raise BadInput(f"the deliveries could not be uploaded: {delivered.stderr}")
    say(delivered.stdout.strip())
    password = (house.secrets / "airflow_admin_password").read_text()
    airflow = Airflow("http://api-server:8080", "admin", password)
    airflow.wait_for_dags(night.DAGS)
    began = time.monotonic()
    loaded = night.load(airflow, HISTORY, 30, "the compose file's services", say)
    figures: dict[str, Any] = {"history": {**loaded, "seconds": round(time.monotonic() - began)}, "nights": []}
    for day in NIGHTS:
        found = night.run(airflow, day, say)
        say(night.told(found))
        figures["nights"].append(
            {
                "day": day,
                "seconds": round(found.seconds),
                "decision": found.results["judge"].get("decision"),
                "trained": "train" in found.results,
                "shoppers": found.results["lists"].get("users"),
            }
        )
    return figures


def deliver(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """The command that uploads deliveries to where the pipeline looks for them."""
    return ["python", "-m", "infra.images.store", "deliver", str(folder), environment["DATA"]]


def _keep_logs(state: Path) -> None:
    kept = Path("var/compose-logs")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(state / "logs", kept)
    say(f"logs of the services: {kept}")


def main() -> None:
    """In the room; figures go to STATE/figures.json."""
    state = Path(sys.argv[1])
    try:
        figures = inside(state)
    except NightshelfError as error:
        (state / "figures.json").write_text(json.dumps({"error": str(error)}))
        raise
    (state / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    report(main)
