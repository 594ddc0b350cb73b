"""A costly request on a real server beside another caller's normal ones: how all of them end, when, and in what memory.

Times are bounded by those of normal requests in the same run, so that a slow machine does not matter.
"""

import contextlib
import itertools
import json
import math
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import grpc
import psutil
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client.channels import DIRECT
from qwen_client.messages import SequenceStep, infer_request
from qwen_server.triton_process import TritonProcess
from tests.costly_parts import Costly, Payloads, payloads
from tests.costly_requests import NORMAL

WAIT_S = 540
NUM_ALONE = 7
NUM_TRIES = 3
LEAST_S = 0.025  # a normal request takes as long in the sums below, at least: less is noise
MOST_LONGER = 5.0  # than the work it asks for, in normal requests
MOST_WAIT = 40.0  # normal requests, of the slowest beside it
MOST_TYPICAL_WAIT = 20.0
ENOUGH = 5  # of them, to say what is typical
LOOK_S = 0.1
REST_S = 1.0  # after which memory is given back
NUM_THREADS = 5  # that may come to read a request
BASE_MB = 200.0  # buffers, whatever is asked for
COPIES = 6.0  # of what is sent: gRPC's, Triton's, the shared memory's, the model's, and as floats
LEFT_MB = 80.0  # after another request of the same kind
CHAT_MODELS = ("qwen3_chat", "qwen3_chat_uint32", "voice_chat", "workflow", "storyboard", "courseware", "product_ad")


@dataclass(frozen=True)
class Outcome:
    """How a request ended: OK, or its status and message, and after how long."""

    status: str
    message: str
    took_s: float

    @property
    def ending(self) -> str:
        """What `Costly.ends` describes."""
        return f"{self.status}: {self.message}" if self.message else self.status


class Door:
    """A caller, with a connection of its own."""

    _ids = itertools.count(70_000)

    def __init__(self, server: TritonProcess, tenant: str) -> None:
        self._channel = grpc.insecure_channel(
            server.address.grpc, options=[*DIRECT, ("grpc.use_local_subchannel_pool", 1)]
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._metadata = (("qwen-tenant", tenant),)

    def ask(self, model: str, inputs: Payloads) -> Outcome:
        step = SequenceStep(next(self._ids), True, True) if model == "qwen3_asr_stream" else None
        request = infer_request(model, inputs, "", step)
        began_s, status, message = time.monotonic(), "nothing", ""
        for response in self._stub.ModelStreamInfer(iter([request]), timeout=WAIT_S, metadata=self._metadata):
            status, message = _told(response)
            if status != "OK":
                break
        return Outcome(status, message, time.monotonic() - began_s)

    def close(self) -> None:
        self._channel.close()


def _told(response: service_pb2.ModelStreamInferResponse) -> tuple[str, str]:
    if response.error_message:
        status, _, message = response.error_message.partition(": ")
        return status, message
    names = [output.name for output in response.infer_response.outputs]
    if "EVENT" in names:
        event = json.loads(response.infer_response.raw_output_contents[names.index("EVENT")][4:])
        if error := event.get("error"):
            return error["status"], error["message"]
    return "OK", ""


class Memory:
    """Of a server's processes: what each has alone, and its share of what they have together."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def now_mb(self) -> float:
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(_share_mb(process.pid) for process in [self._root, *self._root.children(recursive=True)])
        return self.now_mb()

    @contextlib.contextmanager
    def peak(self) -> Iterator[Callable[[], float]]:
        """Within the block and after it, the most there has been since it began."""
        seen_mb, done = [self.now_mb()], threading.Event()

        def look() -> None:
            while not done.wait(LOOK_S):
                seen_mb.append(self.now_mb())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield lambda: max(seen_mb)
        finally:
            done.set()
            looking.join()


def _share_mb(pid: int) -> float:
    """Its proportional set size; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("Pss:")), 0.0)


