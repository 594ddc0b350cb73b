"""SDK for Qwen speech recognition, speech synthesis and image generation on Triton. No torch.

    from qwen_client import Client

    with Client("127.0.0.1:8001") as client:
        heard = client.asr.transcribe("meeting.wav")
        client.tts.synthesize(heard.text).save("reply.wav")
        client.image.generate("a small red circle on a blue background").save("circle.png")

`AsyncClient` has the same methods as coroutines. All errors are a `QwenError`.
"""

from typing import TYPE_CHECKING

from qwen_client.audio import AudioInput
from qwen_client.batches import Outcome
from qwen_client.captions import AsyncCaptions, Captions
from qwen_client.chains import (
    AlignedTranscript,
    AsyncConversation,
    Conversation,
    Courseware,
    Heard,
    MeetingMinutes,
    ProductAd,
    ReplySound,
    ReplyText,
    SessionStarted,
    SpokenDescription,
    SpokenPicture,
    Storyboard,
    VoiceReply,
    WorkflowResult,
)
from qwen_client.chains.chain_run import AsyncChainRun, ChainRun
from qwen_client.charts import Chart
from qwen_client.chat import ChatAnswer, ChatDelta
from qwen_client.client import AsyncClient, Client
from qwen_client.connection import Tls
from qwen_client.health import Health
from qwen_client.image import Size
from qwen_client.pcm import AudioPiece
from qwen_client.pictures import Picture, PictureInput, Progress, contact_sheet
from qwen_client.recipes import Recipe, read_recipe
from qwen_client.shortfalls import Shortfall
from qwen_client.stream import AsyncStream, Stream
from qwen_client.text_streams import AsyncTextStream, TextStream
from qwen_client.transcript import Alignment, Transcription
from qwen_client.tts import AudioChunk, Speech
from qwen_client.vision import Description
from qwen_wire.chains import StageFailed, StageProgress, StageResult, StageSkipped, StageStarted
from qwen_wire.charts import GanttTask, TimelineEvent
from qwen_wire.errors import (
    Cancelled,
    ChainFailed,
    DeadlineExceeded,
    InvalidRequest,
    QwenError,
    ServerError,
    Unavailable,
)
from qwen_wire.messages import Timings, Usage
from qwen_wire.pictures import Queued, Style
from qwen_wire.speech import Voice, VoiceList
from qwen_wire.transcripts import Caption, Cue, FailedPiece, Segment, Word

__all__ = [
    "AlignedTranscript",
    "Alignment",
    "AsyncCaptions",
    "AsyncChainRun",
    "AsyncClient",
    "AsyncConversation",
    "AsyncStream",
    "AsyncTextStream",
    "AudioChunk",
    "AudioInput",
    "AudioPiece",
    "Cancelled",
    "Caption",
    "Captions",
    "ChainFailed",
    "ChainRun",
    "Chart",
    "ChatAnswer",
    "ChatDelta",
    "Client",
    "Conversation",
    "Courseware",
    "Cue",
    "DeadlineExceeded",
    "Description",
    "FailedPiece",
    "GanttTask",
    "Health",
    "Heard",
    "InvalidRequest",
    "MeetingMinutes",
    "Outcome",
    "Picture",
    "PictureInput",
    "ProductAd",
    "Progress",
    "Queued",
    "QwenError",
    "Recipe",
    "ReplySound",
    "ReplyText",
    "Segment",
    "ServerError",
    "SessionStarted",
    "Shortfall",
    "Size",
    "Speech",
    "SpokenDescription",
    "SpokenPicture",
    "StageFailed",
    "StageProgress",
    "StageResult",
    "StageSkipped",
    "StageStarted",
    "Storyboard",
    "Stream",
    "Style",
    "TextStream",
    "TimelineEvent",
    "Timings",
    "Tls",
    "Transcription",
    "Unavailable",
    "Usage",
    "Voice",
    "VoiceList",
    "VoiceReply",
    "Word",
    "WorkflowResult",
    "contact_sheet",
    "read_recipe",
]

DISTRIBUTION = "qwen-triton-client"
__version__: str

if not TYPE_CHECKING:  # a checker takes any name for known where it sees `__getattr__`

    def __getattr__(name: str) -> str:
        """`__version__`, looked up when it is asked for: not every program is to search its packages at the start."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version(DISTRIBUTION)
