"""Models joined on the server: `client.chains`."""

from qwen_client.chains.advert import ProductAd, product_ad
from qwen_client.chains.conversation import AsyncConversation, Conversation, conversation
from qwen_client.chains.description import SpokenDescription, describe_aloud
from qwen_client.chains.ensembles import AlignedTranscript, SpokenPicture, aligned_transcript, spoken_image
from qwen_client.chains.lessons import Courseware, courseware
from qwen_client.chains.minutes import MeetingMinutes, meeting_minutes
from qwen_client.chains.requests import stages
from qwen_client.chains.stories import Storyboard, storyboard
from qwen_client.chains.voice import Heard, ReplySound, ReplyText, VoiceReply, voice_chat
from qwen_client.chains.workflows import WorkflowResult, run
from qwen_wire.voice_chat import SessionStarted
from qwen_wire.workflows import NodeRecord

__all__ = [
    "AlignedTranscript",
    "AsyncConversation",
    "Conversation",
    "Courseware",
    "Heard",
    "MeetingMinutes",
    "NodeRecord",
    "ProductAd",
    "ReplySound",
    "ReplyText",
    "SessionStarted",
    "SpokenDescription",
    "SpokenPicture",
    "Storyboard",
    "VoiceReply",
    "WorkflowResult",
    "aligned_transcript",
    "conversation",
    "courseware",
    "describe_aloud",
    "meeting_minutes",
    "product_ad",
    "run",
    "spoken_image",
    "stages",
    "storyboard",
    "voice_chat",
]
