"""The images: what the Dockerfile copies and installs suffices, and its commands do what they should."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from infra.checks import compose_file
from infra.embedded import environment
from infra.embedded.layout import HOME
from tests.conftest import free_port

IMAGES = HOME / "infra" / "images"
DOCKERFILE = IMAGES / "Dockerfile"
TARGETS = ("airflow", "spark", "training", "storefront")
OURS = ("storefront", "lake", "sources", "validation", "models", "jobs", "dags")
PAGES = ("jobs.showroom", "jobs.experiment_web")
"""Extensions of the storefront service: only the image of Airflow has both the jobs and the service's packages."""
ROOTS = {
    "storefront": (("storefront",), ()),
    "spark": (("jobs",), PAGES),
    "training": (("models.training", "models.tuning", "models.evaluation"), ()),
    "airflow": (("dags", "jobs", "models", "storefront"), ()),
}
"""Target to the modules that it runs, and those among them that it does not."""
NOT_FOR = {"spark": {"tensorflow"}}
"""What is imported only where a GPU's driver runs, which the image is not made for."""
DISTRIBUTION = {"yaml": "pyyaml", "airflow": "apache-airflow", "sklearn": "scikit-learn", "pyspark": "pyspark"}


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", lock.read_text(), re.MULTILINE))


def asked(path: Path) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {re.split(r"[=<>!\[ ]", line)[0] for line in lines if line}


