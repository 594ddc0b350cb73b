"""The model.py of every chain that is a graph, by links: the graph is graph.json beside it."""

from functools import partial
from pathlib import Path

import triton_python_backend_utils as pb_utils

from qwen_client.calls import GrpcCalls
from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.workflow.chain import Workflows, graphs_beside
from qwen_engine.chains.workflow.signatures import chain_wire
from qwen_engine.settings import ChainSettings
from qwen_engine.triton import settings_json


class TritonPythonModel:
    def initialize(self, args):
        settings = ChainSettings.model_validate_json(settings_json(args))
        chains, name = graphs_beside(Path(args["model_repository"])), args["model_name"]
        workflows = Workflows(GrpcCalls(settings.grpc_address, child_error), settings, chains)
        graph = chains[name].with_defaults(settings.inputs.get(name, {}))
        workflows.check(graph, name)
        self.adapter = ChainAdapter(
            pb_utils, chain_wire(name, graph), settings, run=partial(workflows.run_named, graph)
        )

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
