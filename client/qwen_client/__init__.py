"""SDK for Qwen speech recognition, speech synthesis and image generation on Triton. No torch.

    from qwen_client import Client

    with Client("127.0.0.1:8001") as client:
        heard = client.asr.transcribe("meeting.wav")
        client.tts.synthesize(heard.text).save("reply.wav")
        client.image.generate("a small red circle on a blue background").save("circle.png")

`AsyncClient` has the same methods as coroutines. All errors are a `QwenError`.
"""

from qwen_client.audio import AudioInput
from qwen_client.captions import AsyncCaptions, Caption, Captions
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
    SpokenDescription,
    SpokenPicture,
    Storyboard,
    VoiceReply,
    WorkflowResult,
)
from qwen_client.chains.events import StageFailed, StageProgress, StageResult, StageSkipped, StageStarted
from qwen_client.chains.following import AsyncChainRun, ChainRun
from qwen_client.charts import Chart, GanttTask, TimelineEvent
from qwen_client.chat import ChatAnswer, ChatDelta, Usage
from qwen_client.client import AsyncClient, Client
from qwen_client.errors import (
    Cancelled,
    ChainFailed,
    DeadlineExceeded,
    InvalidRequest,
    QwenError,
    ServerError,
    Unavailable,
)
from qwen_client.health import Health
from qwen_client.image import Size, Style
from qwen_client.jobs import Timings
from qwen_client.many import Outcome
from qwen_client.pcm import AudioPiece
from qwen_client.pictures import Picture, PictureInput, Progress, Queued, contact_sheet
from qwen_client.recipes import Recipe, read_recipe
from qwen_client.stream import AsyncStream, Stream
from qwen_client.subtitles import Cue
from qwen_client.transcript import Alignment, FailedPiece, Segment, Transcription, Word
from qwen_client.tts import AudioChunk, Speech
from qwen_client.vision import Description
from qwen_client.voices import Voice, VoiceList

__all__ = [
    "AlignedTranscript",
    "Alignment",
    "AsyncCaptions",
    "AsyncChainRun",
    "AsyncClient",
    "AsyncConversation",
    "AsyncStream",
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
    "TimelineEvent",
    "Timings",
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
