"""A TTS checkpoint folder, loaded: talker, codec, tokenizer and prompt builder."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Qwen2TokenizerFast

from qwen_engine.tts.cloning import Cloner
from qwen_engine.tts.codec import CodecConfig, StreamingCodec
from qwen_engine.tts.config import TtsConfig
from qwen_engine.tts.prompt import NUM_ROLE_TOKENS, Prompt, PromptBuilder, ReferencePrompt, VoicePrompt
from qwen_engine.tts.request import ClonedVoice, Reference, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.talker import Talker
from qwen_engine.tts.text_normalisation import normalised
from qwen_engine.weights import Weights

NUM_TEXT_TAIL_TOKENS = 5  # <|im_end|>, newline, <|im_start|>, assistant, newline
NUM_REFERENCE_TAIL_TOKENS = 2  # <|im_end|>, newline
SPEECH_TOKENIZER = "speech_tokenizer"
MAX_PRIMED = 16  # codec states at the end of a reference; some megabytes each with the published codec


class TtsCheckpoint:
    """One checkpoint on its device, with room for `settings.max_batch` utterances."""

    def __init__(self, folder: Path, settings: TtsSettings) -> None:
        dtype, device = getattr(torch, settings.dtype), settings.device
        self.folder = folder
        self.config = TtsConfig.load(folder)
        with torch.inference_mode():
            weights = Weights(folder, dtype=dtype, device=device)
            self.talker = Talker(self.config, weights, num_slots=settings.max_batch, length=settings.max_positions)
            self.codec = load_codec(folder, dtype=dtype, device=device, num_slots=settings.max_batch)
            self._tokenizer = Qwen2TokenizerFast.from_pretrained(folder)
            self._control_tokens = tuple(self._tokenizer.get_added_vocab())
            self.prompts = PromptBuilder(self.talker, self._wrapped("x")[:NUM_ROLE_TOKENS])
            self._cloner: Cloner | None = None
            if self.config.kind == "base":
                self._cloner = Cloner(folder, self.config, weights, dtype=dtype, device=device)
        self._primed: OrderedDict[tuple[str, bytes], list[torch.Tensor]] = OrderedDict()
        self.speakers = tuple(self.config.speaker_ids)

    def speaker(self, name: str) -> VoicePrompt:
        """A named speaker, with the speaker's dialect."""
        embedding = self.talker.frames.control([self.config.speaker_ids[name]])[0]
        return VoicePrompt(embedding, dialect=self.config.dialects.get(name))

    def clone(self, reference: Reference, tenant: str) -> ClonedVoice:
        """The voice of a `tenant`'s recording (Base checkpoints only)."""
        assert self._cloner is not None
        return self._cloner.clone(reference, tenant)

    def cloned(self, voice: ClonedVoice) -> VoicePrompt:
        """A cloned voice for the talker's prompt."""
        if voice.codes is None:
            return VoicePrompt(voice.embedding)
        return VoicePrompt(voice.embedding, self._reference(voice.text, voice.codes))

    def continued(self, text: str, codes: Sequence[Sequence[int]]) -> VoicePrompt:
        """The voice that said `text` in `codes` (frames, groups), as a reference to continue."""
        return VoicePrompt(None, self._reference(text, torch.tensor(codes, device=self.codec.device)))

    def _reference(self, text: str, codes: torch.Tensor) -> ReferencePrompt:
        ids = self._ids(f"<|im_start|>assistant\n{self._plain(text)}<|im_end|>\n")
        return ReferencePrompt(ids[NUM_ROLE_TOKENS:-NUM_REFERENCE_TAIL_TOKENS], codes)

    def prime(self, slot: int, voice: VoicePrompt, tenant: str) -> None:
        """Begin a `tenant`'s stream of the codec: after the reference, where the voice continues one."""
        if voice.reference is None:
            self.codec.reset(slot)
            return
        key = tenant, voice.reference.codes.cpu().numpy().tobytes()
        if key not in self._primed:
            self.codec.reset(slot)
            self.codec.decode(voice.reference.codes[None], torch.tensor([slot], device=self.codec.device))
            self._primed[key] = self.codec.snapshot(slot)
            if len(self._primed) > MAX_PRIMED:
                self._primed.popitem(last=False)
        self._primed.move_to_end(key)
        self.codec.restore(slot, self._primed[key])

    def prompt(self, request: Speak, voice: VoicePrompt, text: str) -> Prompt:
        """The talker's prompt for one piece of `request`'s text."""
        language = self.config.language_key(request.language)
        if voice.dialect and language in ("auto", "chinese"):
            language = voice.dialect
        return self.prompts.build(
            self._wrapped(text)[NUM_ROLE_TOKENS:-NUM_TEXT_TAIL_TOKENS],
            voice,
            language,
            instruction_ids=self._instruction_ids(request.instruction),
            beside=request.text_feed == "beside",
        )

    def _wrapped(self, text: str) -> list[int]:
        return self._ids(f"<|im_start|>assistant\n{self._plain(text)}<|im_end|>\n<|im_start|>assistant\n")

    def _instruction_ids(self, instruction: str) -> Sequence[int]:
        return self._ids(f"<|im_start|>user\n{self._plain(instruction)}<|im_end|>\n") if instruction else ()

    def _plain(self, text: str) -> str:
        return normalised(text, self._control_tokens)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids


def load_codec(folder: Path, *, dtype: torch.dtype, device: str, num_slots: int) -> StreamingCodec:
    """The decoder of a checkpoint's speech tokenizer."""
    folder = folder / SPEECH_TOKENIZER
    config = CodecConfig.from_json(json.loads((folder / "config.json").read_bytes()))
    weights = Weights(folder, dtype=dtype, device=device)
    return StreamingCodec(config, weights.below("decoder."), num_slots=num_slots)
