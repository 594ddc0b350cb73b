"""qwen3_tts: TEXT in, chunks of PCM16 out as they are made; voices kept by name."""

from collections.abc import Sequence
from functools import partial

from qwen_engine.files import sound_decoders
from qwen_engine.messages import Caller, Inputs, Outputs
from qwen_engine.model_spec import Immediate, ModelSpec, SequenceStep
from qwen_engine.tts import answer
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.reference import decode_reference
from qwen_engine.tts.request import AudioChunk, ControlEvent, Speak, speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_wire.options import TtsOptions, parse_options, parse_text


class TtsModel(ModelSpec):
    def __init__(self, settings: TtsSettings) -> None:
        self.settings = settings
        self.decoders = sound_decoders(settings)
        self.engine: TtsEngine = TtsEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[Speak | Immediate, TtsOptions]:
        options = parse_options(TtsOptions, inputs["OPTIONS"])
        text = parse_text(inputs["TEXT"], "TEXT")
        return self._request(options, text, inputs["REF_AUDIO"], inputs.caller), options

    def encode(self, event: AudioChunk | ControlEvent, context: TtsOptions) -> Outputs:
        return answer.encode(event, context)

    def join(self, events: Sequence[AudioChunk | ControlEvent]) -> AudioChunk | ControlEvent:
        return answer.join(events)

    def close(self) -> None:
        self.decoders.close()

    def _request(self, options: TtsOptions, text: str, audio: bytes, caller: Caller) -> Speak | Immediate:
        engine, tenant = self.engine, caller.tenant
        match options.action:
            case "add_text":
                stream, complete = options.required("text_stream"), options.text_complete
                return Immediate(partial(engine.add_text, tenant, stream, options.token, text, complete=complete))
            case "add_voice":
                return self._new_voice(options, audio, caller)
            case "list_voices":
                return Immediate(partial(engine.list_voices, tenant))
            case "remove_voice":
                return Immediate(partial(engine.remove_voice, options.required("voice").lower(), caller))
        reference = decode_reference(audio, options, self.settings, self.decoders) if audio else None
        return speak_request(text, options, self.settings, reference, tenant)

    def _new_voice(self, options: TtsOptions, audio: bytes, caller: Caller) -> Immediate:
        reference = decode_reference(audio, options, self.settings, self.decoders)
        name, consent = options.required("voice").lower(), options.consent
        self.engine.check_new_voice(caller.tenant, name, consent)
        voice, reference_s = self.engine.clone(reference, caller.tenant), reference.duration_s
        return Immediate(partial(self.engine.add_voice, name, voice, caller, consent=consent, reference_s=reference_s))
