"""OPTIONS of every model: one typed schema each; whatever it does not know it refuses by name."""

from qwen_wire.options.base import (
    FILE_NAME,
    MAX_OPTIONS_BYTES,
    MAX_OPTIONS_VALUES,
    AudioFormat,
    AudioOptions,
    CancelOptions,
    Options,
    PictureFormat,
    PictureOptions,
    StreamOptions,
    Token,
)
from qwen_wire.options.chains import (
    ChainOptions,
    KeptRecord,
    KeptResult,
    Resume,
    VoiceChatOptions,
    WorkflowOptions,
)
from qwen_wire.options.chat import ChatMessage, ChatOptions
from qwen_wire.options.parsing import TensorValue, parse_options, parse_text
from qwen_wire.options.pictures import MAX_SIDE_PX, Aspect, ChartOptions, ImageOptions, VisionOptions
from qwen_wire.options.speech import (
    AlignerOptions,
    AsrOptions,
    CaptionOptions,
    TextFeed,
    Timestamps,
    TtsOptions,
    WordTimestamps,
)

__all__ = [
    "FILE_NAME",
    "MAX_OPTIONS_BYTES",
    "MAX_OPTIONS_VALUES",
    "MAX_SIDE_PX",
    "AlignerOptions",
    "Aspect",
    "AsrOptions",
    "AudioFormat",
    "AudioOptions",
    "CancelOptions",
    "CaptionOptions",
    "ChainOptions",
    "ChartOptions",
    "ChatMessage",
    "ChatOptions",
    "ImageOptions",
    "KeptRecord",
    "KeptResult",
    "Options",
    "PictureFormat",
    "PictureOptions",
    "Resume",
    "StreamOptions",
    "TensorValue",
    "TextFeed",
    "Timestamps",
    "Token",
    "TtsOptions",
    "VisionOptions",
    "VoiceChatOptions",
    "WordTimestamps",
    "WorkflowOptions",
    "parse_options",
    "parse_text",
]
