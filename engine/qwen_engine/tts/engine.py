"""The synthesis engine: one batch for each kind of checkpoint, the stored voices, and the text streams.

The custom-voice checkpoint has the named speakers, the Base checkpoint clones references and stored voices, and the
voice-design checkpoint follows descriptions of a voice; a profile may serve any of the three.
"""

import threading
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import torch

from qwen_engine.audit import audit
from qwen_engine.graphs import Capture, cuda_capture
from qwen_engine.loop import Model
from qwen_engine.messages import Caller
from qwen_engine.samples import check_samples
from qwen_engine.session import Session, fail_alone
from qwen_engine.text.sentences import pronounceable
from qwen_engine.tts.batch import TtsBatch
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.config import Kind
from qwen_engine.tts.prompt import VoicePrompt
from qwen_engine.tts.request import ClonedVoice, Reference, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.text_streams import TextStreams
from qwen_engine.tts.voice_index import VoiceCard
from qwen_engine.tts.voices import VoiceStore
from qwen_wire.errors import InvalidRequest
from qwen_wire.speech import TextAdded, Voice, VoiceAdded, VoiceList, VoiceRemoved

KINDS: dict[Kind, str] = {
    "custom_voice": "custom-voice checkpoint: no named speakers",
    "base": "Base checkpoint: no cloned voices",
    "voice_design": "voice-design checkpoint: no voices described by an instruction",
}
MAX_LISTED = 40  # voices in a message


