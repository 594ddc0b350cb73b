"""The tensors of every model: the one table that config.pbtxt, adapters and docs agree on.

Every payload is BYTES: encoded audio, UTF-8 text, an encoded image, or JSON. Its shape is [1] per request, and [n]
where a tensor takes several items.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    name: str
    optional: bool = False
    several: bool = False


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
CHART = ModelWire("chart_image", (Tensor("CHART"), Tensor("OPTIONS")), ("IMAGE", "RESULT"), decoupled=False)
MODELS = (ASR, CAPTIONS, ALIGNER, TTS, IMAGE, CHART)
