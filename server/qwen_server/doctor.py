"""`qwen doctor`: what the server needs of this machine, checked one by one, with the way to mend each."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qwen_client import Client
from qwen_server import checkpoints, shared_memory
from qwen_server.address import Address, port_is_taken
from qwen_server.checkpoint_files import damaged_files, wrong_layout
from qwen_server.errors import ServerError
from qwen_server.home import project_home
from qwen_server.installation import MEND, find_triton, stub_version
from qwen_server.profiles import load_profile
from qwen_wire.errors import QwenError

MIN_SHARED_MEMORY_MB = 256
MIN_DISK_MB = 1024
MB = 1 << 20
ANSWER_S = 2.0


@dataclass(frozen=True)
class Check:
    """`mend` says what to do where `ok` is False."""

    name: str
    ok: bool
    found: str
    mend: str = ""


def examine(profile: str) -> list[Check]:
    """Run all checks; none raises."""
    checks: dict[str, Callable[[], Iterable[Check]]] = {
        "Python": lambda: [_python()],
        "libpython": lambda: [_libpython()],
        "numpy": lambda: [_numpy()],
        "Triton": lambda: [_triton()],
        "shared memory": lambda: [_shared_memory()],
        "disk": lambda: [_disk()],
        "GPU": lambda: [_gpu(profile)],
        "ports": _ports,
        "checkpoints": lambda: _checkpoints(profile),
    }
    return [check for name, examined in checks.items() for check in _examined(name, examined)]


def _examined(name: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    """What a check found, or what kept it from finding anything."""
    try:
        return list(check())
    except (ServerError, OSError, subprocess.SubprocessError, importlib.metadata.PackageNotFoundError) as error:
        return [Check(name, False, f"not checked: {error or type(error).__name__}", "see what was found")]


def report(checks: list[Check], *, as_json: bool) -> None:
    """Print to stdout, as a table or as a JSON array."""
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
        return
    table = Table("check", "", "found", "how to mend")
    for check in checks:
        table.add_row(check.name, "ok" if check.ok else "[red]wrong[/red]", check.found, "" if check.ok else check.mend)
    Console().print(table)


def _python() -> Check:
    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check("Python", ok, stub_version(), "use Python 3.11 (or 3.12 in the container)")


def _libpython() -> Check:
    """The stub is an executable linked against libpython; a static interpreter has none."""
    library = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("INSTSONAME")
    mend = "use an interpreter with a shared library, such as Debian's python3 with the package libpython3.11"
    return Check("libpython", library.suffix != ".a" and library.exists(), str(library), mend)


def _numpy() -> Check:
    version = importlib.metadata.version("numpy")
    return Check("numpy", version.startswith("1."), version, "pip install 'numpy<2' (the Triton stub needs it)")


def _triton() -> Check:
    with tempfile.TemporaryDirectory() as folder:
        try:
            installation = find_triton(Path(folder))
        except ServerError as error:
            return Check("Triton", False, str(error), MEND)
        answer = subprocess.run(
            [installation.binary, "--help"],
            env=installation.environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
    starts = b"model-repository" in answer.stdout + answer.stderr
    return Check("Triton and stub", starts, str(installation.binary), f"{MEND}; its libraries do not load")


def _shared_memory() -> Check:
    return _free(
        "shared memory", shared_memory.FOLDER, MIN_SHARED_MEMORY_MB, "remove old files there, or mount it larger"
    )


def _disk() -> Check:
    return _free("disk", project_home(), MIN_DISK_MB, "free some space")


def _free(name: str, folder: Path, needed_mb: int, mend: str) -> Check:
    free_mb = shutil.disk_usage(folder).free // MB
    return Check(name, free_mb >= needed_mb, f"{free_mb} MB free at {folder}", f"{mend} ({needed_mb} MB are needed)")


def _gpu(profile: str) -> Check:
    """A machine without a GPU is fine where the profile runs on the CPU."""
    on_gpu = _models_on_gpu(profile)
    tool = shutil.which("nvidia-smi")
    if tool is None:
        if on_gpu:
            mend = "choose a profile for the CPU, such as demo, or a machine with an NVIDIA GPU and its driver"
            return Check("GPU", False, f"none, but {profile} runs {', '.join(on_gpu)} on one", mend)
        return Check("GPU", True, "none; profiles for the CPU only")
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return Check("GPU", answer.returncode == 0, answer.stdout.strip(), "the driver does not answer; run nvidia-smi")


def _models_on_gpu(profile: str) -> list[str]:
    try:
        models = load_profile(profile).models
    except ServerError:  # which has a check of its own
        return []
    return [name for name, settings in models.items() if str(getattr(settings, "device", "cpu")).startswith("cuda")]


def _ports() -> Iterator[Check]:
    address = Address()
    server = _running_server(address)
    for name in ("http_port", "grpc_port", "metrics_port"):
        port = getattr(address, name)
        taken = port_is_taken(address.host, port)
        found = "free" if not taken else f"taken by {server}" if server else "taken"
        mend = f"stop what listens there, or `qwen serve --{name.replace('_', '-')} OTHER`"
        yield Check(f"port {port}", not taken, found, mend)


def _running_server(address: Address) -> str:
    """What answers at the usual address, where it is a Triton server."""
    try:
        with Client(address.grpc, timeout_s=ANSWER_S, retries=0) as client:
            health = client.health()
    except QwenError:
        return ""
    served = [name for name, ready in health.models.items() if ready]
    return f"a Triton server that serves {', '.join(served)}" if served else "a Triton server"


def _checkpoints(profile: str) -> Iterator[Check]:
    try:
        models = load_profile(profile).models
    except ServerError as error:
        yield Check("profile", False, str(error), "correct the file")
        return
    for name, settings in models.items():
        for missing in settings.missing_files():
            yield Check(f"files of {name}", False, missing.what, missing.mend)
        for field, checkpoint in settings.checkpoints().items():
            yield _checkpoint(f"{field} of {name}", checkpoint, profile)


def _checkpoint(name: str, checkpoint: str, profile: str) -> Check:
    try:
        folder = checkpoints.resolve(checkpoint)
    except ServerError as error:
        return Check(name, False, str(error), _restoring(checkpoint, profile))
    if mend := wrong_layout(folder):
        return Check(name, False, str(folder), mend)
    damaged = checkpoints.told(damaged_files(folder), folder)
    return Check(name, not damaged, "; ".join(damaged) or str(folder), _restoring(checkpoint, profile))


def _restoring(checkpoint: str, profile: str) -> str:
    """How to get missing or damaged files of a checkpoint."""
    folder = checkpoints.local_folder(checkpoint)
    if not checkpoint.startswith("demo/"):
        return f"qwen pull {profile}" if folder is None else "copy the folder again from where it comes from"
    if folder is None or not folder.is_relative_to(project_home()):
        return "pip install --force-reinstall --no-deps qwen-triton-demo"
    return "git checkout demo/checkpoints, or `make demo-checkpoints`"
