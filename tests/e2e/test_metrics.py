"""What Triton's own figures say of our models, as docs/operations.md has it."""

import re
import time
from collections.abc import Callable
from typing import Any

from qwen_server.address import Address
from tests.plain_http import ask, post

WAIT_S = 60
COUNTER = re.compile(r'^nv_inference_(\w+){model="chart_image",(?:reason="(\w+)",)?version="1"} (\S+)$', re.MULTILINE)
CHART = '{"type": "bar", "categories": ["a"], "series": [{"name": "x", "values": [1]}]}'
BASE64 = '{"output_encoding": "base64"}'


def counters(server: Any) -> dict[str, float]:
    address = Address(server.address.host, http_port=server.address.metrics_port)
    status, text = address.ask("/metrics")
    assert status == 200
    return {f"{name}{reason}": float(value) for name, reason, value in COUNTER.findall(text.decode())}


def counted(server: Any, call: Callable[[], object], name: str) -> dict[str, float]:
    """By how much each counter grew, once `name` did: Triton counts after the answer has left."""
    before, deadline_s = counters(server), time.monotonic() + WAIT_S
    call()
    while (after := counters(server))[name] == before[name]:
        assert time.monotonic() < deadline_s
    return {one: after[one] - before[one] for one in after if after[one] != before[one]}


def test_a_request_that_its_model_refuses_counts_as_a_success(server):
    def refused() -> None:
        assert ask(server, "chart_image/generate", {"CHART": "{}", "OPTIONS": "{}"})[0] == 400

    grown = counted(server, refused, "request_success")
    assert grown["request_success"] == 1
    assert not any(name.startswith("request_failure") for name in grown)


def test_one_that_triton_refuses_counts_as_nothing(server):
    def incomplete_then_whole() -> None:
        assert ask(server, "chart_image/generate", {"CHART": CHART})[0] == 400
        post(server, "chart_image/generate", {"CHART": CHART, "OPTIONS": BASE64})

    grown = counted(server, incomplete_then_whole, "request_success")
    assert grown["request_success"] == 1
    assert not any(name.startswith("request_failure") for name in grown)
