"""The pages of the documentation as tests see them: their fenced blocks, and what of them is not run, with the reason.

A block that no test can run says so to its reader in its info string: ```bash title="needs a GPU"
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from qwen_server.gateway_process import GatewayProcess
from qwen_server.triton_process import TritonProcess

HOME = Path(__file__).resolve().parents[1]
FENCE = re.compile(r'^```(\w+)(?: title="([^"\n]*)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
NOT_RUN = {
    "needs a GPU": "there is none here, nor a hub to download checkpoints from",
    "with your own files": "stands for files that only the reader has",
    "changes your checkout": "a test must not install hooks or packages",
    "replaces recorded answers": "a test must not change what tests compare with",
    "runs until stopped": "tests have a server of their own",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` of its info string, `title` (empty: none)."""

    page: str
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.text.split(chr(10))[0]}"


def blocks(page: Path) -> list[Block]:
    """Those that name a language, in order."""
    found = FENCE.findall(page.read_text())
    return [Block(str(page.relative_to(HOME)), *one) for one in found]


def at_server(text: str, server: TritonProcess, gateway: GatewayProcess | None = None) -> str:
    """The addresses and the folder of a server with default ports replaced by those of `server` and of its gateway."""
    address = server.address
    folder = f"{os.environ['XDG_STATE_HOME']}/qwen/{address.grpc_port}"
    text = text.replace("127.0.0.1:8000", address.http.removeprefix("http://")).replace("127.0.0.1:8001", address.grpc)
    if gateway is not None:
        text = text.replace("127.0.0.1:8080", gateway.url.removeprefix("http://"))
    return text.replace("$HOME/.local/state/qwen/8001", folder)
