"""Models of a running server, taken away and given back."""

import urllib.request

from qwen_server.triton_process import TritonProcess

TIMEOUT_S = 300


def load(server: TritonProcess, model: str) -> None:
    _ask(server, model, "load")


def unload(server: TritonProcess, model: str) -> None:
    """Returns once it is gone; from the first moment on it takes no request."""
    _ask(server, model, "unload")


def _ask(server: TritonProcess, model: str, action: str) -> None:
    url = f"{server.address.http}/v2/repository/models/{model}/{action}"
    with urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST"), timeout=TIMEOUT_S) as response:
        assert response.status == 200
