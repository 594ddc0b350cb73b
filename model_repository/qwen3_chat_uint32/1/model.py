"""qwen3_chat_uint32: qwen3_chat for clients whose numbers have no sign. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_client.calls import GrpcCalls
from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.unsigned_chat import UnsignedChat, encode
from qwen_engine.settings import ChainSettings
from qwen_engine.triton import settings_json
from qwen_wire.tensors import UNSIGNED_CHAT


class TritonPythonModel:
    def initialize(self, args):
        settings = ChainSettings.model_validate_json(settings_json(args))
        relay = UnsignedChat(GrpcCalls(settings.grpc_address, child_error))
        self.adapter = ChainAdapter(pb_utils, UNSIGNED_CHAT, settings, run=relay.run, encode=encode)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
