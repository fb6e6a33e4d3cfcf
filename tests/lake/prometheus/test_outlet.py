"""What a command told is found by Prometheus, whatever became of the command, and never harms it."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lake import command
from lake.errors import GateFailed
from lake.prometheus import metrics, outlet
from lake.prometheus.metrics import METRICS
from lake.settings import Settings

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    for metric in METRICS.values():
        metric.forget()
    yield
    for metric in METRICS.values():
        metric.forget()


def samples(path: Path) -> Samples:
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def next_process() -> None:
    for metric in METRICS.values():
        metric.forget()


def test_every_run_leaves_how_it_ended_and_a_failure_leaves_the_last_success(tmp_settings: Settings) -> None:
    path = tmp_settings.var / "metrics" / "nightshelf_command_jobs.day.prom"
    me = (("command", "jobs.day"),)
    metrics.EVENTS_READ.tell(120)
    outlet.ended(tmp_settings, "jobs.day", 0, 12.5)
    first = samples(path)
    assert first["nightshelf_events_read_rows", me] == 120
    assert first["nightshelf_command_last_duration_seconds", me] == 12.5
    assert first["nightshelf_command_last_peak_memory_bytes", me] > 10_000_000
    next_process()
    outlet.ended(tmp_settings, "jobs.day", 66, 3.0)
    second = samples(path)
    assert second["nightshelf_command_last_exit_code", me] == 66
    success = "nightshelf_command_last_success_timestamp_seconds"
    assert second[success, me] == first[success, me]
    assert second["nightshelf_command_last_failure_timestamp_seconds", me] >= first[success, me]
    assert second["nightshelf_events_read_rows", me] == 120, "what was not told anew stays"


def test_labels_that_are_not_told_any_more_go(tmp_settings: Settings) -> None:
    path = tmp_settings.var / "metrics" / "nightshelf_command_x.prom"
    metrics.GATE_SUCCESS.tell(0, gate="raw")
    outlet.ended(tmp_settings, "x", 66, 1)
    next_process()
    metrics.GATE_SUCCESS.tell(1, gate="events")
    outlet.ended(tmp_settings, "x", 0, 1)
    assert [labels for name, labels in samples(path) if name == "nightshelf_gate_success"] == [
        (("command", "x"), ("gate", "events"))
    ]


def test_a_surface_is_replaced_without_the_others_and_by_any_command(tmp_settings: Settings) -> None:
    folder = tmp_settings.var / "metrics"
    for surface, value in (("home", 1), ("home@treatment", 2)):
        metrics.SERVING_BUNDLE.tell(value, surface=surface)
    outlet.ended(tmp_settings, "jobs.publish", 0, 1)
    next_process()
    metrics.SERVING_BUNDLE.tell(9, surface="home")
    outlet.ended(tmp_settings, "jobs.rollback", 0, 1)
    name = "nightshelf_serving_bundle_version"
    assert samples(folder / "nightshelf_surface_home.prom") == {(name, (("surface", "home"),)): 9}
    assert samples(folder / "nightshelf_surface_home_treatment.prom") == {(name, (("surface", "home@treatment"),)): 2}


def test_what_is_no_number_is_told_as_none_and_fires_no_alert(tmp_settings: Settings) -> None:
    metrics.JUDGED_AUC.tell(None)
    metrics.LISTS_BUNDLE.tell("no number")
    outlet.ended(tmp_settings, "x", 0, 1)
    text = (tmp_settings.var / "metrics" / "nightshelf_command_x.prom").read_text()
    assert 'nightshelf_judging_auc{command="x"} NaN' in text
    assert 'nightshelf_lists_bundle_version{command="x"} NaN' in text


def test_wrong_labels_are_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    metrics.GATE_SUCCESS.tell(1, table="events")
    assert not metrics.GATE_SUCCESS.told
    assert "nightshelf_gate_success" in caplog.text


def test_a_damaged_file_is_made_anew(tmp_settings: Settings) -> None:
    path = tmp_settings.var / "metrics" / "nightshelf_command_x.prom"
    path.parent.mkdir(parents=True)
    path.write_text("half a li{")
    outlet.ended(tmp_settings, "x", 0, 1)
    assert samples(path)["nightshelf_command_last_exit_code", (("command", "x"),)] == 0


def test_the_command_line_tells_success_failure_and_a_fault_of_the_code(
    tmp_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "settings", lambda: tmp_settings)
    path = tmp_settings.var / "metrics" / "nightshelf_command_t.prom"

    def ends(error: Exception | None) -> float:
        def work(_: Settings) -> dict[str, int]:
            if error:
                raise error
            return {"rows": 1}

        with suppress(SystemExit, ZeroDivisionError):
            command.finish("t", work)
        return samples(path)["nightshelf_command_last_exit_code", (("command", "t"),)]

    assert [ends(None), ends(GateFailed("g")), ends(ZeroDivisionError())] == [0, 66, 1]


def test_a_folder_that_cannot_be_written_and_a_gateway_that_is_away_fail_nothing(
    tmp_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    broken = {"metrics_dir": tmp_path / "file" / "below", "metrics_push_url": "http://127.0.0.1:9"}
    outlet.ended(tmp_settings.model_copy(update=broken), "x", 0, 1)
    assert caplog.text.count("are not left") == 2


def test_the_gateway_gets_a_group_for_the_command_and_one_for_each_surface(tmp_settings: Settings) -> None:
    seen: dict[str, str] = {}

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen[self.path] = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        metrics.SERVING_BUNDLE.tell(3, surface="home@treatment")
        url = f"http://127.0.0.1:{server.server_port}"
        outlet.ended(tmp_settings.model_copy(update={"metrics_push_url": url}), "jobs.publish", 0, 1)
    finally:
        server.shutdown()
        server.server_close()
    assert set(seen) == {
        "/metrics/job/nightshelf/command/jobs.publish",
        "/metrics/job/nightshelf/surface/home%40treatment",
    }
    assert 'nightshelf_serving_bundle_version{surface="home@treatment"} 3.0' in "".join(seen.values())


def test_files_of_commands_that_end_together_are_whole(tmp_settings: Settings) -> None:
    threads = [threading.Thread(target=outlet.ended, args=(tmp_settings, f"c{n % 3}", 0, float(n))) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(path.name for path in (tmp_settings.var / "metrics").glob("*.prom"))
    assert found == [f"nightshelf_command_c{n}.prom" for n in range(3)]
    assert all(samples(path) for path in (tmp_settings.var / "metrics").glob("*.prom"))
