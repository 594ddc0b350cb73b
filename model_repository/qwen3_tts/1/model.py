"""qwen3_tts: TEXT in, chunks of PCM16 out as they are made; voices kept by name. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.audio import pcm16
from qwen_engine.options import TtsOptions, parse_options, parse_text
from qwen_engine.settings import TtsSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.reference import decode_reference
from qwen_engine.tts.request import (
    AddText,
    AddVoice,
    AudioChunk,
    ListVoices,
    RemoveVoice,
    Told,
    TtsRequest,
    speak_request,
)  # fmt: skip
from qwen_engine.wire import TTS


class TritonPythonModel:
    def initialize(self, args):
        self.settings = TtsSettings.model_validate_json(settings_json(args))
        engine = TtsEngine(self.settings)
        self.adapter = Adapter(pb_utils, TTS, engine, self.settings, parse=self.parse, encode=encode)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[TtsRequest, TtsOptions]:
        options = parse_options(TtsOptions, inputs["OPTIONS"])
        return self.request(options, parse_text(inputs["TEXT"], "TEXT"), inputs["REF_AUDIO"]), options

    def request(self, options: TtsOptions, text: str, audio: bytes) -> TtsRequest:
        match options.action:
            case "add_text":
                return AddText(options.required("text_stream"), text, options.text_complete)
            case "add_voice":
                reference = decode_reference(audio, options, self.settings)
                return AddVoice(options.required("voice").lower(), reference, options.consent)
            case "list_voices":
                return ListVoices()
            case "remove_voice":
                return RemoveVoice(options.required("voice").lower())
        reference = decode_reference(audio, options, self.settings) if audio else None
        return speak_request(text, options, self.settings, reference)


def encode(event: AudioChunk | Told, options: TtsOptions) -> Outputs:
    if isinstance(event, Told):
        return {"AUDIO": b"", "EVENT": {"type": event.type, **event.fields}}
    told = {"frames": event.frames, "elapsed_s": event.elapsed_s, "sample_rate_hz": event.sample_rate_hz}
    return {"AUDIO": options.encode(pcm16(event.samples)), "EVENT": {"type": "audio", **told}}
