"""Settings of every model: what a profile says and a model is built from. Free of torch: tools read them too."""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Dtype = Literal["float32", "bfloat16"]


class ModelSettings(BaseModel):
    """Common to all models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instances: int = Field(1, ge=1, le=16, description="engine processes")
    max_queue: int = Field(64, ge=1, description="requests waiting; one more is refused with UNAVAILABLE")
    max_wait_s: float = Field(60.0, gt=0, description="one that waited longer is refused with UNAVAILABLE too")

    def checkpoints(self) -> dict[str, str]:
        """All that the model loads, by the field that names it."""
        named = {name: getattr(self, name) for name in type(self).model_fields if name.endswith("checkpoint")}
        return {field: checkpoint for field, checkpoint in named.items() if checkpoint is not None}

    def missing_files(self) -> list[str]:
        """What must be on the machine besides the checkpoints and is not, each with the way to mend it."""
        return []


class CheckpointSettings(ModelSettings):
    """Common to the models that torch runs."""

    checkpoint: str = Field(description="folder, or hub id such as Qwen/Qwen3-ASR-0.6B-hf")
    device: str = Field("cpu", description="torch device: cpu, cuda:0, ...")
    dtype: Dtype = "float32"
    num_threads: int = Field(1, ge=1, description="CPU threads of torch; more than the cores in all are slower by far")


class RecogniserSettings(CheckpointSettings):
    """What recordings and live streams share."""

    max_batch: int = Field(16, ge=1, description="pieces of recordings written down at once")
    max_positions: int = Field(2048, ge=256, description="context, sound (13 a second) and text of one piece")
    max_step_audio_s: float = Field(
        30.0, gt=0, description="sound that is encoded before others go on; a piece at least"
    )


class AsrSettings(RecogniserSettings):
    max_step_audio_s: float = Field(10.0, gt=0, description="as above; a window of 8 s at least")
    max_piece_s: float = Field(30.0, ge=2, le=30, description="longer recordings are cut, where they are silent")
    max_requests: int = Field(64, ge=1, description="requests worked on at once: their pieces take turns")
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording, where a request asks for no more")
    max_job_audio_s: float = Field(10800.0, gt=0, description="longest recording a request may ask for")
    max_held_audio_s: float = Field(36000.0, gt=0, description="of all requests, 64 kB a second; one is always taken")
    aligner_checkpoint: str | None = Field(None, description="folder or hub id; null: no times of words")
    max_aligned_s: float = Field(30.0, ge=5, le=30, description="the aligner takes longer pieces in parts")


class CaptionSettings(RecogniserSettings):
    """`checkpoint` is qwen3_asr's, loaded once more: an engine process of its own keeps captions prompt."""

    max_streams: int = Field(64, ge=1, description="live streams open at once; one more is refused with UNAVAILABLE")
    idle_timeout_s: float = Field(30.0, gt=0, description="a stream without a chunk for so long is forgotten")
    max_segment_s: float = Field(30.0, ge=4, le=30, description="speech without pause is cut, where it is softest")
    end_silence_s: float = Field(0.7, ge=0.2, le=3, description="ends a segment; half of it after 12 s of speech")
    min_step_s: float = Field(0.4, ge=0.1, description="new sound that is worth a step; shorter chunks are gathered")
    rollback_tokens: int = Field(5, ge=0, description="of the partial text, written anew in each step")
    max_chunk_s: float = Field(10.0, gt=0, description="longest chunk taken")
    max_stream_s: float = Field(10800.0, gt=0, description="longest stream, from its beginning")


class ChatSettings(CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="requests answered at once")
    max_positions: int = Field(4096, ge=64, description="tokens of a prompt and its answer; no more than the model's")
    max_cached_positions: int = Field(4096, ge=0, description="tokens kept of what prompts began with; 0: none")
    max_step_positions: int = Field(4096, ge=1, description="of all prompts read in one step; one prompt at least")
    max_prompt_chars: int = Field(200_000, ge=1, description="more are refused before they are read")
    max_tokens: int = Field(512, ge=1, description="of an answer, where a request names none")
    temperature: float | None = Field(None, ge=0, le=2, description="where a request names none; null: checkpoint's")


