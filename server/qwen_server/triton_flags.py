"""Flags of tritonserver that an operator adds to those of `qwen serve`."""

from collections.abc import Sequence

from qwen_server.errors import ServerError

OURS = {
    "http-address": "--host",
    "http-port": "--http-port",
    "grpc-address": "--host",
    "grpc-port": "--grpc-port",
    "metrics-address": "--host",
    "metrics-port": "--metrics-port",
    "log-file": "--log-file",
}  # by the option of `qwen serve` that does the same
SET = {
    "model-repository",
    "model-store",  # its older name
    "model-control-mode",
    "load-model",
    "disable-auto-complete-config",
    "strict-model-config",  # the same, older
    "backend-directory",
    "grpc-header-forward-pattern",
    "http-header-forward-pattern",
    "http-restricted-api",
    "grpc-restricted-protocol",
    "exit-timeout-secs",
    "allow-http",  # by which the start learns that models are ready
    "allow-grpc",  # by which chains call models
    "allow-sagemaker",  # doors without our restrictions
    "allow-vertex-ai",
    "help",
}
SET_OF_PYTHON = ("python,shm-region-prefix-name=", "python,stub-timeout-seconds=")  # of --backend-config


def check_flags(flags: Sequence[str]) -> None:
    """Refuse what `qwen serve` sets itself.

    Raises:
        ServerError: such a flag, also abbreviated as tritonserver takes it; or a word where a flag should be.
    """
    if flags and not flags[0].startswith("-"):
        raise ServerError(f"{flags[0]!r} is no flag: those of tritonserver stand after --, such as -- --log-verbose=1")
    for flag in flags:
        if flag.startswith("-"):
            _check_name(flag, flag.lstrip("-").partition("=")[0])
        elif flag.startswith(SET_OF_PYTHON):
            raise _refusal(f"--backend-config={flag}")


def uses_tls(flags: Sequence[str]) -> bool:
    """True where gRPC is encrypted."""
    return any(flag.startswith("--grpc-use-ssl") for flag in flags)


def _check_name(flag: str, name: str) -> None:
    for known, option in OURS.items():
        if known.startswith(name):
            raise ServerError(f"{flag}: give {option} to `qwen serve` instead")
    if any(known.startswith(name) for known in SET) or flag.partition("=")[2].startswith(SET_OF_PYTHON):
        raise _refusal(flag)


def _refusal(flag: str) -> ServerError:
    return ServerError(f"{flag}: set by `qwen serve` itself, and not to be changed")
