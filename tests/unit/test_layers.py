"""Dependencies point one way: gateway -> client -> media, wire <- engine, server -> engine's settings, nothing back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
NETWORK = {"tritonclient", "grpc", "httpx", "requests", "urllib", "http"}
MODELS = {"torch", "transformers", "diffusers", "triton_python_backend_utils"}
LAYERS = {"qwen_media", "qwen_engine", "qwen_client", "qwen_gateway", "qwen_server"}
FORBIDDEN = {
    "wire": {"numpy", *MODELS, *NETWORK, *LAYERS},
    "media": {*MODELS, *NETWORK, *LAYERS} - {"qwen_media"},
    "engine": {"triton_python_backend_utils", *NETWORK, "qwen_client", "qwen_gateway", "qwen_server"},
    "client": {*MODELS, "qwen_engine", "qwen_gateway", "qwen_server"},
    "gateway": {*MODELS, "tritonclient", "grpc", "qwen_media", "qwen_engine", "qwen_server"},
    "server": MODELS,
}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_layer(layer):
    files = sorted((HOME / layer).rglob("*.py"))
    assert files
    broken = {
        f"{file.relative_to(HOME)} imports {name}"
        for file in files
        for name in imported(file)
        if name.split(".")[0] in FORBIDDEN[layer]
    }
    assert broken == set()


def test_of_the_engine_the_server_uses_only_what_is_free_of_torch():
    listed = "import sys, qwen_server.cli, qwen_engine.models; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", listed], check=True)
    used = {name for file in (HOME / "server").rglob("*.py") for name in imported(file)}
    assert {name for name in used if name.startswith("qwen_engine")} == {"qwen_engine.models", "qwen_engine.settings"}


def test_chains_alone_join_the_client_s_calls_and_the_engine():
    """Their model.py hands the calls in, so that the engine stays free of any transport."""
    joined = {
        file: {name for name in imported(file) if name.startswith("qwen_client")}
        for file in (HOME / "model_repository").rglob("*.py")
    }
    callers = {file.resolve() for file, names in joined.items() if names}
    assert {name for names in joined.values() for name in names} == {"qwen_client.calls"}
    assert callers == {HOME / "model_repository" / "graph_chain.py"} | {
        HOME / "model_repository" / name / "1" / "model.py" for name in ("workflow", "voice_chat", "qwen3_chat_uint32")
    }


USES_OF_CHAINS = {
    "": set(),
    "tasks": {"tasks"},
    "workflow": {"workflow", "tasks"},
    "voice_chat": {"voice_chat", "tasks"},
}


@pytest.mark.parametrize("folder", USES_OF_CHAINS)
def test_workflow_and_voice_chat_do_not_know_each_other_and_what_they_share_knows_neither(folder):
    path = HOME / "engine" / "qwen_engine" / "chains" / folder
    files = list(path.glob("*.py"))
    assert files
    used = {name.split(".")[2] for file in files for name in imported(file) if name.startswith("qwen_engine.chains.")}
    assert used & USES_OF_CHAINS.keys() <= USES_OF_CHAINS[folder]


def test_no_request_to_this_machine_goes_by_a_proxy():
    """Clients that read proxies from the environment are for servers elsewhere."""
    folders = ("client", "server", "model_repository", "perf", "tests")
    readers = {"urllib.request", "requests", "httpx", "aiohttp", "urllib3"}
    files = [file for folder in folders for file in (HOME / folder).rglob("*.py")]
    found = {f"{file.relative_to(HOME)} imports {name}" for file in files for name in imported(file) & readers}
    assert found == set()
