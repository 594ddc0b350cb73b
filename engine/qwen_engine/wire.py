"""The tensors of every model: the one table that config.pbtxt, adapters and docs agree on.

Every payload is BYTES of shape [1] per request: encoded audio, UTF-8 text, an encoded image, or JSON.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    name: str
    optional: bool = False


@dataclass(frozen=True)
class ModelWire:
    """Inputs and outputs of one Triton model; `decoupled` models stream their answers."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    decoupled: bool


ASR = ModelWire("qwen3_asr", (Tensor("AUDIO"), Tensor("OPTIONS")), ("TEXT", "RESULT"), decoupled=False)
TTS = ModelWire(
    "qwen3_tts",
    (Tensor("TEXT"), Tensor("OPTIONS"), Tensor("REF_AUDIO", optional=True)),
    ("AUDIO", "EVENT"),
    decoupled=True,
)
IMAGE = ModelWire(
    "qwen_image",
    (Tensor("PROMPT"), Tensor("OPTIONS"), Tensor("IMAGE", optional=True), Tensor("MASK", optional=True)),
    ("IMAGE", "TEXT", "EVENT"),
    decoupled=True,
)
MODELS = (ASR, TTS, IMAGE)
