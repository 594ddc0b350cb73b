"""Models joined on the server: `client.chains`."""

from qwen_client.chains.advert import ProductAd, product_ad
from qwen_client.chains.described import SpokenDescription, describe_aloud
from qwen_client.chains.ensembles import AlignedTranscript, SpokenPicture, aligned_transcript, spoken_image
from qwen_client.chains.lessons import Courseware, courseware
from qwen_client.chains.minutes import MeetingMinutes, meeting_minutes
from qwen_client.chains.stories import Storyboard, storyboard

__all__ = [
    "AlignedTranscript",
    "Courseware",
    "MeetingMinutes",
    "ProductAd",
    "SpokenDescription",
    "SpokenPicture",
    "Storyboard",
    "aligned_transcript",
    "courseware",
    "describe_aloud",
    "meeting_minutes",
    "product_ad",
    "spoken_image",
    "storyboard",
]
