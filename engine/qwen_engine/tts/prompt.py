"""The talker's prompt, in the official layout.

Every position adds a text embedding and a codec embedding:

    text    role    | pad … pad          bos       | text … eos      pad       |  (whole text first)
    codec     -     | think … voice      codec_pad | codec_pad …     codec_bos |  frames …

    text    role    | pad … pad          bos       | text[0]   | text[1] … eos, pad …   (text beside the frames)
    codec     -     | think … voice      codec_pad | codec_bos | frames …

A voice cloned in context continues its reference: the reference's text comes before the text and its frames follow
`codec_bos`. An instruction stands before everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qwen_engine.tts.config import TtsConfig
from qwen_engine.tts.talker import Talker

NUM_ROLE_TOKENS = 3  # <|im_start|>, assistant, newline


@dataclass(frozen=True)
class ReferencePrompt:
    """The reference that in-context cloning continues: text ids and codes (frames, groups)."""

    text_ids: Sequence[int]
    codes: torch.Tensor


@dataclass(frozen=True)
class VoicePrompt:
    """A voice: `embedding` (hidden,) of a named speaker or a reference, or None (the instruction describes it).

    `dialect`: the speaker's, for requests in Chinese or without a language.
    """

    embedding: torch.Tensor | None = None
    reference: ReferencePrompt | None = None
    dialect: str | None = None

    @property
    def undecided(self) -> bool:
        """Each prompt may give another voice."""
        return self.embedding is None and self.reference is None


@dataclass(frozen=True)
class Prompt:
    """`start` (positions, hidden) is prefilled; `beside` (count, hidden) is added frame by frame afterwards, before
    padding."""

    start: torch.Tensor
    beside: torch.Tensor


class PromptBuilder:
    """Makes prompts for one checkpoint.

    Example:
        prompt = PromptBuilder(talker, role_ids).build(text_ids, VoicePrompt(embedding), "english")
    """

    def __init__(self, talker: Talker, role_ids: Sequence[int]) -> None:
        config: TtsConfig = talker.config
        self._config, self._talker = config, talker
        self._role = talker.text(role_ids)
        self.pad, self._bos, self._eos = talker.text((config.text.pad, config.text.bos, config.text.eos)).split(1)
        self._codec_pad, self._codec_bos = talker.frames.control((config.control.pad, config.control.bos)).split(1)

    def build(
        self,
        text_ids: Sequence[int],
        voice: VoicePrompt,
        language: str,
        *,
        instruction_ids: Sequence[int] = (),
        beside: bool = False,
    ) -> Prompt:
        """`language` is a key of `language_ids` or "auto"; `beside`: the text comes frame by frame, not ahead."""
        head = self._head(voice, language)
        if instruction_ids:
            head = torch.cat((self._talker.text(instruction_ids), head))
        if voice.reference is not None:
            return self._in_context(head, text_ids, voice.reference, beside=beside)
        text = torch.cat((self._talker.text(text_ids), self._eos))
        if beside:
            return Prompt(torch.cat((head, text[:1] + self._codec_bos)), text[1:])
        return Prompt(torch.cat((head, text + self._codec_pad, self.pad + self._codec_bos)), self.pad[:0])

    def _head(self, voice: VoicePrompt, language: str) -> torch.Tensor:
        control = self._config.control
        language_id = self._config.language_ids.get(language)
        tags = [control.nothink, control.think_bos, control.think_eos]
        if language_id is not None:
            tags = [control.think, control.think_bos, language_id, control.think_eos]
        codec = [self._talker.frames.control(tags)]
        if voice.embedding is not None:
            codec.append(voice.embedding[None])
        padded = self.pad + torch.cat(codec)
        return torch.cat((self._role, padded, self._bos + self._codec_pad))

    def _in_context(
        self, head: torch.Tensor, text_ids: Sequence[int], reference: ReferencePrompt, *, beside: bool
    ) -> Prompt:
        text = torch.cat((self._talker.text((*reference.text_ids, *text_ids)), self._eos))
        frames = torch.cat((self._codec_bos, self._talker.frames(reference.codes)))
        if not beside:
            return Prompt(torch.cat((head, text + self._codec_pad, self.pad + frames)), self.pad[:0])
        missing = max(0, len(frames) - len(text))
        ahead = torch.cat((text[: len(frames)], self.pad.expand(missing, -1)))
        return Prompt(torch.cat((head, ahead + frames)), text[len(frames) :])
