"""One tritonserver: started with a profile's models, waited for, watched, stopped without leftovers."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from qwen_server import repository
from qwen_server.errors import ServerError
from qwen_server.installation import find_triton
from qwen_server.profiles import Profile

DRAIN_S = 30  # what requests in flight are given to finish
START_TIMEOUT_S = 900.0  # real checkpoints take minutes to load
SHARED_MEMORY = Path("/dev/shm")
FORWARDED_HEADERS = "(traceparent|chain-depth)"  # to models, as parameters: chains pass them on
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# glibc would give the large temporaries of every step back to the kernel and fetch them anew page by page, a quarter of
# the codec's time on a CPU. The second is the largest value that it takes.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}


@dataclass(frozen=True)
class Address:
    """Where the server listens; Triton's own ports by default."""

    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002

    @classmethod
    def free(cls) -> "Address":
        """Three ports nobody listens on now."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [sock.getsockname()[1] for sock in sockets]
        for sock in sockets:
            sock.close()
        return cls("127.0.0.1", *ports)

    @property
    def grpc(self) -> str:
        return f"{self._reachable}:{self.grpc_port}"

    @property
    def http(self) -> str:
        return f"http://{self._reachable}:{self.http_port}"

    @property
    def _reachable(self) -> str:
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host


class TritonProcess:
    """Runs tritonserver for the length of a with-block.

    Example:
        with TritonProcess(load_profile("demo"), Address.free()) as server:
            server.wait_ready()
            Client(server.address.grpc).asr.transcribe("speech.wav")
    """

    def __init__(self, profile: Profile, address: Address, log_file: Path | None = None) -> None:
        self.profile = profile
        self.address = address
        self.work_folder = Path(tempfile.gettempdir()) / f"qwen-{os.getuid()}-{address.grpc_port}"
        self.log_file = log_file or self.work_folder / "triton.log"
        self.models: list[str] = []
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
        self.work_folder.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_taken_ports()
        installation = find_triton(self.work_folder)
        repositories, self.models = repository.stage(self.profile, self.work_folder, self.address.grpc)
        backends = f"--backend-directory={installation.backends}"
        command = [str(installation.binary), backends, *self._arguments(repositories)]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**ALLOCATOR, **installation.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, once
                preexec_fn=_die_with_parent,
            )

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S, on_wait: Callable[[], None] = lambda: None) -> None:
        """Return once every model answers; `on_wait` is called about twice a second.

        Raises:
            ServerError: Triton ended (with the failing model's own message), or the time is over.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_ready():
            on_wait()
            if self._running().poll() is not None:
                raise ServerError(f"tritonserver ended while starting: {failure(self.log_file)}")
            if time.monotonic() > deadline_s:
                raise ServerError(f"the models were not ready within {timeout_s:g} s; see {self.log_file}")
            time.sleep(0.4)

    def wait(self) -> int:
        """Wait for the end of Triton; its exit status."""
        while (status := self._running().poll()) is None:
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
            _kill_group(process.pid)  # stubs outlive a Triton that died
            process.wait()
            for region in SHARED_MEMORY.glob(f"{self._region_prefix}*"):
                region.unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._running().pid

    @property
    def _region_prefix(self) -> str:
        return f"qwen-{self.address.grpc_port}-"

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServerError("the server was not started, or was stopped")
        return self._process

    def _arguments(self, repositories: list[Path]) -> list[str]:
        address = self.address
        return [
            *(f"--model-repository={folder}" for folder in repositories),
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self.models),
            "--disable-auto-complete-config",
            f"--http-address={address.host}",
            f"--http-port={address.http_port}",
            f"--grpc-address={address.host}",
            f"--grpc-port={address.grpc_port}",
            f"--metrics-address={address.host}",
            f"--metrics-port={address.metrics_port}",
            f"--grpc-header-forward-pattern={FORWARDED_HEADERS}",
            f"--http-header-forward-pattern={FORWARDED_HEADERS}",
            f"--exit-timeout-secs={DRAIN_S}",
            f"--backend-config=python,shm-region-prefix-name={self._region_prefix}",
            f"--backend-config=python,stub-timeout-seconds={int(START_TIMEOUT_S)}",
        ]

    def _refuse_taken_ports(self) -> None:
        for name in ("http_port", "grpc_port", "metrics_port"):
            port = getattr(self.address, name)
            if port_is_taken(self.address.host, port):
                option = f"--{name.replace('_', '-')}"
                raise ServerError(f"port {port} on {self.address.host} is taken; choose another with {option}")

    def _is_ready(self) -> bool:
        paths = ["/v2/health/ready", *(f"/v2/models/{name}/ready" for name in self.models)]
        return all(_answers(self.address.http + path) for path in paths)


def port_is_taken(host: str, port: int) -> bool:
    """True if nothing new can listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def failure(log_file: Path) -> str:
    """The failing model's own message in Triton's log, else its last lines."""
    text = log_file.read_text(errors="replace")
    found = re.search(r"failed to load '(\w+)' version \d+: (.+?)(?:\n\s*\n|\n?At:|\n[IWE]\d{4} |\Z)", text, re.DOTALL)
    if found:
        return f"model {found[1]}: {' '.join(found[2].split())} (log: {log_file})"
    return " / ".join(text.strip().splitlines()[-3:]) + f" (log: {log_file})"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _die_with_parent() -> None:
    """Have the kernel end Triton if the supervisor is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(group_id: int) -> None:
    try:
        os.killpg(group_id, signal.SIGKILL)
    except ProcessLookupError:
        return
