"""Metrics and traces, as the SDK of OpenTelemetry exports them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk, of the extra `test`")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gespoll import GespollError, JobStatus, Poller, Throttled, Token, TransportError, connect
from gespoll.otel import OpenTelemetryObserver
from gespoll.testing import FakeGES, ScriptedSource

pytestmark = pytest.mark.anyio

OK, RUNNING, FAILED = JobStatus.SUCCESS, JobStatus.RUNNING, JobStatus.FAILED
STORIES: dict[str, list[Any]] = {
    "good": [RUNNING, OK],
    "broken": [RUNNING, FAILED],
    "endless": [RUNNING],
    "throttled": [Throttled("slow down"), Throttled("slow down"), OK],
    "unreachable": [TransportError("no route"), OK],
}


class Collector:
    """Providers of the SDK that keep everything in memory, and an observer of theirs."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._meters = MeterProvider([self._reader])
        self.observer = OpenTelemetryObserver(self.tracers, self._meters)

    def close(self) -> None:
        """Shut the providers down."""
        self.tracers.shutdown()
        self._meters.shutdown()

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in that order."""
        return list(self._exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only span."""
        [span] = self.spans
        return span

    def metrics(self) -> dict[str, Any]:
        """Give the metrics by name."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """Give the values of a metric by attributes: the sum, or the count of a histogram."""
        metric = self.metrics().get(name)
        return {
            tuple(sorted(point.attributes.items())): point.count
            if isinstance(point, HistogramDataPoint)
            else point.value
            for point in (metric.data.data_points if metric else ())
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Collect what is exported."""
    collector = Collector()
    yield collector
    collector.close()


def polling(collector: Collector) -> Poller:
    """Make a poller that is observed."""
    source = ScriptedSource({job: list(readings) for job, readings in STORIES.items()}, delay=0.25)
    return Poller(source, observers=[collector.observer])


