"""What Prometheus reads: counts and durations, no ids and no texts."""

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

router = APIRouter()


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "micrec_requests_total",
            "Requests that were answered.",
            ["path", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "micrec_request_seconds",
            "From a request's body until its answer.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.now = Gauge(
            "micrec_requests_now",
            "Requests that are worked on or wait.",
            registry=self.registry,
        )
        self.together = Histogram(
            "micrec_questions_together",
            "Questions for lists that were answered at once.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.rows = Counter(
            "micrec_written_rows_total",
            "Rows of additions and removals.",
            ["model", "kind"],
            registry=self.registry,
        )
        self.reloads = Counter(
            "micrec_reloads_total",
            "Artefacts that were loaded again.",
            ["model", "outcome"],
            registry=self.registry,
        )


@router.get("/metrics", tags=["health"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Return the counters in the text format of Prometheus."""
    registry = request.app.state.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
