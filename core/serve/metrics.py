"""What a server measures of itself, for Prometheus: rates are ``rate(janiform_tokens_total[1m])`` and the like."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_MODEL = ("model",)


class ServerMetrics:
    """All metrics of a server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, help: str, labels: tuple[str, ...] = _MODEL) -> Counter:
            return Counter(f"janiform_{name}", help, labels, registry=registry)

        def gauge(name: str, help: str, labels: tuple[str, ...] = _MODEL) -> Gauge:
            return Gauge(f"janiform_{name}", help, labels, registry=registry)

        def histogram(name: str, help: str, labels: tuple[str, ...] = _MODEL) -> Histogram:
            return Histogram(f"janiform_{name}", help, labels, registry=registry, buckets=_SECONDS)

        self.requests = counter("requests", "Requests that were answered.", ("route", "status"))
        self.request_seconds = histogram("request_seconds", "From the arrival to the last byte.", ("route",))
        self.in_flight = gauge("requests_in_flight", "Requests that are read, waiting or answered.", ())
        self.waiting = gauge("queue_requests", "Requests that wait for the model.")
        self.limit = gauge("queue_limit", "Most requests that wait for the model.")
        self.refused = counter("queue_refused", "Requests that found the queue full.")
        self.queued = histogram("queue_seconds", "From the arrival of a request to the first of its rows.")
        self.rows = gauge("batch_rows", "Rows that are decoded together.")
        self.most_rows = gauge("batch_rows_limit", "Most rows that are decoded together.")
        self.steps = counter("steps", "Steps of the engine.")
        self.step_rows = counter("step_rows", "Rows of all steps; divided by the steps, the mean number of rows.")
        self.step_seconds = counter("step_seconds", "Seconds that the engine has computed.")
        self.prompt_tokens = counter("prompt_tokens", "Tokens of prompts that were read.")
        self.reused_tokens = counter("prompt_tokens_reused", "Tokens of prompts that were not read again.")
        self.tokens = counter("tokens", "Tokens that were generated.")
        self.pictures = counter("pictures", "Pictures that were drawn.")
        self.first_token = histogram("first_token_seconds", "From the arrival to the first text of a stream.")


class ModelMetrics:
    """The metrics of one model."""

    def __init__(self, metrics: ServerMetrics, model: str, limit: int) -> None:
        metrics.limit.labels(model).set(limit)
        self.waiting = metrics.waiting.labels(model)
        self.refused = metrics.refused.labels(model)
        self.queued = metrics.queued.labels(model)
        self.prompt_tokens = metrics.prompt_tokens.labels(model)
        self.reused_tokens = metrics.reused_tokens.labels(model)
        self.tokens = metrics.tokens.labels(model)
        self.pictures = metrics.pictures.labels(model)
        self.first_token = metrics.first_token.labels(model)
        self._rows = metrics.rows.labels(model)
        self._most_rows = metrics.most_rows.labels(model)
        self._steps = metrics.steps.labels(model)
        self._step_rows = metrics.step_rows.labels(model)
        self._step_seconds = metrics.step_seconds.labels(model)

    def stepped(self, rows: int, left: int, most: int, seconds: float) -> None:
        """Count a step of the engine, which decoded ``rows`` rows; ``left`` of at most ``most`` go on."""
        self._rows.set(left)
        self._most_rows.set(most)
        self._steps.inc()
        self._step_rows.inc(rows)
        self._step_seconds.inc(seconds)
