"""One tritonserver: started with a profile's models, waited for, watched, stopped without leftovers."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from qwen_engine.settings import ChainSettings
from qwen_server import hidden_arguments, staging
from qwen_server.address import Address, port_is_taken
from qwen_server.child import ENVIRONMENT, kill_group, prepare_child
from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.installation import find_triton
from qwen_server.private_files import make_folders, open_private
from qwen_server.profiles import Profile
from qwen_server.triton_flags import check_flags, uses_tls
from qwen_server.work_folder import WorkFolder

__all__ = ["Address", "TritonProcess", "port_is_taken"]

DRAIN_S = 30  # what requests in flight are given to finish
START_TIMEOUT_S = 900.0  # real checkpoints take minutes to load
# To models, as parameters: chains pass them on. HTTP clients write names of headers in any case.
FORWARDED_HEADERS = "(?i)(traceparent|chain-depth|qwen-tenant)"


class TritonProcess:
    """Runs tritonserver for the length of a with-block; `flags` are given to it besides our own.

    Example:
        with TritonProcess(load_profile("demo"), Address.free()) as server:
            server.wait_ready()
            Client(server.address.grpc).asr.transcribe("speech.wav")
    """

    def __init__(
        self, profile: Profile, address: Address, log_file: Path | None = None, flags: Sequence[str] = ()
    ) -> None:
        check_flags(flags)
        self.flags = flags
        self.profile = profile
        self.address = address
        self.log_file = log_file or work_folder(address.grpc_port) / "triton.log"
        self.models: list[str] = []
        self._folder: WorkFolder | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "TritonProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start without waiting. Raises `ServerError` where the profile, Triton or a port is not as it should be."""
        self._refuse_taken_ports()
        self._folder = folder = WorkFolder.claim(self.address.grpc_port)
        try:
            self._process = self._spawn(folder)
        except BaseException:
            self._release_folder()
            raise

    def _spawn(self, folder: WorkFolder) -> "subprocess.Popen[bytes]":
        installation = find_triton(folder.path)
        repository = folder.path / "models"
        self.models = staging.link(self.profile, repository, self.address.grpc)
        self._refuse_tls_with_chains()
        arguments = [
            f"--backend-directory={installation.backends}",
            *self._arguments(repository),
            f"--backend-config=python,shm-region-prefix-name={folder.regions.prefix}",
            *folder.admin_key.arguments(),
            *self.flags,
        ]
        make_folders(self.log_file.parent)
        with os.fdopen(open_private(self.log_file), "wb") as log:
            return hidden_arguments.popen(
                [str(installation.binary), *arguments],
                folder.admin_key.secret,
                env={**installation.environment(), **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, once
                preexec_fn=prepare_child,
            )

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S, on_wait: Callable[[], None] = lambda: None) -> None:
        """Return once every model answers; `on_wait` is called about twice a second.

        Raises:
            ServerError: Triton ended (with the failing model's own message), or the time is over.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_ready():
            on_wait()
            self._hide_regions()
            if self._running().poll() is not None:
                raise ServerError(f"tritonserver ended while starting: {failure(self.log_file)}")
            if time.monotonic() > deadline_s:
                raise ServerError(f"the models were not ready within {timeout_s:g} s; see {self.log_file}")
            time.sleep(0.4)
        self._hide_regions()

    def wait(self, on_wait: Callable[[], None] = lambda: None) -> int:
        """Wait for the end of Triton; its exit status. `on_wait` is called some times a second."""
        while (status := self._running().poll()) is None:
            on_wait()
            self._hide_regions()  # those of a model that was loaded again
            time.sleep(0.2)  # a wait without end could sleep through a signal that came just before it
        return status

    def stop(self) -> None:
        """Let requests in flight finish, end every process, remove shared memory. Does nothing twice."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(DRAIN_S + 10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            kill_group(process.pid)  # stubs outlive a Triton that died
            process.wait()
            self._release_folder()

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._running().pid

    def _release_folder(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.release()

    def _hide_regions(self) -> None:
        if self._folder is not None:
            self._folder.regions.hide()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServerError("the server was not started, or was stopped")
        return self._process

    def _arguments(self, repository: Path) -> list[str]:
        address = self.address
        return [
            f"--model-repository={repository}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self.models),
            "--disable-auto-complete-config",
            f"--http-address={address.http_listener}",
            f"--http-port={address.http_port}",
            f"--grpc-address={address.grpc_listener}",
            f"--grpc-port={address.grpc_port}",
            f"--metrics-address={address.http_listener}",
            f"--metrics-port={address.metrics_port}",
            f"--grpc-header-forward-pattern={FORWARDED_HEADERS}",
            f"--http-header-forward-pattern={FORWARDED_HEADERS}",
            f"--exit-timeout-secs={DRAIN_S}",
            f"--backend-config=python,stub-timeout-seconds={int(START_TIMEOUT_S)}",
        ]

    def _refuse_tls_with_chains(self) -> None:
        if uses_tls(self.flags) and any(isinstance(self.profile.chain(name), ChainSettings) for name in self.models):
            raise ServerError(
                "--grpc-use-ssl: chains call models over gRPC without TLS; leave [chains] and the sections of "
                "chains out of the profile, or have a proxy end TLS"
            )

    def _refuse_taken_ports(self) -> None:
        for name in ("http_port", "grpc_port", "metrics_port"):
            port = getattr(self.address, name)
            if port_is_taken(self.address.host, port):
                option = f"--{name.replace('_', '-')}"
                raise ServerError(f"port {port} on {self.address.host} is taken; choose another with {option}")

    def _is_ready(self) -> bool:
        paths = ["/v2/health/ready", *(f"/v2/models/{name}/ready" for name in self.models)]
        return all(_answers(self.address, path) for path in paths)


def failure(log_file: Path) -> str:
    """The failing model's own message in Triton's log, else its last lines."""
    text = log_file.read_text(errors="replace")
    found = re.search(r"failed to load '(\w+)' version \d+: (.+?)(?:\n\s*\n|\n?At:|\n[IWE]\d{4} |\Z)", text, re.DOTALL)
    if found:
        return f"model {found[1]}: {' '.join(found[2].split())} (log: {log_file})"
    return " / ".join(text.strip().splitlines()[-3:]) + f" (log: {log_file})"


def _answers(address: Address, path: str) -> bool:
    try:
        status, _ = address.ask(path)
    except OSError:
        return False
    return status == HTTPStatus.OK