class TestSpans:
    """One a wait."""

    async def test_a_wait(self, collector: Collector) -> None:
        """It names its job, and counts; its status is unset after a good end."""
        async with polling(collector) as poller:
            await poller.wait("good", graph="movies")
        span = collector.span
        assert span.name == "gespoll.wait"
        assert dict(span.attributes or {}) == {
            "gespoll.job.id": "good",
            "gespoll.job.graph": "movies",
            "gespoll.wait.outcome": "ended",
            "gespoll.wait.jobs_ended": 1,
            "gespoll.wait.jobs_failed": 0,
            "gespoll.wait.jobs_open": 0,
        }
        assert span.status.status_code is StatusCode.UNSET
        assert span.instrumentation_scope is not None
        assert span.instrumentation_scope.name == "gespoll"

    @pytest.mark.parametrize(
        ("job", "kind"),
        [("broken", "gespoll.JobFailed"), ("endless", "gespoll.WaitTimeout")],
        ids=["failed", "timeout"],
    )
    async def test_a_wait_that_fails(self, collector: Collector, job: str, kind: str) -> None:
        """The type of the error is told, and not its text."""
        async with polling(collector) as poller:
            with pytest.raises(GespollError):
                await poller.wait(job, timeout=30)
        span = collector.span
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
        assert (span.attributes or {})["error.type"] == kind
        assert not span.events

    async def test_many_jobs_are_counted_and_not_named(self, collector: Collector) -> None:
        """Of all that was exported, no text holds one of their ids, which no random id can hold."""
        async with polling(collector) as poller:
            with suppress(GespollError):
                await poller.wait_all(["good", "broken", "endless"], timeout=30)
        span = collector.span
        assert span.name == "gespoll.wait_all"
        assert dict(span.attributes or {}) == {
            "gespoll.wait.outcome": "failed",
            "gespoll.wait.jobs_ended": 3,
            "gespoll.wait.jobs_failed": 2,
            "gespoll.wait.jobs_open": 0,
            "error.type": "gespoll.JobsFailed",
        }
        told = span.to_json() + str(collector.metrics())
        assert [job for job in ("good", "broken", "endless") if job in told] == []

    async def test_failures_that_are_returned_are_no_error(self, collector: Collector) -> None:
        """The count tells them."""
        async with polling(collector) as poller:
            await poller.wait_all(["broken"], return_exceptions=True)
        assert collector.span.status.status_code is StatusCode.UNSET
        assert (collector.span.attributes or {})["gespoll.wait.jobs_failed"] == 1

    async def test_a_watch_that_is_cancelled_is_no_error(self, collector: Collector) -> None:
        """Its outcome tells it, and how many jobs it left open."""
        async with polling(collector) as poller:
            with anyio.move_on_after(10):
                async with poller.watch(["good", "endless"]) as changes:
                    async for _ in changes:
                        pass
        span = collector.span
        assert (span.name, span.status.status_code) == ("gespoll.watch", StatusCode.UNSET)
        told = span.attributes or {}
        assert (told["gespoll.wait.outcome"], told["gespoll.wait.jobs_open"]) == ("cancelled", 1)
        assert "error.type" not in told

    @pytest.mark.parametrize(
        ("error", "kind"),
        [(ValueError("secret"), "ValueError"), (type("Own", (Exception,), {"__module__": "a._b.c"})(), "a.c.Own")],
        ids=["builtin", "own"],
    )
    async def test_an_error_of_the_body(self, collector: Collector, error: Exception, kind: str) -> None:
        """Its type is told as it is imported, and nothing of its text."""
        async with polling(collector) as poller:
            with suppress(type(error)):
                async with poller.watch(["good"]):
                    raise error
        assert (collector.span.attributes or {})["error.type"] == kind
        assert "secret" not in collector.span.to_json()

    async def test_the_parent_is_the_callers(self, collector: Collector) -> None:
        """Each of many waits at once, in several tasks and in one, has the parent that was current there."""
        tracer = collector.tracers.get_tracer("caller")

        async def both(poller: Poller, name: str) -> None:
            with tracer.start_as_current_span(name):
                async with poller.watch(["good"]), anyio.create_task_group() as tasks:
                    tasks.start_soon(poller.wait, "good")

        async with polling(collector) as poller, anyio.create_task_group() as tasks:
            for name in ("one", "two"):
                tasks.start_soon(both, poller, name)
        names = {span.context.span_id: span.name for span in collector.spans if span.context}
        children = sorted((names[span.parent.span_id], span.name) for span in collector.spans if span.parent)
        assert children == [
            ("one", "gespoll.wait"),
            ("one", "gespoll.watch"),
            ("two", "gespoll.wait"),
            ("two", "gespoll.watch"),
        ]

    async def test_a_wait_does_not_become_the_current_span(self, collector: Collector) -> None:
        """What the body of a watch starts is a sibling."""
        tracer = collector.tracers.get_tracer("caller")
        async with polling(collector) as poller, poller.watch(["good"]):
            tracer.start_span("inner").end()
        [inner] = [span for span in collector.spans if span.name == "inner"]
        assert inner.parent is None


