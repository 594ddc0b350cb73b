"""The server under load: a running one, or one of the test's own."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from rich.console import Console

from qwen_server.admin_key import AdminKey
from qwen_server.profiles import Profile, load_profile
from qwen_server.triton_process import Address, TritonProcess

MIB = 1 << 20

console = Console(stderr=True)


def parse_url(description: str) -> str | None:
    """The command line of a load test: a gRPC address, or nothing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", help="gRPC address of a running server; without it one is started for the test")
    url: str | None = parser.parse_args().url
    return url


@contextmanager
def server_at(url: str | None) -> Iterator[str]:
    """The gRPC address of the server at `url`, or of one that serves the demo profile within the with-block."""
    if url:
        yield url
        return
    with serving(load_profile("demo")) as server:
        yield server.address.grpc


@contextmanager
def serving(profile: Profile) -> Iterator[TritonProcess]:
    """A server of the test's own, ready."""
    with TritonProcess(profile, Address.free()) as server:
        with console.status(f"starting a server; log: {server.log_file}"):
            server.wait_ready()
        yield server


def admin_key(url: str) -> AdminKey:
    """The key of the server at `url`, of this machine; that of another one has to be copied to where it would be.

    Raises:
        ServerError: no key there; the message names the file.
    """
    return AdminKey.of_server(int(url.rpartition(":")[2]))


def resident_mib(process: psutil.Process) -> float:
    """The memory that `process` and its children hold."""
    processes = [process, *process.children(recursive=True)]
    return float(sum(one.memory_info().rss for one in processes)) / MIB
