"""Spark's options as plain text, for whoever starts a driver: our own process, `spark-submit`, or a service.

A JVM has to be *started with* its jars, memory and address; everything else a session can still set. No Spark is
imported here, so that a scheduler can read it.
"""

import sys
from pathlib import Path

from lake.errors import BadInput
from lake.settings import Settings

CLASS_ARCHIVE = Path(sys.prefix) / "spark-classes.jsa"
"""What `jobs.class_archive` made at set-up, if it did."""

UTC = "-Duser.timezone=UTC"
LOOPBACK = ("127.0.0.1", "localhost")


def started_with(settings: Settings) -> dict[str, str]:
    """What the driver's JVM on this machine is started with.

    Raises:
        BadInput: the jars are missing, so the set-up did not run.
    """
    jars = sorted(str(path) for path in settings.jars.absolute().glob("*.jar"))
    if not jars:
        raise BadInput(f"no jars in {settings.jars.absolute()}: run `make setup`, or set JARS to their folder")
    options = {
        "spark.jars": ",".join(jars),
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraJavaOptions": java_options(settings),
        "spark.executor.extraJavaOptions": UTC,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if at_home(settings.spark_master):
        options |= {"spark.driver.bindAddress": LOOPBACK[0], "spark.driver.host": LOOPBACK[0]}
    return options


def quietly(level: str) -> dict[str, str]:
    """What spark-submit would tell at INFO, a line a jar among it, before a session can set the level."""
    return {"spark.log.level": level}


def started_elsewhere(settings: Settings, jars: str) -> dict[str, str]:
    """What a driver in an image is started with.

    Args:
        jars: folder of the jars in the image, the same for driver and executors.
    """
    return {
        "spark.driver.extraClassPath": f"{jars}/*",
        "spark.executor.extraClassPath": f"{jars}/*",
        "spark.driver.memory": settings.spark_driver_memory,
        # Of SPARK_JAVA_OPTIONS' default nothing fits a driver that serves executors.
        "spark.driver.extraJavaOptions": UTC,
        "spark.executor.extraJavaOptions": UTC,
    }


def at_home(master: str) -> bool:
    """Whether no other machine has to reach the driver."""
    return master.startswith("local") or any(name in master for name in LOOPBACK)


def java_options(settings: Settings) -> str:
    """Flags of the driver's JVM."""
    shared = f" -XX:SharedArchiveFile={CLASS_ARCHIVE} -Xlog:cds=off" if CLASS_ARCHIVE.is_file() else ""
    return f"{UTC} {settings.spark_java_options}{shared}"
