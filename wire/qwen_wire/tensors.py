"""The tensors and OPTIONS of every model: the one table that config.pbtxt, adapters, client and docs agree on.

Every payload is BYTES: encoded audio, UTF-8 text, an encoded image, or JSON. Its shape is [1] per request, and [n]
where a tensor takes several items. Chat also takes the numbers that other frontends send as tensors of their own.
"""

from dataclasses import dataclass
from typing import Literal

from qwen_wire import options
from qwen_wire.options import Options

DataType = Literal["BYTES", "BOOL", "INT32", "UINT32", "UINT64", "FP32"]


@dataclass(frozen=True)
class Tensor:
    name: str
    optional: bool = False
    several: bool = False
    type: DataType = "BYTES"
    file: bool = False  # of sound or a picture: decoded before the engine takes it


@dataclass(frozen=True)
class ModelWire:
    """Inputs and outputs of one Triton model, the last output being JSON. `counts` are further outputs, INT32, which
    come where a request asks for them; those in `flat` have the shape [1], not [1, 1]. `options`: the schema of a
    model's OPTIONS; those of chains are elsewhere.

    `decoupled` models stream their answers; those with `sequences` answer request by request, and keep state for each
    of Triton's correlation ids from the request that starts its sequence to the one that ends it.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    decoupled: bool
    sequences: bool = False
    counts: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    options: type[Options] | None = None


ASR = ModelWire(
    "qwen3_asr",
    (Tensor("AUDIO", file=True), Tensor("OPTIONS")),
    ("TEXT", "RESULT"),
    decoupled=False,
    options=options.AsrOptions,
)
ALIGNER = ModelWire(
    "qwen3_aligner",
    (Tensor("AUDIO", file=True), Tensor("TEXT"), Tensor("OPTIONS")),
    ("RESULT",),
    decoupled=False,
    options=options.AlignerOptions,
)
CAPTIONS = ModelWire(
    "qwen3_asr_stream",
    (Tensor("AUDIO"), Tensor("OPTIONS")),
    ("EVENT",),
    decoupled=False,
    sequences=True,
    options=options.CaptionOptions,
)
TTS = ModelWire(
    "qwen3_tts",
    (Tensor("TEXT"), Tensor("OPTIONS"), Tensor("REF_AUDIO", optional=True, file=True)),
    ("AUDIO", "EVENT"),
    decoupled=True,
    options=options.TtsOptions,
)
IMAGE = ModelWire(
    "qwen_image",
    (
        Tensor("PROMPT"),
        Tensor("OPTIONS"),
        Tensor("IMAGE", optional=True, several=True, file=True),
        Tensor("MASK", optional=True, file=True),
        Tensor("HEARD", optional=True),
    ),
    ("IMAGE", "TEXT", "EVENT"),
    decoupled=True,
    options=options.ImageOptions,
)
VISION = ModelWire(
    "qwen3_vl",
    (Tensor("IMAGE", several=True, file=True), Tensor("TEXT"), Tensor("OPTIONS")),
    ("TEXT", "RESULT"),
    decoupled=False,
    options=options.VisionOptions,
)
# The names, types and shapes are those of TensorRT-LLM's models: Triton's OpenAI frontend and other clients of those
# models send them. Some have two names, an older one and that of today.
CHAT = ModelWire(
    "qwen3_chat",
    (
        Tensor("text_input", optional=True),
        Tensor("OPTIONS", optional=True),
        Tensor("stream", optional=True, type="BOOL"),
        Tensor("max_tokens", optional=True, type="INT32"),
        Tensor("min_tokens", optional=True, type="INT32"),
        Tensor("min_length", optional=True, type="INT32"),
        Tensor("temperature", optional=True, type="FP32"),
        Tensor("top_p", optional=True, type="FP32"),
        Tensor("top_k", optional=True, type="INT32"),
        Tensor("repetition_penalty", optional=True, type="FP32"),
        Tensor("presence_penalty", optional=True, type="FP32"),
        Tensor("frequency_penalty", optional=True, type="FP32"),
        Tensor("seed", optional=True, type="UINT64"),
        Tensor("random_seed", optional=True, type="UINT64"),
        Tensor("stop_words", optional=True, several=True),
        Tensor("guided_decoding_guide_type", optional=True),
        Tensor("guided_decoding_guide", optional=True),
        Tensor("exclude_input_in_output", optional=True, type="BOOL"),
        Tensor("return_num_input_tokens", optional=True, type="BOOL"),
        Tensor("return_num_output_tokens", optional=True, type="BOOL"),
        Tensor("end_id", optional=True, type="INT32"),
        Tensor("pad_id", optional=True, type="INT32"),
        Tensor("beam_width", optional=True, type="INT32"),
        Tensor("length_penalty", optional=True, type="FP32"),
        Tensor("early_stopping", optional=True, type="BOOL"),
        Tensor("num_return_sequences", optional=True, type="INT32"),
        Tensor("return_log_probs", optional=True, type="BOOL"),
        Tensor("return_context_logits", optional=True, type="BOOL"),
        Tensor("return_generation_logits", optional=True, type="BOOL"),
        Tensor("return_perf_metrics", optional=True, type="BOOL"),
        Tensor("bad_words", optional=True, several=True),
        Tensor("embedding_bias_words", optional=True, several=True),
        Tensor("embedding_bias_weights", optional=True, several=True, type="FP32"),
        Tensor("stop", optional=True, type="BOOL"),
        Tensor("input_ids", optional=True, several=True, type="INT32"),
        Tensor("input_lengths", optional=True, type="INT32"),
        Tensor("request_output_len", optional=True, type="UINT32"),
    ),
    ("text_output", "EVENT"),
    decoupled=True,
    counts=("num_input_tokens", "num_output_tokens"),
    flat=("text_output",),
    options=options.ChatOptions,
)
CHART = ModelWire(
    "chart_image",
    (Tensor("CHART"), Tensor("OPTIONS")),
    ("IMAGE", "RESULT"),
    decoupled=False,
    options=options.ChartOptions,
)
MODELS = (ASR, CAPTIONS, ALIGNER, TTS, CHAT, IMAGE, VISION, CHART)
SCHEMAS = {model.name: model.options for model in MODELS if model.options is not None}
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
# qwen3_chat for the clients of older models of TensorRT-LLM: their whole numbers have no sign.
UNSIGNED_CHAT = ModelWire(
    "qwen3_chat_uint32",
    (
        Tensor("text_input", optional=True),
        Tensor("OPTIONS", optional=True),
        Tensor("stream", optional=True, type="BOOL"),
        Tensor("max_tokens", optional=True, type="UINT32"),
        Tensor("min_length", optional=True, type="UINT32"),
        Tensor("temperature", optional=True, type="FP32"),
        Tensor("top_p", optional=True, type="FP32"),
        Tensor("top_k", optional=True, type="UINT32"),
        Tensor("repetition_penalty", optional=True, type="FP32"),
        Tensor("presence_penalty", optional=True, type="FP32"),
        Tensor("random_seed", optional=True, type="UINT64"),
        Tensor("stop_words", optional=True, several=True),
        Tensor("bad_words", optional=True, several=True),
        Tensor("beam_width", optional=True, type="UINT32"),
        Tensor("length_penalty", optional=True, type="FP32"),
        Tensor("pad_id", optional=True, type="UINT32"),
        Tensor("stop", optional=True, type="BOOL"),
        Tensor("input_ids", optional=True, several=True, type="INT32"),
        Tensor("input_lengths", optional=True, type="INT32"),
        Tensor("request_output_len", optional=True, type="UINT32"),
    ),
    ("text_output", "EVENT"),
    decoupled=True,
    flat=("text_output",),
)
RELAYS = (UNSIGNED_CHAT,)  # of what others answer
CHAINS = (WORKFLOW, VOICE_CHAT)  # those that are code; those that are graphs say their tensors themselves