def copied(target: str) -> list[str]:
    """Sources of COPY in the stages that a target is made of, other than copies from stages that only build."""
    stages: dict[str, list[str]] = {}
    name = ""
    for word, rest in compose_file._instructions(DOCKERFILE.read_text()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = list(stages.get(base, []))
        elif word == "COPY" and not rest.startswith("--from"):
            stages[name] += rest.split()[:-1]
    return stages[target]


def test_the_linter_finds_nothing() -> None:
    tool = HOME / ".venv" / "tools" / "bin" / "hadolint"
    if not tool.exists():
        pytest.skip("hadolint is not installed (requirements-tools.txt)")
    done = subprocess.run([tool, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_a_user_without_rights_a_pinned_base_and_says_how_it_is_asked(target: str) -> None:
    image = compose_file.image(target)
    assert image.user == "10001:10001"
    assert image.entrypoint == ("/opt/nightshelf/infra/images/entrypoint.sh",)
    assert "useradd --system --uid 10001 --gid 10001" in DOCKERFILE.read_text(), "Hadoop asks for the user's name"
    assert image.environment["DO_NOT_TRACK"] == "true"
    assert (image.health is None) == (target in ("spark", "training")), "a job's health is its exit code"
    text = DOCKERFILE.read_text()
    bases = re.findall(r"^ARG \w+_IMAGE=(\S+)$", text, re.MULTILINE)
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases), bases


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_copied_is_there_and_is_the_code_that_the_image_runs(target: str) -> None:
    sources = copied(target)
    assert all((HOME / source).exists() for source in sources), sources
    packages = {source for source in sources if source in OURS}
    wanted = {"storefront": {"storefront"}}.get(target)
    if wanted is None:
        wanted = {"lake", "sources", "validation", "models", "storefront"}
        wanted |= {"spark": {"jobs"}, "airflow": {"jobs", "dags"}}.get(target, set())
    assert packages == wanted
    ignored = (HOME / ".dockerignore").read_text().splitlines()
    assert {source.partition("/")[0] for source in sources} <= {line[1:] for line in ignored if line.startswith("!")}


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_is_a_part_of_the_whole_in_its_versions(target: str) -> None:
    whole, part = pinned(HOME / "requirements.txt"), pinned(IMAGES / f"requirements-{target}.txt")
    assert len(part) > 10
    cuda = {name for name in part if name.startswith("nvidia-")}
    assert bool(cuda) == (target == "training")
    assert {n: v for n, v in part.items() if n not in cuda} == {n: whole[n] for n in part if n not in cuda}
    assert asked(IMAGES / f"requirements-{target}.in") <= part.keys()


def test_airflows_image_has_everything_but_the_supervisor_and_the_checks() -> None:
    text = (HOME / "requirements.in").read_text()
    kept = text.partition("# The embedded stack")[0]
    left = {line.split()[0].partition("==")[0] for line in kept.splitlines() if line and not line.startswith("#")}
    wanted = {re.split(r"[\[]", name)[0] for name in left} | {"psutil"}
    assert asked(IMAGES / "requirements-airflow.in") == wanted


@pytest.fixture(scope="module")
def graph() -> object:
    import grimp

    sys.path.insert(0, str(HOME))
    try:
        return grimp.build_graph(*OURS, include_external_packages=True, cache_dir=None)
    finally:
        sys.path.remove(str(HOME))


@pytest.mark.parametrize("target", TARGETS)
def test_every_import_of_the_code_is_in_the_lock(target: str, graph: object) -> None:
    roots, without = ROOTS[target]
    modules: set[str] = graph.modules  # type: ignore[attr-defined]
    mine = {m for m in modules if m.startswith(tuple(f"{root}." for root in roots)) or m in roots}
    mine = {m for m in mine if not m.startswith(without)} if without else mine
    reached = set(mine)
    for module in mine:
        reached |= graph.find_upstream_modules(module)  # type: ignore[attr-defined]
    foreign = {m.partition(".")[0] for m in reached} - set(OURS) - set(sys.stdlib_module_names)
    foreign -= {"mypy_boto3_s3"} | NOT_FOR.get(target, set())  # the first is for type checkers only
    assert {m.partition(".")[0] for m in reached} & set(OURS) <= set(copied(target)), "code that was not copied"
    lock, known = pinned(IMAGES / f"requirements-{target}.txt"), packages_distributions()
    missing = {
        name
        for name in foreign
        if not {DISTRIBUTION.get(name, each).lower().replace("_", "-") for each in known.get(name, [name])}
        & lock.keys()
    }
    assert not missing


def entrypoint(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([environ.pop("before", ""), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [IMAGES / "entrypoint.sh", *command],
        capture_output=True,
        text=True,
        cwd=HOME,
        env={"PATH": path.lstrip(os.pathsep), "PYTHONPATH": str(HOME), **environ},
    )


def test_secrets_in_files_become_the_variables_that_programs_want(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://reader:p$a`s'\"s@redis:6379/0\n")
    done = entrypoint("sh", "-c", 'echo "$REDIS_URL"; echo "${REDIS_URL_FILE-gone}"', REDIS_URL_FILE=f"{tmp_path}/url")
    assert done.stdout == "redis://reader:p$a`s'\"s@redis:6379/0\ngone\n"
    done = entrypoint("true", AWS_ACCESS_KEY_ID_FILE=f"{tmp_path}/none")
    assert done.returncode == 65
    assert "AWS_ACCESS_KEY_ID_FILE" in done.stderr
    assert entrypoint("sh", "-c", "exit 7").returncode == 7


@pytest.mark.parametrize("key", ["", "k3y"])
def test_an_address_alone_switches_lineage_on_as_the_stack_does(key: str) -> None:
    show = ("python", "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    for url in ("", "http://marquez:5000"):
        told = json.loads(entrypoint(*show, OPENLINEAGE_URL=url, OPENLINEAGE_API_KEY=key).stdout)
        for name, value in environment.openlineage(url, key).items():
            if url or name.endswith("DISABLED"):
                assert told[name] == value


@pytest.fixture
def stubs(tmp_path: Path) -> str:
    for name in ("spark-submit", "java"):
        (tmp_path / name).write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
        (tmp_path / name).chmod(0o755)
    return str(tmp_path)


def test_a_driver_pod_becomes_spark_submit_in_client_mode(stubs: str) -> None:
    done = entrypoint(
        "driver",
        "--properties-file",
        "/opt/spark/conf/spark.properties",
        before=stubs,
        SPARK_DRIVER_BIND_ADDRESS="10.1.2.3",
    )
    words = done.stdout.splitlines()
    assert words[0].endswith("/spark-submit")
    assert words[1:] == [
        *("--deploy-mode", "client", "--conf", "spark.driver.bindAddress=10.1.2.3"),
        *("--properties-file", "/opt/spark/conf/spark.properties"),
    ]


def test_an_executor_pod_becomes_the_backend_with_its_java_options(stubs: str) -> None:
    names = ("DRIVER_URL", "EXECUTOR_ID", "EXECUTOR_CORES", "APPLICATION_ID", "EXECUTOR_POD_IP", "RESOURCE_PROFILE_ID")
    given = {f"SPARK_{name}": name.lower() for name in (*names, "EXECUTOR_POD_NAME")}
    options = {"SPARK_JAVA_OPT_0": "-Da=b c", "SPARK_JAVA_OPT_1": "-XX:+UseG1GC", "SPARK_EXECUTOR_MEMORY": "2g"}
    done = entrypoint("executor", before=stubs, SPARK_HOME="/spark", **given, **options)
    words = done.stdout.splitlines()
    assert words[1:5] == ["-Da=b c", "-XX:+UseG1GC", "-Xms2g", "-Xmx2g"]
    assert words[6].endswith(":/spark/jars/*")
    assert words[7] == "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
    assert dict(zip(words[8::2], words[9::2], strict=True))["--driver-url"] == "driver_url"


def test_the_spark_that_is_locked_has_that_backend() -> None:
    import zipfile

    import pyspark

    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("spark-kubernetes_*.jar")
    wanted = "org/apache/spark/scheduler/cluster/k8s/KubernetesExecutorBackend.class"
    assert wanted in zipfile.ZipFile(jar).namelist()


@pytest.mark.integration
def test_the_storefronts_command_serves_and_its_health_check_tells(tmp_path: Path) -> None:
    image, port = compose_file.image("storefront"), free_port()
    environ = {"STOREFRONT_PORT": str(port), "STOREFRONT_HOST": "127.0.0.1", "REDIS_URL": "redis://127.0.0.1:1/0"}
    assert image.health is not None
    health = [word.replace(":8000", f":{port}") for word in image.health]
    health[0] = str(IMAGES / "healthy.py")
    assert subprocess.run(health, capture_output=True).returncode == 1, "nothing listens yet"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [IMAGES / "entrypoint.sh", *image.command],
        cwd=HOME,
        env={"PATH": path, "PYTHONPATH": str(HOME), **environ},
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 20
        while subprocess.run(health, capture_output=True).returncode != 0:
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        process.terminate()
        # uvicorn ends in order and then by the signal itself.
        assert process.wait(10) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("target", ["spark", "training"])
def test_a_jobs_default_command_explains_it(target: str) -> None:
    done = entrypoint(*compose_file.image(target).command)
    assert done.returncode == 0, done.stderr
    assert "--ds" in done.stdout


def test_a_part_is_healthy_when_airflow_says_so(tmp_path: Path) -> None:
    from infra.images.healthy import healthy

    answer = tmp_path / "health"
    answer.write_text(json.dumps({"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}}))
    url = answer.as_uri()
    assert healthy(url)
    assert healthy(url, "scheduler")
    assert not healthy(url, "triggerer")
    assert not healthy(url, "dag_processor")
    assert not healthy("http://127.0.0.1:1/")
    answer.write_text("not JSON")
    assert healthy(url)
    assert not healthy(url, "scheduler")
    assert urllib.request is not None