class TtsEngine(Model[Speak]):
    """A `Model` for the engine loop. `capture`: how graphs are made, where not as the device does it.

    Voices are cloned, kept and listed, and text is added to open streams, beside the loop: on any thread.
    """

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
        self.max_sessions = settings.max_batch
        self._begun: set[Session[Speak]] = set()
        self._texts = TextStreams(settings)
        self._adding = threading.Lock()
        self._voices: VoiceStore | None = None
        if "base" in self.checkpoints:
            self._voices = VoiceStore(
                Path(settings.voice_folder),
                self.checkpoints["base"].folder,
                settings.device,
                max_voices=settings.max_voices,
            )

    def prepare(self, request: Speak) -> Speak:
        self._check_speak(request)
        if isinstance(request.reference, Reference):
            return replace(request, reference=self.clone(request.reference, request.tenant))
        return request

    def accept(self, session: Session[Speak]) -> None:
        if session.request.text_stream is not None:
            self._texts.open(session, session.request)

    @torch.inference_mode()
    def step(self, sessions: Sequence[Session[Speak]]) -> bool:
        begun = [session for session in sessions if session not in self._begun]
        for session in begun:
            self._begun.add(session)
            with fail_alone(session):
                self._speak(session, session.request)
        progress = bool(begun)
        for batch in self._batches.values():
            progress |= batch.step()
        return progress

    @torch.inference_mode()
    def retire(self, session: Session[Speak]) -> None:
        self._begun.discard(session)
        for batch in self._batches.values():
            batch.leave(session)
        self._texts.forget_ended()

    def add_text(self, tenant: str, text_stream: str, token: str | None, text: str, *, complete: bool) -> TextAdded:
        """More text for an open stream, opened with the `token`; `complete`: this is its end."""
        self._check_length(text)
        self._texts.add(tenant, text_stream, token, text, complete=complete)
        return TextAdded(chars=len(text))

    def list_voices(self, tenant: str) -> VoiceList:
        """Named speakers and the tenant's stored voices."""
        cards = {} if self._voices is None else self._voices.cards(tenant)
        return VoiceList(speakers=tuple(self._speakers()), voices=tuple(map(_voice, cards.values())))

    def clone(self, reference: Reference, tenant: str) -> ClonedVoice:
        """The voice of a recording; takes a third of a second."""
        check_samples(reference.samples, "REF_AUDIO")
        return self.checkpoints["base"].clone(reference, tenant)

    def add_voice(
        self, name: str, voice: ClonedVoice, caller: Caller, *, consent: str, reference_s: float
    ) -> VoiceAdded:
        """Store a voice; `consent` says who allowed it."""
        with self._adding:  # what a tenant may keep is counted first
            card = self._store().add(caller.tenant, name, voice, consent=consent, reference_s=reference_s)
        audit("voice_added", caller, voice=card.name, consent=card.consent)
        return VoiceAdded(added=_voice(card))

    def remove_voice(self, name: str, caller: Caller) -> VoiceRemoved:
        """Forget a stored voice."""
        card = self._store().remove(caller.tenant, name)
        audit("voice_removed", caller, voice=name, consent=card.consent)
        return VoiceRemoved(removed=name)

    def _speak(self, session: Session[Speak], request: Speak) -> None:
        kind = self._kind(request)
        voice = self._voice(kind, request)
        if request.reference is not None:
            audit("voice_cloned", session.caller, voice=None, consent=request.consent or None)
        self._batches[kind].join(session, voice, self._texts.text(session, request))

    def _speakers(self) -> Sequence[str]:
        custom = self.checkpoints.get("custom_voice")
        return custom.speakers if custom else ()

    def _stored(self, tenant: str) -> Set[str]:
        return frozenset() if self._voices is None else self._voices.names(tenant)

    def _kind(self, request: Speak) -> Kind:
        """The kind of checkpoint for `request`."""
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
        if isinstance(request.reference, ClonedVoice):
            return checkpoint.cloned(request.reference)
        assert request.voice is not None
        return checkpoint.cloned(self._store().load(request.tenant, request.voice))

    def _store(self) -> VoiceStore:
        if self._voices is None:
            raise InvalidRequest(f"this server has no {KINDS['base']}")
        return self._voices

    def _check_length(self, text: str) -> None:
        limit = self._settings.max_text_chars
        if len(text) > limit:
            raise InvalidRequest(f"TEXT has {len(text)} characters; the limit is {limit}")

    def _check_speak(self, request: Speak) -> None:
        self._check_length(request.text)
        if request.text_stream is None and not request.text.strip():
            raise InvalidRequest("TEXT is empty; send the words to speak")
        if request.text_stream is None and not pronounceable(request.text):
            raise InvalidRequest("TEXT has no letter and no digit: there is nothing to pronounce")
        if request.max_audio_s > self._settings.max_audio_s:
            limit_s = self._settings.max_audio_s
            raise InvalidRequest(f"OPTIONS.max_audio_s is {request.max_audio_s:g}; the limit is {limit_s:g}")
        self._check_voice(request)

    def _check_voice(self, request: Speak) -> None:
        if request.voice is not None and request.reference is not None:
            raise InvalidRequest("OPTIONS.voice and REF_AUDIO are both given; the voice is one or the other")
        speakers, stored = self._speakers(), self._stored(request.tenant)
        if request.voice is not None and request.voice not in speakers and request.voice not in stored:
            known = _listed([*speakers, *sorted(stored)])
            raise InvalidRequest(f"OPTIONS.voice is {request.voice[:80]!r}; allowed: {known}")
        if request.reference is not None and self._settings.require_consent and not request.consent:
            raise InvalidRequest("OPTIONS.consent is empty; note who allowed the use of the voice in REF_AUDIO")
        kind = self._kind(request)
        if kind not in self.checkpoints:
            raise InvalidRequest(f"this server has no {KINDS[kind]}")
        if kind == "base" and request.voice is None and request.reference is None:
            raise InvalidRequest("a Base checkpoint speaks with a cloned voice: send REF_AUDIO, or name a stored voice")
        config = self.checkpoints[kind].config
        config.language_key(request.language)
        if request.instruction and not config.takes_instructions:
            raise InvalidRequest("OPTIONS.instruction is given, but this checkpoint does not follow instructions")

    def check_new_voice(self, tenant: str, name: str, consent: str) -> None:
        """Raise `InvalidRequest` where the tenant cannot add a voice of this name, or not without more consent."""
        if name in self._speakers():
            raise InvalidRequest(f"OPTIONS.voice is {name!r}, which is taken by a speaker; choose another name")
        self._store().check_new(tenant, name)
        if not consent.strip():
            raise InvalidRequest("OPTIONS.consent is empty; note who allowed the use of this voice")


def _voice(card: VoiceCard) -> Voice:
    """A card without the text of its reference, which users of the voice need not know."""
    return Voice(card.name, card.consent, card.reference_s, card.created, in_context=bool(card.reference_text))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more (list_voices tells all)" if more > 0 else "")
