"""`client.health()`: is the server up, and what does it serve?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tritonclient.grpc import service_pb2

from qwen_wire import tensors

# What this package has calls for. To list what a server has is for those who hold its admin key.
MODELS = (
    *(wire.name for wire in (*tensors.MODELS, *tensors.ENSEMBLES, *tensors.CHAINS)),
    "meeting_minutes",
    "storyboard",
    "courseware",
    "product_ad",
    "describe_aloud",
)


@dataclass(frozen=True)
class Health:
    """`live`: the server answers; `ready`: it takes requests; `models`: which of them, by name, it serves just now."""

    live: bool
    ready: bool
    models: dict[str, bool]


def ready_requests() -> Iterator[service_pb2.ModelReadyRequest]:
    """One for each of `MODELS`."""
    return (service_pb2.ModelReadyRequest(name=name) for name in MODELS)


def read_health(
    live: service_pb2.ServerLiveResponse,
    ready: service_pb2.ServerReadyResponse,
    models: Sequence[service_pb2.ModelReadyResponse],
) -> Health:
    """`models`: the answers to `ready_requests`."""
    served = {name: answer.ready for name, answer in zip(MODELS, models, strict=True)}
    return Health(live.live, ready.ready, served)
