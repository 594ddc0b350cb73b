"""What the vision engine takes and gives."""

from dataclasses import dataclass

from qwen_engine.vision.eyes import View


@dataclass(frozen=True, eq=False)
class VisionRequest:
    """Answer `question` about what is seen, in at most `max_new_tokens`. `temperature` 0: greedy."""

    view: View
    question: str
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Description:
    """The answer to a request; `num_prompt_tokens` counts the picture's too."""

    request: VisionRequest
    text: str
    num_prompt_tokens: int
    num_tokens: int
