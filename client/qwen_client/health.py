"""`client.health()`: is the server up, and what does it serve?"""

from dataclasses import dataclass

from tritonclient.grpc import service_pb2


@dataclass(frozen=True)
class Health:
    """`live`: the server answers; `ready`: it takes requests; `models`: which of them, by name, are ready."""

    live: bool
    ready: bool
    models: dict[str, bool]


def read_health(
    live: service_pb2.ServerLiveResponse,
    ready: service_pb2.ServerReadyResponse,
    index: service_pb2.RepositoryIndexResponse,
) -> Health:
    """A model with several versions is ready if any of them is."""
    ready_names = {model.name for model in index.models if model.state == "READY"}
    return Health(live.live, ready.ready, {model.name: model.name in ready_names for model in index.models})
