"""Records anew what the demo profile answers to the requests of tests/recorded: python -m tests.record_wire [MODEL ...]

Only where a change of the wire is wanted: read the diff and commit it with the change. New cases are written into the
files by hand, without answers.
"""

import sys

import grpc

from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.wire_corpus import DIRECT, Door, load, names, save


def main() -> None:
    with TritonProcess(load_profile("demo"), Address.free()) as server:
        server.wait_ready()
        with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
            for model in sys.argv[1:] or names():
                record(Door(channel), model)


def record(door: Door, model: str) -> None:
    corpus = load(model)
    for name, case in corpus["cases"].items():
        print(f"{model}: {name}", flush=True)
        case["answers"] = door.answers(model, corpus["method"], case["requests"])
    save(model, {**corpus, "tensors": door.tensors(model)})


if __name__ == "__main__":
    main()
