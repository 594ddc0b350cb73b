"""Settings of every model: what a profile says and a model is built from. Free of torch: tools read them too."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qwen_engine.tenants import DEFAULT_TENANT
from qwen_media.limits import SoundLimits

Dtype = Literal["float32", "bfloat16"]
SAMPLE_BYTES = 4  # of raw samples: 32-bit floats
VadMethod = Literal["energy", "silero"]
WITHOUT_THINKING = "{%- set enable_thinking = false -%}\n"


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


class RecogniserSettings(CheckpointSettings):
    """What recordings and live streams share."""

    max_batch: int = Field(16, ge=1, description="pieces of recordings in a batch")
    max_positions: int = Field(2048, ge=256, description="context, sound (13 a second) and text of one piece")
    max_step_audio_s: float = Field(30.0, gt=0, description="audio encoded between two steps; a piece at least")
    vad_method: VadMethod = Field("energy", description="speech detector; 'silero' needs the extra of that name")

    def missing_files(self) -> list[Missing]:
        if self.vad_method == "energy" or importlib.util.find_spec("silero_vad"):
            return []
        return [Missing("vad_method is 'silero', but silero-vad is not installed", "pip install 'silero-vad>=6.2.3'")]


class AsrSettings(FileSettings, RecogniserSettings):
    max_step_audio_s: float = Field(10.0, gt=0, description="audio encoded between two steps; a window of 8 s at least")
    max_piece_s: float = Field(30.0, ge=2, le=30, description="longer recordings are cut at pauses")
    max_requests: int = Field(64, ge=1, description="requests in progress; their pieces alternate")
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording, unless a request asks for more")
    max_job_audio_s: float = Field(10800.0, gt=0, description="longest recording that a request may allow itself")
    max_held_audio_s: float = Field(
        36000.0, gt=0, description="audio held for all requests, 64 kB a second; one request is always accepted"
    )
    aligner_checkpoint: str | None = Field(None, description="folder or hub id; null: no times of words")
    max_aligned_s: float = Field(30.0, ge=5, le=30, description="longer pieces are aligned in parts")


class CaptionSettings(RecogniserSettings):
    """`checkpoint` is qwen3_asr's, loaded once more: an engine process of its own keeps captions prompt."""

    max_streams: int = Field(64, ge=1, description="open live streams; further ones are refused with UNAVAILABLE")
    idle_timeout_s: float = Field(30.0, gt=0, description="time after which a stream without new chunks is dropped")
    max_segment_s: float = Field(30.0, ge=4, le=30, description="speech without pauses is cut at its quietest point")
    end_silence_s: float = Field(
        0.7, ge=0.2, le=3, description="silence that ends a segment; half of it after 12 s of speech"
    )
    min_step_s: float = Field(0.4, ge=0.1, description="minimum of new audio for a step; shorter chunks are buffered")
    rollback_tokens: int = Field(5, ge=0, description="last tokens of the partial text, decoded again in each step")
    max_chunk_s: float = Field(
        10.0, gt=0, description="longest chunk; 192,000 samples for each second, of all channels together"
    )
    max_stream_s: float = Field(10800.0, gt=0, description="longest stream")

    @property
    def sequence_timeout_s(self) -> float:
        return self.idle_timeout_s

    @property
    def max_chunk_bytes(self) -> int:
        """What no chunk can have more of, whatever its form."""
        return SoundLimits(self.max_chunk_s).max_samples * SAMPLE_BYTES


