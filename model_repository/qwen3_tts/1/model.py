"""qwen3_tts: TEXT in, chunks of PCM16 out as they are made. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.audio import pcm16
from qwen_engine.errors import InvalidRequest
from qwen_engine.options import TtsOptions, parse_options, parse_text
from qwen_engine.settings import TtsSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import AudioChunk, TtsRequest, tts_request
from qwen_engine.wire import TTS


class TritonPythonModel:
    def initialize(self, args):
        self.settings = TtsSettings.model_validate_json(settings_json(args))
        self.engine = TtsEngine(self.settings)
        self.adapter = Adapter(
            pb_utils, TTS, self.engine, max_queue=self.settings.max_queue, parse=self.parse, encode=encode
        )

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[TtsRequest, TtsOptions]:
        options = parse_options(TtsOptions, inputs["OPTIONS"])
        if inputs["REF_AUDIO"]:
            raise InvalidRequest("REF_AUDIO is given, but this checkpoint has named voices only; leave it empty")
        text = parse_text(inputs["TEXT"], "TEXT")
        return tts_request(text, options, self.settings, self.engine.checkpoint.config), options


def encode(chunk: AudioChunk, options: TtsOptions) -> Outputs:
    event = {
        "type": "audio",
        "frames": chunk.frames,
        "elapsed_s": chunk.elapsed_s,
        "sample_rate_hz": chunk.sample_rate_hz,
    }
    return {"AUDIO": options.encode(pcm16(chunk.samples)), "EVENT": event}