class TestMetrics:
    """Counts and durations."""

    async def test_requests(self, collector: Collector) -> None:
        """By kind and outcome, failed ones by type."""
        async with polling(collector) as poller:
            await poller.wait_all(["good", "throttled", "unreachable"])
        kind = ("gespoll.request.kind", "query")
        assert collector.points("gespoll.requests") == {
            (kind, ("gespoll.request.outcome", "answered")): 4,
            (("error.type", "gespoll.Throttled"), kind, ("gespoll.request.outcome", "failed")): 2,
            (("error.type", "gespoll.TransportError"), kind, ("gespoll.request.outcome", "failed")): 1,
        }

    async def test_throttles(self, collector: Collector) -> None:
        """Counted once each."""
        async with polling(collector) as poller:
            await poller.wait("throttled")
        assert collector.points("gespoll.throttles") == {(): 2}

    async def test_durations_of_waits(self, collector: Collector) -> None:
        """By kind and outcome, in seconds."""
        async with polling(collector) as poller:
            with suppress(GespollError):
                await poller.wait("endless", timeout=30)
            await poller.wait_all(["good"])
        kind, outcome = "gespoll.wait.kind", "gespoll.wait.outcome"
        assert collector.points("gespoll.wait.duration") == {
            (("error.type", "gespoll.WaitTimeout"), (kind, "wait"), (outcome, "failed")): 1,
            ((kind, "wait_all"), (outcome, "ended")): 1,
        }
        points = collector.metrics()["gespoll.wait.duration"].data.data_points
        assert sorted(point.sum for point in points)[1] == pytest.approx(30, abs=1)

    async def test_open_jobs(self, collector: Collector) -> None:
        """How many there are now."""
        async with polling(collector) as poller:
            async with poller.watch(["good", "endless"]):
                assert collector.points("gespoll.jobs.open") == {(): 2}
                await anyio.sleep(30)
                assert collector.points("gespoll.jobs.open") == {(): 1}
            assert collector.points("gespoll.jobs.open") == {(): 0}

    async def test_lag_of_detection(self, collector: Collector) -> None:
        """Of jobs that ended while they were waited for, by the service's clock; not of those that had before."""
        async with FakeGES() as ges:
            ges.add_job("old", graph="g", steps=[(0, "success")])
            ges.add_job("new", graph="g", steps=[(0, "running"), (60, "failed")])
            await anyio.sleep(30)
            token = Token(ges.token)
            observers = [collector.observer]
            async with connect(ges.endpoint, ges.project_id, credentials=token, observers=observers) as poller:
                await poller.wait_all(["old", "new"], graph="g", return_exceptions=True)
                lag = poller.statistics().lag_mean
        assert collector.points("gespoll.detection.lag") == {(("gespoll.job.status", "failed"),): 1}
        [point] = collector.metrics()["gespoll.detection.lag"].data.data_points
        assert point.sum == lag

    async def test_names_and_units(self, collector: Collector) -> None:
        """All of them, as the conventions ask: counted things in braces, seconds as `s`."""
        async with FakeGES() as ges:
            ges.add_job("new", graph="g")
            ges.inject("throttle", match="/jobs")
            token, observers = Token(ges.token), [collector.observer]
            async with connect(ges.endpoint, ges.project_id, credentials=token, observers=observers) as poller:
                await poller.wait("new", graph="g")
        assert {name: metric.unit for name, metric in collector.metrics().items()} == {
            "gespoll.requests": "{request}",
            "gespoll.throttles": "{request}",
            "gespoll.jobs.open": "{job}",
            "gespoll.wait.duration": "s",
            "gespoll.detection.lag": "s",
        }


class TestSecrets:
    """Nothing that is exported holds one."""

    async def test_no_secret_is_told(self, collector: Collector) -> None:
        """Whatever goes wrong: rejected, throttled, out of reach."""
        secret = "MIIT-secret-token"
        async with FakeGES(token=secret) as ges:
            ges.add_job("new", graph="g")
            for kind in ("throttle", "unavailable", "drop"):
                ges.inject(kind)
            for token in (secret, "wrong-secret-token"):
                async with connect(
                    ges.endpoint, ges.project_id, credentials=Token(token), observers=[collector.observer]
                ) as poller:
                    with suppress(GespollError):
                        await poller.wait("new", graph="g")
        told = "".join(span.to_json() for span in collector.spans) + str(collector.metrics())
        assert "gespoll.AuthenticationError" in told
        assert "secret" not in told


class TestProviders:
    """Where it goes when nothing is said."""

    @pytest.mark.parametrize("make", [OpenTelemetryObserver, lambda: OpenTelemetryObserver(None, None)])
    async def test_the_global_ones(self, make: Callable[[], OpenTelemetryObserver]) -> None:
        """Without an SDK they do nothing, and cost no wait."""
        async with Poller(ScriptedSource({"a": [OK]}), observers=[make()]) as poller:
            assert (await poller.wait("a")).status is OK

    def test_the_extra_is_named_where_it_is_missing(self) -> None:
        """The import says what to install."""
        code = "import sys; sys.modules['opentelemetry'] = None; import gespoll.otel"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "ImportError: gespoll.otel needs the extra `otel`: pip install 'gespoll[otel]'"
        )
