"""The synthesis engine: one batch for each kind of checkpoint, the stored voices, and texts that are still arriving.

Named speakers are spoken by the custom-voice checkpoint, references and stored voices by the Base checkpoint, voices
that an instruction describes by the voice-design checkpoint; a profile may serve any of the three.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from qwen_engine.errors import InvalidRequest
from qwen_engine.graphs import Capture, cuda_capture
from qwen_engine.loop import Model, Session, fail_alone
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.batch import TtsBatch
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.config import Kind
from qwen_engine.tts.prompt import VoicePrompt
from qwen_engine.tts.request import AddText, AddVoice, ListVoices, RemoveVoice, Speak, Told, TtsRequest
from qwen_engine.tts.sentences import pronounceable
from qwen_engine.tts.voices import NAME, VoiceStore

KINDS: dict[Kind, str] = {
    "custom_voice": "custom-voice checkpoint: no named speakers",
    "base": "Base checkpoint: no cloned voices",
    "voice_design": "voice-design checkpoint: no voices described by an instruction",
}
STREAM_WAIT_S = 10.0  # text may arrive before the request that opens its stream has a place


class TtsEngine(Model[TtsRequest]):
    """A `Model` for the engine loop. `capture`: how graphs are made, where not as the device does it."""

    def __init__(self, settings: TtsSettings, capture: Capture | None = None) -> None:
        torch.set_num_threads(settings.num_threads)
        self._settings = settings
        self.checkpoints: dict[Kind, TtsCheckpoint] = {}
        for folder in settings.checkpoints().values():
            checkpoint = TtsCheckpoint(Path(folder), settings)
            self.checkpoints[checkpoint.config.kind] = checkpoint
        self._first: Kind = next(iter(self.checkpoints))
        capture = capture or cuda_capture(settings.device)
        self._batches = {kind: TtsBatch(checkpoint, settings, capture) for kind, checkpoint in self.checkpoints.items()}
        self.max_batch = settings.max_batch
        self._begun: set[Session[TtsRequest]] = set()
        self._voices: VoiceStore | None = None
        if "base" in self.checkpoints:
            self._voices = VoiceStore(Path(settings.voice_folder), self.checkpoints["base"].folder, settings.device)

    def places(self, request: TtsRequest) -> int:
        return 1 if isinstance(request, Speak) else 0

    def check(self, request: TtsRequest) -> None:
        match request:
            case Speak():
                self._check_speak(request)
            case AddVoice():
                self._check_new_voice(request)

    @torch.inference_mode()
    def step(self, sessions: Sequence[Session[TtsRequest]]) -> bool:
        progress = False
        for session in sessions:
            if session not in self._begun:
                self._begun.add(session)
                progress = True
                with fail_alone(session):
                    self._begin(session)
            elif isinstance(session.request, AddText):
                with fail_alone(session):
                    self._add_text(session)
        for batch in self._batches.values():
            progress |= batch.step()
        return progress

    @torch.inference_mode()
    def retire(self, session: Session[TtsRequest]) -> None:
        self._begun.discard(session)
        for batch in self._batches.values():
            batch.leave(session)

    def _begin(self, session: Session[TtsRequest]) -> None:
        request = session.request
        match request:
            case Speak():
                kind = self._kind(request)
                self._batches[kind].join(session, self._voice(kind, request))
            case AddText():
                self._add_text(session)
            case AddVoice():
                self._add_voice(session, request)
            case RemoveVoice():
                self._store().remove(request.name)
                self._answer(session, Told("voice", {"removed": request.name}))
            case ListVoices():
                self._answer(session, self._list())

    def _answer(self, session: Session[TtsRequest], told: Told) -> None:
        session.emit(told)
        session.finish("stop")

    def _add_text(self, session: Session[TtsRequest]) -> None:
        request = session.request
        assert isinstance(request, AddText)
        for batch in self._batches.values():
            if (text := batch.text_of(request.text_stream)) is not None:
                text.add(request.text, complete=request.complete)
                self._answer(session, Told("text", {"chars": len(request.text)}))
                return
        if time.monotonic() - session.arrived_s > STREAM_WAIT_S:
            raise InvalidRequest(f"OPTIONS.text_stream is {request.text_stream!r}: no text stream of that name is open")

    def _add_voice(self, session: Session[TtsRequest], request: AddVoice) -> None:
        reference_s = len(request.reference.samples) / self.checkpoints["base"].codec.config.sample_rate_hz
        voice = self.checkpoints["base"].clone(request.reference)
        card = self._store().add(request.name, voice, consent=request.consent, reference_s=reference_s)
        self._answer(session, Told("voice", {"added": dataclasses.asdict(card)}))

    def _list(self) -> Told:
        custom = self.checkpoints.get("custom_voice")
        cards = [] if self._voices is None else [dataclasses.asdict(card) for card in self._voices.cards()]
        return Told("voices", {"speakers": list(custom.speakers) if custom else [], "voices": cards})

    def _kind(self, request: Speak) -> Kind:
        """Which checkpoint speaks `request`."""
        custom = self.checkpoints.get("custom_voice")
        if request.reference is not None:
            return "base"
        if request.voice is not None:
            return "custom_voice" if custom and request.voice in custom.speakers else "base"
        if request.instruction and not (custom and custom.config.takes_instructions):
            return "voice_design"
        return self._first

    def _voice(self, kind: Kind, request: Speak) -> VoicePrompt:
        checkpoint = self.checkpoints[kind]
        if kind == "custom_voice":
            return checkpoint.speaker(request.voice or checkpoint.speakers[0])
        if kind == "voice_design":
            return VoicePrompt()
        if request.reference is not None:
            return checkpoint.cloned(checkpoint.clone(request.reference))
        assert request.voice is not None
        return checkpoint.cloned(self._store().load(request.voice))

    def _store(self) -> VoiceStore:
        if self._voices is None:
            raise InvalidRequest(f"this server has no {KINDS['base']}")
        return self._voices

    def _check_speak(self, request: Speak) -> None:
        limit = self._settings.max_text_chars
        if request.text_stream is None and not request.text.strip():
            raise InvalidRequest("TEXT is empty; send the words to speak")
        if request.text_stream is None and not pronounceable(request.text):
            raise InvalidRequest("TEXT has no letter and no digit: there is nothing to pronounce")
        if len(request.text) > limit:
            raise InvalidRequest(f"TEXT has {len(request.text)} characters; the limit is {limit}")
        if request.max_audio_s > self._settings.max_audio_s:
            limit_s = self._settings.max_audio_s
            raise InvalidRequest(f"OPTIONS.max_audio_s is {request.max_audio_s:g}; the limit is {limit_s:g}")
        self._check_voice(request)

    def _check_voice(self, request: Speak) -> None:
        if request.voice is not None and request.reference is not None:
            raise InvalidRequest("OPTIONS.voice and REF_AUDIO are both given; the voice is one or the other")
        known = self._known_voices()
        if request.voice is not None and request.voice not in known:
            raise InvalidRequest(f"OPTIONS.voice is {request.voice!r}; allowed: {', '.join(known)}")
        kind = self._kind(request)
        if kind not in self.checkpoints:
            raise InvalidRequest(f"this server has no {KINDS[kind]}")
        if kind == "base" and request.voice is None and request.reference is None:
            raise InvalidRequest("a Base checkpoint speaks with a cloned voice: send REF_AUDIO, or name a stored voice")
        config = self.checkpoints[kind].config
        if request.language not in config.languages:
            raise InvalidRequest(f"OPTIONS.language is {request.language!r}; allowed: {', '.join(config.languages)}")
        if request.instruction and not config.takes_instructions:
            raise InvalidRequest("OPTIONS.instruction is given, but this checkpoint does not follow instructions")

    def _known_voices(self) -> list[str]:
        custom = self.checkpoints.get("custom_voice")
        stored = [] if self._voices is None else [card.name for card in self._voices.cards()]
        return [*(custom.speakers if custom else ()), *stored]

    def _check_new_voice(self, request: AddVoice) -> None:
        store = self._store()
        if not NAME.fullmatch(request.name):
            raise InvalidRequest(f"OPTIONS.voice is {request.name!r}: use up to 64 of a-z, 0-9, - and _")
        if request.name in self._known_voices() or request.name in store:
            raise InvalidRequest(f"OPTIONS.voice is {request.name!r}, which is taken; remove that voice first")
        if not request.consent.strip():
            raise InvalidRequest("OPTIONS.consent is empty; note who allowed the use of this voice")
