"""A TTS checkpoint folder, loaded: talker, codec, tokenizer, and how a request becomes a prompt."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer

from qwen_engine.errors import InvalidRequest
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.codec import CodecConfig, StreamingCodec
from qwen_engine.tts.config import TtsConfig
from qwen_engine.tts.prompt import NUM_ROLE_TOKENS, Prompt, PromptBuilder, VoicePrompt
from qwen_engine.tts.request import TtsRequest
from qwen_engine.tts.talker import Talker
from qwen_engine.weights import Weights

NUM_TAIL_TOKENS = 5  # <|im_end|>, newline, <|im_start|>, assistant, newline
SPEECH_TOKENIZER = "speech_tokenizer"


class TtsCheckpoint:
    """One checkpoint on its device, with room for `settings.max_batch` utterances."""

    def __init__(self, settings: TtsSettings) -> None:
        folder = Path(settings.checkpoint)
        dtype = getattr(torch, settings.dtype)
        self.config = TtsConfig.load(folder)
        with torch.inference_mode():
            weights = Weights(folder, dtype=dtype, device=settings.device)
            self.talker = Talker(self.config, weights, num_slots=settings.max_batch, length=settings.max_positions)
            self.codec = load_codec(folder, dtype=dtype, device=settings.device, num_slots=settings.max_batch)
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self.prompts = PromptBuilder(self.talker, self._wrapped("x")[:NUM_ROLE_TOKENS])
        self.voices = tuple(self.config.speaker_ids)

    def check_voice(self, request: TtsRequest) -> None:
        """Raise `InvalidRequest` for a voice, an instruction or a language that this checkpoint does not have."""
        _expect("voice", request.voice, (None, *self.voices))
        _expect("language", request.language, self.config.languages)
        if request.instruction and not self.config.takes_instructions:
            raise InvalidRequest("OPTIONS.instruction is given, but this checkpoint does not follow instructions")

    def prompt(self, request: TtsRequest, text: str) -> Prompt:
        """What the talker reads before (and beside) the frames of one piece of `request`'s text."""
        voice = self._voice(request)
        return self.prompts.build(
            self._wrapped(text)[NUM_ROLE_TOKENS:-NUM_TAIL_TOKENS],
            voice,
            self._language(request),
            instruction_ids=self._instruction_ids(request.instruction),
            beside=request.text_feed == "beside",
        )

    def _voice(self, request: TtsRequest) -> VoicePrompt:
        if self.config.kind == "voice_design":
            return VoicePrompt()
        name = request.voice or self.voices[0]
        return VoicePrompt(self.talker.frames.control([self.config.speaker_ids[name]])[0])

    def _language(self, request: TtsRequest) -> str:
        """A dialect's speaker speaks it where Chinese or nothing else is asked for."""
        dialect = self.config.dialects.get(request.voice or "")
        return dialect if dialect and request.language in ("auto", "chinese") else request.language

    def _wrapped(self, text: str) -> list[int]:
        return self._ids(f"<|im_start|>assistant\n{text}<|im_end|>\n<|im_start|>assistant\n")

    def _instruction_ids(self, instruction: str) -> Sequence[int]:
        return self._ids(f"<|im_start|>user\n{instruction}<|im_end|>\n") if instruction else ()

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids


def load_codec(folder: Path, *, dtype: torch.dtype, device: str, num_slots: int) -> StreamingCodec:
    """The decoder of a checkpoint's speech tokenizer."""
    folder = folder / SPEECH_TOKENIZER
    config = CodecConfig.from_json(json.loads((folder / "config.json").read_text()))
    weights = Weights(folder, dtype=dtype, device=device)
    return StreamingCodec(config, weights.below("decoder."), num_slots=num_slots)


def _expect(option: str, value: str | None, allowed: Sequence[str | None]) -> None:
    if value not in allowed:
        names = ", ".join(name for name in allowed if name is not None)
        raise InvalidRequest(f"OPTIONS.{option} is {value!r}; allowed: {names}")
