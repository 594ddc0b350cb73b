"""voice_chat: an utterance in, its reply out as text and sound. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_client.calls import GrpcCalls
from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.voice_chat.chain import VoiceChat
from qwen_engine.settings import VoiceChatSettings
from qwen_engine.triton import settings_json
from qwen_wire.tensors import VOICE_CHAT


class TritonPythonModel:
    def initialize(self, args):
        settings = VoiceChatSettings.model_validate_json(settings_json(args))
        chain = VoiceChat(GrpcCalls(settings.grpc_address, child_error), settings)
        self.adapter = ChainAdapter(pb_utils, VOICE_CHAT, settings, run=chain.run)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