class ChatSettings(CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="requests in a batch")
    max_positions: int = Field(4096, ge=64, description="tokens of a prompt and its answer; no more than the model's")
    max_cached_positions: int = Field(4096, ge=0, description="tokens in the prefix cache; 0: no cache")
    max_step_positions: int = Field(
        4096, ge=1, description="prompt tokens in one step; longer prompts are prefilled in parts"
    )
    max_prompt_chars: int = Field(200_000, ge=1, description="longer prompts are refused before they are tokenised")
    max_tokens: int = Field(512, ge=1, description="length of an answer if the request names none")
    temperature: float | None = Field(None, ge=0, le=2, description="if a request names none; null: the checkpoint's")
    num_readers_apart: int = Field(8, ge=1, le=64, description="threads that tokenise long prompts and check schemas")

    @property
    def num_readers(self) -> int:
        return self.num_readers_apart

    def served_files(self) -> dict[str, str]:
        """The checkpoint's chat template, by which its answers do not begin with thinking: for frontends that put
        conversations into a template themselves."""
        file, config = Path(self.checkpoint, "chat_template.jinja"), Path(self.checkpoint, "tokenizer_config.json")
        in_config = json.loads(config.read_text()).get("chat_template") if config.is_file() else None
        template = file.read_text() if file.is_file() else in_config
        return {"no_think.jinja": WITHOUT_THINKING + template} if isinstance(template, str) else {}


class AlignerSettings(FileSettings, CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="recordings in a batch")
    max_piece_s: float = Field(300.0, ge=5, le=300, description="longer recordings are aligned in windows")
    max_positions: int = Field(16384, ge=512, description="sound (13 a second), words and their marks in one piece")
    max_step_positions: int = Field(
        16384, ge=512, description="tokens of all pieces in one forward; one piece at least"
    )
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording")
    max_text_chars: int = Field(100_000, ge=1)


def default_voice_folder() -> str:
    """Where the XDG base directories put a user's data."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "qwen-triton" / "voices")


class TtsSettings(FileSettings, CheckpointSettings):
    """`checkpoint` of any kind, and up to two more: a Base one to clone voices, a voice-design one to describe them."""

    base_checkpoint: str | None = Field(None, description="folder or hub id; null: no cloning besides `checkpoint`'s")
    design_checkpoint: str | None = Field(None, description="folder or hub id; null: no design besides `checkpoint`'s")
    voice_folder: str = Field(default_factory=default_voice_folder, description="where added voices are kept")
    max_voices: int = Field(5000, ge=1, description="stored voices per tenant")
    require_consent: bool = Field(
        True, description="a recording that is cloned without being kept needs a consent note, too"
    )
    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a recording, decoded from base64")
    max_reference_s: float = Field(30.0, gt=0, description="longest recording to clone a voice from")
    text_timeout_s: float = Field(30.0, gt=0, description="an open text stream without new text ends after this")
    max_batch: int = Field(16, ge=1, description="utterances in a batch")
    max_positions: int = Field(2048, ge=64, description="prompt and frames of one piece of text; 12.5 frames a second")
    max_piece_chars: int = Field(
        300, ge=20, description="longer texts are synthesized in pieces; CJK characters count 3"
    )
    max_text_chars: int = Field(4000, ge=1, description="length of TEXT, also in add_text")
    max_stream_chars: int = Field(20_000, ge=1, description="total text of a text stream")
    max_audio_s: float = Field(300.0, gt=0, description="longest speech of a request")
    temperature: float | None = Field(None, ge=0, description="if a request names none; null: the checkpoint's")


class Preset(BaseModel):
    """What a request's `preset` stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    true_cfg_scale: float = Field(ge=1, description="1: no guidance")
    scheduler: Literal["checkpoint", "lightning"] = Field("checkpoint", description="'lightning' goes with its LoRAs")
    lora: str | None = Field(None, description="name in lora_folder")


