"""What the settings of models share, and those of chains: sections of a profile. Free of torch, as all settings."""

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from qwen_engine.tenants import DEFAULT_TENANT

Dtype = Literal["float32", "bfloat16"]


class TenantSettings(BaseModel):
    """How tenants share all models of a server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required: bool = Field(default=False, description="requests without the header qwen-tenant are refused")
    max_share: float = Field(
        default=0.5, gt=0, le=1, description="share of streams, conversations and queue places that one tenant may use"
    )

    def share(self, tenant: str) -> float:
        """What one tenant may hold of anything; a server without tenants knows one only, who may hold all."""
        return 1.0 if tenant == DEFAULT_TENANT and not self.required else self.max_share

    def allowance(self, total: int, tenant: str) -> int:
        """How many of `total` one tenant may hold."""
        return max(1, int(total * self.share(tenant)))


class Missing(NamedTuple):
    """What is missing on a machine, and what to do about it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}"


class ModelSettings(BaseModel):
    """Common to all models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenants: TenantSettings = Field(TenantSettings(), description="written by `qwen serve`, from [tenants]")

    instances: int = Field(1, ge=1, le=16, description="engine processes")
    max_queue: int = Field(64, ge=1, description="waiting requests; further ones are refused with UNAVAILABLE")
    max_wait_s: float = Field(60.0, gt=0, description="longest time in the queue; then refused with UNAVAILABLE")

    @property
    def num_readers(self) -> int:
        """Threads for requests that take long to read; 0: there are none."""
        return 0

    def checkpoints(self) -> dict[str, str]:
        """All that the model loads, by the field that names it."""
        named = {name: getattr(self, name) for name in type(self).model_fields if name.endswith("checkpoint")}
        return {field: checkpoint for field, checkpoint in named.items() if checkpoint is not None}

    def missing_files(self) -> list[Missing]:
        """What must be on the machine besides the checkpoints, and is not."""
        return []

    @property
    def sequence_timeout_s(self) -> float | None:
        """Silence after which Triton ends a sequence; None: there are none."""
        return None

    def served_files(self) -> dict[str, str]:
        """Texts of files beside config.pbtxt, by name."""
        return {}


class FileSettings(BaseModel):
    """Common to the models that are sent files of sound or pictures."""

    num_decoders: int = Field(2, ge=1, le=64, description="processes that decode files, one file each at a time")
    max_decode_s: float = Field(
        10.0, gt=0, description="time to decode a small file; large ones get up to 25 s per MB more"
    )
    max_file_bytes: int = Field(512 << 20, ge=1024, description="size of a file, decoded from base64")

    @property
    def num_readers(self) -> int:
        """One more than decoders, so that none of these waits for the next file."""
        return self.num_decoders + 1


class CheckpointSettings(ModelSettings):
    """Common to the models that torch runs."""

    checkpoint: str = Field(description="folder, or hub id such as Qwen/Qwen3-ASR-0.6B-hf")
    device: str = Field("cpu", description="torch device: cpu, cuda:0, ...")
    dtype: Dtype = "float32"
    num_threads: int = Field(1, ge=1, description="CPU threads of torch; more than there are cores are much slower")


class ChainSettings(ModelSettings):
    """Chains compute nothing themselves; they call models, over gRPC at the server's own address."""

    grpc_address: str = Field("127.0.0.1:8001", description="written by `qwen serve` and `qwen stage`")
    served: tuple[str, ...] = Field((), description="models and chains there are to call; written by `qwen serve`")
    max_runs: int = Field(32, ge=1, description="requests in progress at each nesting depth")
    max_depth: int = Field(3, ge=0, description="nesting depth of chains; deeper ones are refused")
    max_parallel: int = Field(8, ge=1, description="concurrent calls of one request")
    max_calls: int = Field(
        32, ge=1, description="concurrent calls of all requests to one model; calls to chains are not counted"
    )
    deadline_s: float = Field(600.0, gt=0, description="deadline of a request that names none")
    max_deadline_s: float = Field(10800.0, gt=0, description="longest deadline that a request may name")
    max_nodes: int = Field(100, ge=1, description="nodes of a workflow")
    max_items: int = Field(500, ge=1, description="items of one node")
    max_run_items: int = Field(5000, ge=1, description="items of all nodes of a run together")
    max_workflow_bytes: int = Field(262_144, ge=1024, description="size of WORKFLOW")
    max_value_bytes: int = Field(16 << 20, ge=1024, description="size of one text or JSON, input or output of a node")
    max_run_bytes: int = Field(
        128 << 20, ge=1024, description="size of all texts and JSON of a run, repeated ones included"
    )
    max_run_file_bytes: int = Field(
        1 << 30, ge=1024, description="size of all inputs of a run and all answers of its calls"
    )
    max_held_bytes: int = Field(4 << 30, ge=1024, description="data held for all runs; one run is always accepted")
    inputs: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by named chain: its inputs, where a request leaves them out"
    )


class VoiceChatSettings(ChainSettings):
    """A chain of qwen3_asr, qwen3_chat and qwen3_tts that remembers conversations."""

    max_runs: int = Field(128, ge=1, description="utterances in progress; one that interrupts must not wait")
    deadline_s: float = Field(
        120.0, gt=0, description="deadline of an utterance and its reply, if the request names none"
    )
    max_sessions: int = Field(1024, ge=1, description="open conversations; further ones are refused")
    max_turns: int = Field(
        20, ge=1, description="utterances and replies kept of each conversation; older ones are dropped"
    )
    idle_timeout_s: float = Field(1800.0, gt=0, description="time after which an unused conversation is dropped")
