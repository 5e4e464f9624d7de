"""Numbers about a server for Prometheus."""

import time
from collections.abc import Container

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condgen.serving.batching import Batcher

TYPE = "text/plain; version=0.0.4; charset=utf-8"
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one application. Labels are names of models and statuses, so that nobody can invent new ones."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        by_model = {"labelnames": ["model"], "registry": self._registry}
        self._answers = Counter(
            "condgen_answers", "HTTP answers of a model.", ["model", "status"], registry=self._registry
        )
        self._seconds = Histogram("condgen_answer_seconds", "Seconds until an answer.", buckets=SECONDS, **by_model)  # type: ignore[arg-type]
        self._samples = Counter("condgen_samples", "Generated samples.", **by_model)  # type: ignore[arg-type]
        self._busy = Counter("condgen_model_seconds", "Seconds that a model was at work.", **by_model)  # type: ignore[arg-type]
        self._batches = Histogram("condgen_batch_samples", "Samples in a batch.", buckets=SIZES, **by_model)  # type: ignore[arg-type]
        self._waiting = Gauge("condgen_unanswered_samples", "Samples accepted and not answered yet.", **by_model)  # type: ignore[arg-type]
        self._loads = Counter(
            "condgen_loads", "Times that a model's file was read.", ["model", "result"], registry=self._registry
        )

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)

    def generated(self, model: str, count: int, seconds: float) -> None:
        """Count the seconds of a batch, and its samples. There are none if it failed, or if it read images."""
        self._busy.labels(model).inc(seconds)
        if count:
            self._samples.labels(model).inc(count)
            self._batches.labels(model).observe(count)

    def loaded(self, model: str, result: str) -> None:
        """Count a model's file that was read, or could not be."""
        self._loads.labels(model, result).inc()

    def watch(self, model: str, batcher: Batcher) -> None:
        """Show how much work waits for a model."""
        self._waiting.labels(model).set_function(lambda: batcher.unanswered)

    def counting(self, app: ASGIApp, models: Container[str]) -> ASGIApp:
        """The application with its answers counted by model."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            started, status = time.perf_counter(), 500

            async def noting(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                if (model := scope.get("path_params", {}).get("model")) in models:
                    self.answered(model, status, time.perf_counter() - started)

        return counted

    def text(self) -> bytes:
        """All numbers in Prometheus's format."""
        return generate_latest(self._registry)
