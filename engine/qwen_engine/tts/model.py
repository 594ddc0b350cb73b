"""qwen3_tts: TEXT in, chunks of PCM16 out as they are made; voices kept by name."""

from collections.abc import Sequence

from qwen_engine.files import sound_decoders
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_engine.settings import TtsSettings
from qwen_engine.tts import answer
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.reference import decode_reference
from qwen_engine.tts.request import (
    AddText,
    AddVoice,
    AudioChunk,
    ControlEvent,
    ListVoices,
    RemoveVoice,
    TtsRequest,
    speak_request,
)
from qwen_wire.options import TtsOptions, parse_options, parse_text


class TtsModel(ModelSpec):
    def __init__(self, settings: TtsSettings) -> None:
        self.settings = settings
        self.decoders = sound_decoders(settings)
        self.engine = TtsEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[TtsRequest, TtsOptions]:
        options = parse_options(TtsOptions, inputs["OPTIONS"])
        text = parse_text(inputs["TEXT"], "TEXT")
        return self._request(options, text, inputs["REF_AUDIO"], inputs.caller.tenant), options

    def encode(self, event: AudioChunk | ControlEvent, asked: TtsOptions) -> Outputs:
        return answer.encode(event, asked)

    def join(self, events: Sequence[AudioChunk | ControlEvent]) -> AudioChunk | ControlEvent:
        return answer.join(events)

    def close(self) -> None:
        self.decoders.close()

    def _request(self, options: TtsOptions, text: str, audio: bytes, tenant: str) -> TtsRequest:
        match options.action:
            case "add_text":
                name = options.required("text_stream")
                return AddText(name, options.token, text, options.text_complete, tenant)
            case "add_voice":
                reference = decode_reference(audio, options, self.settings, self.decoders)
                return AddVoice(options.required("voice").lower(), reference, options.consent, tenant)
            case "list_voices":
                return ListVoices(tenant)
            case "remove_voice":
                return RemoveVoice(options.required("voice").lower(), tenant)
        spoken_by = decode_reference(audio, options, self.settings, self.decoders) if audio else None
        return speak_request(text, options, self.settings, spoken_by, tenant)
