"""The gateway beside Triton: started, waited for, started again where it ends, stopped."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from qwen_gateway.settings import SETTINGS_VARIABLE, GatewaySettings
from qwen_server.address import ANY, port_is_taken
from qwen_server.child import die_with_parent, kill_group
from qwen_server.errors import ServerError
from qwen_server.private_files import make_folders, open_private
from qwen_server.triton_process import TritonProcess

START_TIMEOUT_S = 60.0
STOP_S = 20.0
PAUSE_S = 1.0  # between two starts


class GatewayProcess:
    """Runs `python -m qwen_gateway` for the length of a with-block.

    with GatewayProcess(profile.gateway, "127.0.0.1", 8080, folder / "gateway.log") as gateway:
        gateway.wait_ready()
    """

    def __init__(self, settings: GatewaySettings, host: str, port: int, log_file: Path, workers: int = 1) -> None:
        self._host, self._port = ANY.get(host, host), port
        self.url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"
        self._settings = settings
        self._command = [sys.executable, "-m", "qwen_gateway", host, str(port), str(workers)]
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0

    @classmethod
    def beside(cls, server: TritonProcess, port: int) -> "GatewayProcess":
        """One in front of `server`, on the same host; its log stands beside Triton's."""
        place = server.address
        settings = server.profile.gateway.model_copy(
            update={"triton": (place.grpc,), "triton_http": (place.http.removeprefix("http://"),)}
        )
        return cls(settings, server.address.host, port, server.log_file.with_name("gateway.log"))

    def __enter__(self) -> "GatewayProcess":
        if port_is_taken(self._host, self._port):
            raise ServerError(
                f"port {self._port} on {self._host} is taken; choose another with --port, or --no-gateway"
            )
        make_folders(self._log_file.parent)
        self._log = os.fdopen(open_private(self._log_file), "wb")
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            kill_group(process.pid)
            process.wait()
            self._log.close()

    @property
    def pid(self) -> int:
        """Process id of the gateway."""
        assert self._process is not None
        return self._process.pid

    def wait_ready(self) -> None:
        """Return once it answers. Raises `ServerError` where it ends instead, or takes too long."""
        end_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"the gateway ended while starting; see {self._log_file}")
            if time.monotonic() > end_s:
                raise ServerError(f"the gateway was not ready within {START_TIMEOUT_S:g} s; see {self._log_file}")
            time.sleep(0.05)

    def keep_running(self, tell: Callable[[str], object]) -> None:
        """Start it again where it has ended by itself; `tell` what happened."""
        process = self._process
        if process is None or process.poll() is None or time.monotonic() - self._started_s < PAUSE_S:
            return
        kill_group(process.pid)
        tell(f"the gateway ended with status {process.returncode} and is started again; see {self._log_file}")
        self._start()

    def _start(self) -> None:
        self._started_s = time.monotonic()
        environment = {**os.environ, SETTINGS_VARIABLE: self._settings.model_dump_json()}
        self._process = subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is ours to pass on
            preexec_fn=die_with_parent,
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=1.0)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
