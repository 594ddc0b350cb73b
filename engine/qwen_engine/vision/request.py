"""The request and the answer of the vision engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qwen_engine.vision.picture_processor import PicturePatches

Part: TypeAlias = str | PicturePatches


@dataclass(frozen=True, eq=False)
class Turn:
    """What was said and shown by the `role` "system", "user" or "assistant", in order."""

    role: str
    parts: Sequence[Part]

    @property
    def prompt(self) -> tuple[str, list[str | int]]:
        """As `VisionPrompts.ids` takes it."""
        return self.role, [part if isinstance(part, str) else part.num_tokens for part in self.parts]


@dataclass(frozen=True, eq=False)
class VisionRequest:
    """Answer the last of `turns`, the user's, in at most `max_new_tokens`. `temperature` 0: greedy.

    `prompt`: the token ids of the turns with those of the pictures, once the request is prepared.
    """

    turns: Sequence[Turn]
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    prompt: Sequence[int] = ()

    @property
    def views(self) -> list[PicturePatches]:
        """The pictures, in order."""
        return [part for turn in self.turns for part in turn.parts if isinstance(part, PicturePatches)]

    @property
    def question(self) -> str:
        """The user's last text; empty where the last turn has pictures only."""
        return "\n".join(part for part in self.turns[-1].parts if isinstance(part, str))


def asked_about(view: PicturePatches, question: str) -> list[Turn]:
    """A question about one picture."""
    return [Turn("user", [view, question])]


@dataclass(frozen=True, eq=False)
class Description:
    """The answer to a request; `num_prompt_tokens` counts the pictures' too."""

    request: VisionRequest
    text: str
    num_prompt_tokens: int
    num_tokens: int