class AlignerSettings(CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="recordings aligned at once")
    max_piece_s: float = Field(300.0, ge=5, le=300, description="longer recordings are aligned piece by piece")
    max_positions: int = Field(16384, ge=512, description="sound (13 a second), words and their marks in one piece")
    max_step_positions: int = Field(16384, ge=512, description="of all pieces in one forward; one piece at least")
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording")
    max_text_chars: int = Field(100_000, ge=1)


def default_voice_folder() -> str:
    """Where the XDG base directories put a user's data."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "qwen-triton" / "voices")


class TtsSettings(CheckpointSettings):
    """`checkpoint` of any kind, and up to two more: a Base one to clone voices, a voice-design one to describe them."""

    base_checkpoint: str | None = Field(None, description="folder or hub id; null: no cloning besides `checkpoint`'s")
    design_checkpoint: str | None = Field(None, description="folder or hub id; null: no design besides `checkpoint`'s")
    voice_folder: str = Field(default_factory=default_voice_folder, description="where added voices are kept")
    max_reference_s: float = Field(30.0, gt=0, description="longest recording to clone a voice from")
    text_timeout_s: float = Field(30.0, gt=0, description="an open text stream without new text ends after this")
    max_batch: int = Field(16, ge=1, description="utterances spoken at once")
    max_positions: int = Field(2048, ge=64, description="prompt and frames of one piece of text; 12.5 frames a second")
    max_piece_chars: int = Field(300, ge=20, description="longer texts are spoken in pieces; CJK characters count 3")
    max_text_chars: int = Field(4000, ge=1)
    max_audio_s: float = Field(300.0, gt=0)
    temperature: float | None = Field(None, ge=0, description="where a request names none; null: the checkpoint's")


class Preset(BaseModel):
    """What a request's `preset` stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    true_cfg_scale: float = Field(ge=1, description="1: no guidance")
    scheduler: Literal["checkpoint", "lightning"] = Field("checkpoint", description="'lightning' goes with its LoRAs")
    lora: str | None = Field(None, description="name in lora_folder")


class ImageSettings(CheckpointSettings):
    """`checkpoint` draws, varies and inpaints; `edit_checkpoint` follows instructions on pictures."""

    family: Literal["qwen-image"] = "qwen-image"
    edit_checkpoint: str | None = Field(None, description="folder or hub id; null: no editing by instruction")
    width: int = Field(1328, ge=16, description="pixels, where a request names none")
    height: int = Field(1328, ge=16)
    steps: int = Field(50, ge=1)
    true_cfg_scale: float = Field(4.0, ge=1)
    presets: dict[Literal["fast", "balanced", "exact"], Preset] = Field(default_factory=dict)
    max_requests: int = Field(64, ge=1, description="requests worked on at once: their pictures take turns")
    max_step_tokens: int = Field(16384, ge=1, description="of all rows in one forward; one row at least")
    max_mixed_tokens: int = Field(
        0, ge=0, description="pictures of other sizes come along in a forward, padded to the largest, up to so many"
    )
    max_pixels: int = Field(2048 * 2048, ge=256, description="of a picture that is drawn")
    max_input_pixels: int = Field(4096 * 4096, ge=256, description="of a picture that is sent, before it is decoded")
    max_references: int = Field(3, ge=1, description="pictures an edit may refer to")
    reference_pixels: int = Field(1024 * 1024, ge=1024, description="what the transformer sees of each of them")
    max_images: int = Field(8, ge=1, description="pictures of one request")
    max_steps: int = Field(100, ge=1)
    max_prompt_chars: int = Field(4000, ge=1)
    max_prompt_tokens: int = Field(512, ge=1, le=1024, description="more are refused, never cut")
    max_cached_prompts: int = Field(64, ge=1, description="embeddings kept for the next request with the same prompt")
    lora_folder: str | None = Field(None, description="NAME.safetensors each; null: none")
    max_loras: int = Field(4, ge=1, description="kept loaded")
    weights: Literal["as stored", "fp8", "int8"] = Field("as stored", description="how the transformer's are kept")
    offload: Literal["none", "text_encoder", "group", "model"] = Field(
        "none", description="what waits in CPU memory: the text encoder, all layers, or all of what does not compute"
    )

    @model_validator(mode="after")
    def _one_checkpoint_makes_room(self) -> Self:
        if self.offload == "model" and self.edit_checkpoint is not None:
            raise ValueError(
                "offload is 'model', which makes room within one checkpoint, but there is an edit_checkpoint, too: "
                "leave it out, or use 'group' or 'text_encoder'"
            )
        return self


