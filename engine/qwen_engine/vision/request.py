"""The request and the answer of the vision engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_engine.vision.picture_processor import PicturePatches


@dataclass(frozen=True, eq=False)
class VisionRequest:
    """Answer `question` about a picture, in at most `max_new_tokens`. `temperature` 0: greedy.

    `prompt`: the token ids of the question with the picture's, once the request is prepared.
    """

    view: PicturePatches
    question: str
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    prompt: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Description:
    """The answer to a request; `num_prompt_tokens` counts the picture's too."""

    request: VisionRequest
    text: str
    num_prompt_tokens: int
    num_tokens: int