@dataclass
class Waits:
    """Of normal requests to one model."""

    alone_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)

    @property
    def unit_s(self) -> float:
        """Alone, one takes so long; where others use the machine, the slowest says it."""
        return max(LEAST_S, *self.alone_s)

    @property
    def slowest(self) -> float:
        """In units."""
        return max(self.beside_s) / self.unit_s

    @property
    def typical(self) -> float:
        """In units."""
        return statistics.median(self.beside_s) / self.unit_s


@dataclass(frozen=True)
class Run:
    """`waits` by model, the costly request's own first; `grew_mb` at most, and by how much more each time."""

    told: Outcome
    waits: dict[str, Waits]
    sent_mb: float
    grew_mb: float
    left_mb: float


def run(server: TritonProcess, costly: Costly) -> Run:
    """Send it, and normal requests to its model and another as long as it lasts."""
    inputs = costly.payloads()
    others = {model: Waits() for model in (costly.model, _other(costly.model))}
    memory = Memory(server.pid)
    with (
        contextlib.closing(Door(server, "anna")) as anna,
        contextlib.closing(Door(server, "ben")) as ben,
        ThreadPoolExecutor(1) as pool,
    ):
        for model, waits in others.items():
            waits.alone_s += [_normal(ben, model) for _ in range(NUM_ALONE)]
        before_mb = memory.now_mb()
        with memory.peak() as peak_mb:
            asked = pool.submit(anna.ask, costly.model, inputs)
            _stand_by(ben, others, asked)
        left_mb = 0.0
        if memory.now_mb() - before_mb > LEFT_MB:
            left_mb = _left_mb(memory, lambda: anna.ask(costly.model, inputs))
        return Run(asked.result(), others, _size_mb(inputs), peak_mb() - before_mb, left_mb)


def _stand_by(ben: Door, others: dict[str, Waits], asked: Future[Outcome]) -> None:
    while True:
        for model, waits in others.items():
            waits.beside_s.append(_normal(ben, model))
        if asked.done():
            return


def _left_mb(memory: Memory, again: Callable[[], Outcome]) -> float:
    """What another time leaves that those before have not: allocators keep some for each thread, and use it again."""
    left_mb = math.inf
    for _ in range(NUM_THREADS):
        if left_mb > LEFT_MB:
            before_mb = _rested_mb(memory)
            again()
            left_mb = _rested_mb(memory) - before_mb
    return left_mb


def _rested_mb(memory: Memory) -> float:
    time.sleep(REST_S)
    return memory.now_mb()


def _normal(door: Door, model: str) -> float:
    told = door.ask(model, _normal_payloads(model))
    assert told.status == "OK", (model, told)
    return told.took_s


@cache
def _normal_payloads(model: str) -> Payloads:
    inputs, options = NORMAL[model]
    return payloads(model, inputs(), options)


def _other(model: str) -> str:
    return "qwen3_asr" if model in CHAT_MODELS else "qwen3_chat"


def _size_mb(inputs: Payloads) -> float:
    items = (item for given in inputs.values() for item in ((given,) if isinstance(given, bytes) else given))
    return sum(map(len, items)) / 1e6


def assert_bounded(server: TritonProcess, costly: Costly) -> None:
    """One of several tries is within all bounds: others use the machine, too, but a fault is there each time."""
    for tries_left in reversed(range(NUM_TRIES)):
        try:
            return check(costly, run(server, costly))
        except AssertionError:
            if not tries_left:
                raise


def check(costly: Costly, run: Run) -> None:
    """It ended as the table says, and within its bounds; nobody else had to wait for it."""
    assert re.match(costly.ends, run.told.ending), run.told
    own = run.waits[costly.model]
    assert run.told.took_s <= MOST_LONGER * costly.times * own.unit_s, run
    for waits in run.waits.values():
        assert waits.slowest <= costly.holds_up * MOST_WAIT, run
        assert len(waits.beside_s) < ENOUGH or waits.typical <= costly.holds_up * MOST_TYPICAL_WAIT, run
    assert run.grew_mb <= BASE_MB + COPIES * run.sent_mb + costly.held_mb, run
    assert run.left_mb <= LEFT_MB, run