class VisionSettings(CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="pictures told about at once")
    max_positions: int = Field(4096, ge=256, description="tokens of a picture, its question and its answer")
    max_step_positions: int = Field(8192, ge=1, description="of prompts, read before others go on; one prompt at least")
    max_input_pixels: int = Field(4096 * 4096, ge=256, description="of a picture, before it is decoded")
    seen_pixels: int = Field(1024 * 1024, ge=1024, description="larger pictures are shrunk to so many")
    max_question_chars: int = Field(2000, ge=1)
    max_new_tokens: int = Field(512, ge=1, description="of an answer, where a request names none")


class ChartSettings(ModelSettings):
    """Charts are drawn, not generated: no checkpoint, but a font with the characters of every language."""

    font_folder: str = Field("/usr/share/fonts/opentype/noto", description="of Debian's package fonts-noto-cjk")
    width: int = Field(1200, ge=240, le=4096, description="pixels, where a request names none")
    max_pixels: int = Field(16_000_000, ge=65_536)
    max_chart_bytes: int = Field(30_000, ge=1024, le=30_000, description="what a JPEG's metadata is sure to hold")

    def font_files(self) -> list[Path]:
        return [Path(self.font_folder, f"NotoSansCJK-{weight}.ttc") for weight in ("Regular", "Bold")]

    def missing_files(self) -> list[str]:
        return [
            f"the font {file.name} is not in {file.parent}; install Debian's package fonts-noto-cjk, or set font_folder"
            for file in self.font_files()
            if not file.is_file()
        ]


class ChainSettings(ModelSettings):
    """Chains compute nothing themselves; they call models, over gRPC at the server's own address."""

    grpc_address: str = Field("", description="written by `qwen serve`")
    served: tuple[str, ...] = Field((), description="models and chains there are to call; written by `qwen serve`")
    max_runs: int = Field(32, ge=1, description="requests worked on at once, at each depth of nesting")
    max_depth: int = Field(3, ge=0, description="chains around a chain; one more is refused")
    max_parallel: int = Field(8, ge=1, description="calls of one request at once")
    max_calls: int = Field(32, ge=1, description="calls of all requests to one model at once, those to chains apart")
    deadline_s: float = Field(600.0, gt=0, description="for a whole request, where it names none")
    max_deadline_s: float = Field(10800.0, gt=0, description="the most that a request may name")
    max_nodes: int = Field(100, ge=1, description="of a workflow")
    max_items: int = Field(500, ge=1, description="that one node runs for")
    inputs: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by named chain: its inputs, where a request leaves them out"
    )


class VoiceChatSettings(ChainSettings):
    """A chain of qwen3_asr, qwen3_chat and qwen3_tts that remembers conversations."""

    max_runs: int = Field(128, ge=1, description="utterances answered at once; one that interrupts must not wait")
    deadline_s: float = Field(120.0, gt=0, description="for an utterance and its reply, where a request names none")
    max_sessions: int = Field(1024, ge=1, description="conversations open at once; one more is refused")
    max_turns: int = Field(20, ge=1, description="utterances and replies remembered of each; older ones are forgotten")
    idle_timeout_s: float = Field(1800.0, gt=0, description="a conversation in which nothing is said is forgotten")