class ImageSettings(FileSettings, CheckpointSettings):
    """`checkpoint` draws, varies and inpaints; `edit_checkpoint` follows instructions on pictures."""

    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a picture, decoded from base64")
    family: Literal["qwen-image"] = "qwen-image"
    edit_checkpoint: str | None = Field(None, description="folder or hub id; null: no editing by instruction")
    width: int = Field(1328, ge=16, description="pixels, if a request names none")
    height: int = Field(1328, ge=16)
    steps: int = Field(50, ge=1)
    true_cfg_scale: float = Field(4.0, ge=1)
    presets: dict[Literal["fast", "balanced", "exact"], Preset] = Field(default_factory=dict)
    max_requests: int = Field(64, ge=1, description="requests in progress; their pictures alternate")
    max_step_tokens: int = Field(16384, ge=1, description="tokens of all rows in one forward; one row at least")
    max_mixed_tokens: int = Field(
        0, ge=0, description="pictures of different sizes share a forward, padded to the largest, up to so many tokens"
    )
    max_pixels: int = Field(2048 * 2048, ge=256, description="pixels of a generated picture")
    max_input_pixels: int = Field(
        4096 * 4096, ge=256, description="pixels of an input picture, checked before decoding"
    )
    max_held_pixels: int = Field(
        256_000_000, ge=256, description="pixels held for all requests, 4 bytes each; one request is always accepted"
    )
    max_references: int = Field(3, ge=1, description="pictures an edit may refer to")
    reference_pixels: int = Field(
        1024 * 1024, ge=1024, description="pixels of each reference as the transformer gets it"
    )
    max_images: int = Field(8, ge=1, description="pictures of one request")
    max_steps: int = Field(100, ge=1)
    max_prompt_chars: int = Field(4000, ge=1)
    max_prompt_tokens: int = Field(512, ge=1, le=1024, description="longer prompts are refused, never cut")
    max_cached_prompts: int = Field(64, ge=1, description="cached embeddings of prompts")
    lora_folder: str | None = Field(None, description="NAME.safetensors each; null: none")
    max_loras: int = Field(4, ge=1, description="LoRAs kept loaded")
    weights: Literal["as stored", "fp8", "int8"] = Field(
        "as stored", description="storage of the transformer's weights"
    )
    offload: Literal["none", "text_encoder", "group", "model"] = Field(
        "none", description="what is offloaded to CPU memory: the text encoder, all layers, or all idle components"
    )

    @model_validator(mode="after")
    def _one_checkpoint_makes_room(self) -> Self:
        if self.offload == "model" and self.edit_checkpoint is not None:
            raise ValueError(
                "offload is 'model', which makes room within one checkpoint, but there is an edit_checkpoint, too: "
                "leave it out, or use 'group' or 'text_encoder'"
            )
        return self


class VisionSettings(FileSettings, CheckpointSettings):
    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a picture, decoded from base64")
    max_batch: int = Field(16, ge=1, description="pictures in a batch")
    max_positions: int = Field(4096, ge=256, description="tokens of a picture, its question and its answer")
    max_step_positions: int = Field(8192, ge=1, description="prompt tokens in one step; one prompt at least")
    max_input_pixels: int = Field(4096 * 4096, ge=256, description="pixels of a picture, checked before decoding")
    seen_pixels: int = Field(1024 * 1024, ge=1024, description="larger pictures are shrunk to this many pixels")
    max_question_chars: int = Field(2000, ge=1)
    max_new_tokens: int = Field(512, ge=1, description="length of an answer if the request names none")


class ChartSettings(ModelSettings):
    """Charts are drawn, not generated: no checkpoint, but a font with the characters of every language."""

    font_folder: str = Field("/usr/share/fonts/opentype/noto", description="of Debian's package fonts-noto-cjk")
    width: int = Field(1200, ge=240, le=4096, description="pixels, if a request names none")
    max_pixels: int = Field(16_000_000, ge=65_536)
    max_chart_bytes: int = Field(30_000, ge=1024, le=30_000, description="size of CHART; fits into a JPEG's metadata")

    def font_files(self) -> list[Path]:
        return [Path(self.font_folder, f"NotoSansCJK-{weight}.ttc") for weight in ("Regular", "Bold")]

    def missing_files(self) -> list[Missing]:
        mend = "install Debian's package fonts-noto-cjk (`make system`), or set font_folder"
        return [
            Missing(f"the font {file.name} is not in {file.parent}", mend)
            for file in self.font_files()
            if not file.is_file()
        ]


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
