"""workflow: a graph of models in, the events of its stages out. Wire format: docs/wire-protocol.md."""

from pathlib import Path

import triton_python_backend_utils as pb_utils

from qwen_client.calls import GrpcCalls
from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.workflow.chain import Workflows, graphs_beside
from qwen_engine.settings import ChainSettings
from qwen_engine.triton import settings_json
from qwen_wire.tensors import WORKFLOW


class TritonPythonModel:
    def initialize(self, args):
        settings = ChainSettings.model_validate_json(settings_json(args))
        chains = graphs_beside(Path(args["model_repository"]))
        workflows = Workflows(GrpcCalls(settings.grpc_address, child_error), settings, chains)
        self.adapter = ChainAdapter(pb_utils, WORKFLOW, settings, run=workflows.run)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
