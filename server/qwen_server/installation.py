"""The Triton installation: the container's on PATH, else the one inside the nvidia-pytriton package."""

import importlib.metadata
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from qwen_server.errors import ServerError

MEND = "run `make env`, or `pip install --no-deps nvidia-pytriton==0.7.0`"


@dataclass(frozen=True)
class Installation:
    """`backends` is a folder with a python backend whose stub fits this interpreter."""

    binary: Path
    backends: Path
    shared_libraries: tuple[Path, ...]

    def environment(self) -> dict[str, str]:
        """The environment to start `binary` with.

        The stub takes its packages from the first python3 on PATH, and its libpython from LD_LIBRARY_PATH: the
        running interpreter's has to come first there.
        """
        libraries = [str(path) for path in self.shared_libraries] + [os.environ.get("LD_LIBRARY_PATH", "")]
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")]),
            "LD_LIBRARY_PATH": os.pathsep.join(entry for entry in libraries if entry),
        }


def find_triton(work_folder: Path) -> Installation:
    """Find Triton; what has to be laid out for it goes into `work_folder`.

    Raises:
        ServerError: no tritonserver, or none with a stub for this Python.
    """
    on_path = shutil.which("tritonserver")
    if on_path:
        binary = Path(on_path).resolve()
        return Installation(binary, binary.parents[1] / "backends", ())
    return _from_wheel(_wheel_folder(), work_folder)


def stub_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _wheel_folder() -> Path:
    """site-packages with pytriton/ and nvidia_pytriton.libs/ in it."""
    try:
        distribution = importlib.metadata.distribution("nvidia-pytriton")
    except importlib.metadata.PackageNotFoundError as error:
        raise ServerError(f"tritonserver is neither on PATH nor is nvidia-pytriton installed; {MEND}") from error
    return Path(str(distribution.locate_file("")))


def _from_wheel(site_packages: Path, work_folder: Path) -> Installation:
    triton = site_packages / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / stub_version() / "triton_python_backend_stub"
    if not stub.is_file():
        versions = sorted(path.name for path in stub.parents[1].iterdir())
        raise ServerError(f"no Triton stub for Python {stub_version()}; there are stubs for {', '.join(versions)}")
    backend = work_folder / "backends" / "python"
    shutil.rmtree(backend, ignore_errors=True)
    backend.mkdir(parents=True)
    for file in [stub, *(triton / "backends" / "python").iterdir()]:
        if file.is_file():
            (backend / file.name).symlink_to(file)
    shared_libraries = (Path(sysconfig.get_config_var("LIBDIR")), site_packages / "nvidia_pytriton.libs")
    return Installation(triton / "bin" / "tritonserver", backend.parent, shared_libraries)
