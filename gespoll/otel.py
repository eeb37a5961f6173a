"""Metrics and traces by OpenTelemetry. Needs the extra `otel`.

Rule: one span a wait, none a request; metrics name no job, no graph and no project. What is told are types,
words and counts: no text of an error leaves this way.

    gespoll.wait, .wait_all, .watch    spans; an error that a wait is left with sets their status
    gespoll.requests                   counter, by gespoll.request.kind and .outcome, error.type
    gespoll.throttles                  counter
    gespoll.jobs.open                  up-down counter
    gespoll.wait.duration              histogram in seconds, by gespoll.wait.kind and .outcome, error.type
    gespoll.detection.lag              histogram in seconds, by gespoll.job.status
"""

from __future__ import annotations

from importlib.metadata import version

from gespoll import Observer, RequestMade, StateChange, Throttled, WaitEnded, WaitStarted

try:
    from opentelemetry import metrics, trace
except ImportError as _error:
    raise ImportError("gespoll.otel needs the extra `otel`: pip install 'gespoll[otel]'") from _error

__all__ = ["OpenTelemetryObserver"]

_DURATIONS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
_LAGS = (0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 300.0)


class OpenTelemetryObserver(Observer):
    """Tells OpenTelemetry what pollers do. One may serve several pollers.

    A span is the child of the one that is current where the wait is entered, and is current nowhere itself:
    requests serve many waits. The span of a single wait has `gespoll.job.id` and `gespoll.job.graph`; those
    of many jobs have counts, as all have: `gespoll.wait.jobs_ended`, `.jobs_failed`, `.jobs_open`. A wait that
    is cancelled, or left early, is no error; nor are failed jobs that nothing was raised for.

    Args:
        tracer_provider: where spans go; `None` is the global one at this moment.
        meter_provider: where metrics go; `None` is the global one at this moment.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        own_version = version("gespoll")
        self._tracer = trace.get_tracer("gespoll", own_version, tracer_provider)
        self._spans: dict[WaitStarted, trace.Span] = {}
        meter = metrics.get_meter("gespoll", own_version, meter_provider)
        self._requests = meter.create_counter("gespoll.requests", "{request}", "Requests made, withdrawn ones too.")
        self._throttles = meter.create_counter("gespoll.throttles", "{request}", "Requests the service throttled.")
        self._open = meter.create_up_down_counter("gespoll.jobs.open", "{job}", "Open jobs, once for each wait.")
        self._durations = meter.create_histogram(
            "gespoll.wait.duration", "s", "How long waits took.", explicit_bucket_boundaries_advisory=_DURATIONS
        )
        self._lags = meter.create_histogram(
            "gespoll.detection.lag",
            "s",
            "From a job's end, by the service's clock, to its being seen.",
            explicit_bucket_boundaries_advisory=_LAGS,
        )

    def request_made(self, event: RequestMade, /) -> None:
        """Count it."""
        told = {"gespoll.request.kind": event.kind, "gespoll.request.outcome": event.outcome}
        self._requests.add(1, {**told, **_error_type(event.error)})

    def throttled(self, error: Throttled, /) -> None:
        """Count it."""
        self._throttles.add(1)

    def changed(self, change: StateChange, /) -> None:
        """Take the lag of an end that came while it was waited for; what had ended before has none."""
        if change.lag is not None and change.previous is not None and change.status is not None:
            self._lags.record(change.lag, {"gespoll.job.status": change.status.value})

    def open_jobs_changed(self, by: int, /) -> None:
        """Add it up."""
        self._open.add(by)

    def wait_started(self, event: WaitStarted, /) -> None:
        """Start its span."""
        told: dict[str, str] = {}
        if event.job is not None:
            told["gespoll.job.id"] = event.job.job_id
            if event.job.graph is not None:
                told["gespoll.job.graph"] = event.job.graph
        self._spans[event] = self._tracer.start_span(f"gespoll.{event.kind}", attributes=told)

    def wait_ended(self, event: WaitEnded, /) -> None:
        """End its span, and record how long it took."""
        told = {"gespoll.wait.outcome": event.outcome, **_error_type(event.error)}
        self._durations.record(event.duration, {"gespoll.wait.kind": event.started.kind, **told})
        span = self._spans.pop(event.started)
        span.set_attributes(told)
        span.set_attribute("gespoll.wait.jobs_ended", event.jobs_ended)
        span.set_attribute("gespoll.wait.jobs_failed", event.jobs_failed)
        span.set_attribute("gespoll.wait.jobs_open", event.jobs_open)
        if event.outcome == "failed":
            span.set_status(trace.StatusCode.ERROR)
        span.end()


def _error_type(error: BaseException | None) -> dict[str, str]:
    """Name the class of an error where it can be imported from; errors that are none have no type."""
    if not isinstance(error, Exception):
        return {}
    kind = type(error)
    places = [place for place in kind.__module__.split(".") if not place.startswith("_") and place != "builtins"]
    return {"error.type": ".".join([*places, kind.__qualname__])}
