"""The tensors of every model: the one table that config.pbtxt, adapters and docs agree on.

Every payload is BYTES: encoded audio, UTF-8 text, an encoded image, or JSON. Its shape is [1] per request, and [n]
where a tensor takes several items. Chat also takes the numbers that other frontends send as tensors of their own.
"""

from dataclasses import dataclass
from typing import Literal

DataType = Literal["BYTES", "BOOL", "INT32", "UINT64", "FP32"]


@dataclass(frozen=True)
class Tensor:
    name: str
    optional: bool = False
    several: bool = False
    type: DataType = "BYTES"


@dataclass(frozen=True)
class ModelWire:
    """Inputs and outputs of one Triton model, the last output being JSON.

    `decoupled` models stream their answers; those with `sequences` answer request by request, and keep state for each
    of Triton's correlation ids from the request that starts its sequence to the one that ends it.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    decoupled: bool
    sequences: bool = False


ASR = ModelWire("qwen3_asr", (Tensor("AUDIO"), Tensor("OPTIONS")), ("TEXT", "RESULT"), decoupled=False)
ALIGNER = ModelWire("qwen3_aligner", (Tensor("AUDIO"), Tensor("TEXT"), Tensor("OPTIONS")), ("RESULT",), decoupled=False)
CAPTIONS = ModelWire(
    "qwen3_asr_stream", (Tensor("AUDIO"), Tensor("OPTIONS")), ("EVENT",), decoupled=False, sequences=True
)
TTS = ModelWire(
    "qwen3_tts",
    (Tensor("TEXT"), Tensor("OPTIONS"), Tensor("REF_AUDIO", optional=True)),
    ("AUDIO", "EVENT"),
    decoupled=True,
)
IMAGE = ModelWire(
    "qwen_image",
    (
        Tensor("PROMPT"),
        Tensor("OPTIONS"),
        Tensor("IMAGE", optional=True, several=True),
        Tensor("MASK", optional=True),
    ),
    ("IMAGE", "TEXT", "EVENT"),
    decoupled=True,
)
VISION = ModelWire(
    "qwen3_vl", (Tensor("IMAGE"), Tensor("TEXT"), Tensor("OPTIONS")), ("TEXT", "RESULT"), decoupled=False
)
# The names, and the types of the numbers, are those of TensorRT-LLM's models: Triton's OpenAI frontend sends them. Some
# call the seed random_seed.
CHAT = ModelWire(
    "qwen3_chat",
    (
        Tensor("text_input"),
        Tensor("OPTIONS", optional=True),
        Tensor("stream", optional=True, type="BOOL"),
        Tensor("max_tokens", optional=True, type="INT32"),
        Tensor("temperature", optional=True, type="FP32"),
        Tensor("top_p", optional=True, type="FP32"),
        Tensor("top_k", optional=True, type="INT32"),
        Tensor("presence_penalty", optional=True, type="FP32"),
        Tensor("frequency_penalty", optional=True, type="FP32"),
        Tensor("seed", optional=True, type="UINT64"),
        Tensor("random_seed", optional=True, type="UINT64"),
        Tensor("stop_words", optional=True, several=True),
        Tensor("guided_decoding_guide_type", optional=True),
        Tensor("guided_decoding_guide", optional=True),
    ),
    ("text_output", "EVENT"),
    decoupled=True,
)
CHART = ModelWire("chart_image", (Tensor("CHART"), Tensor("OPTIONS")), ("IMAGE", "RESULT"), decoupled=False)
MODELS = (ASR, CAPTIONS, ALIGNER, TTS, CHAT, IMAGE, VISION, CHART)
ALIGNED_TRANSCRIPT = ModelWire(
    "aligned_transcript",
    (Tensor("AUDIO"), Tensor("ASR_OPTIONS"), Tensor("ALIGN_OPTIONS")),
    ("TEXT", "TRANSCRIPT", "RESULT"),
    decoupled=False,
)
SPOKEN_IMAGE = ModelWire(
    "spoken_image",
    (Tensor("AUDIO"), Tensor("ASR_OPTIONS"), Tensor("IMAGE_OPTIONS")),
    ("TEXT", "IMAGE", "EVENT"),
    decoupled=True,
)
ENSEMBLES = (ALIGNED_TRANSCRIPT, SPOKEN_IMAGE)
WORKFLOW = ModelWire(
    "workflow",
    (Tensor("WORKFLOW"), Tensor("OPTIONS"), Tensor("PAYLOAD", optional=True, several=True)),
    ("PAYLOAD", "EVENT"),
    decoupled=True,
)
VOICE_CHAT = ModelWire(
    "voice_chat",
    (Tensor("AUDIO", optional=True), Tensor("TEXT", optional=True), Tensor("OPTIONS")),
    ("PAYLOAD", "EVENT"),
    decoupled=True,
)
CHAINS = (WORKFLOW, VOICE_CHAT)  # those that are code; those that are graphs say their tensors themselves
