"""Flags for tritonserver that are handed to `qwen serve`: which are taken, and why others are not."""

import pytest
from typer.testing import CliRunner

from qwen_server.cli import app
from qwen_server.errors import ServerError
from qwen_server.triton_flags import check_flags


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--trace-config", "mode=opentelemetry", "--trace-config=opentelemetry,url=http://127.0.0.1:4318/v1/traces"],
        ["--metrics-config=summary_latencies=true", "--allow-gpu-metrics=false", "--metrics-interval-ms=500"],
        ["--grpc-use-ssl=true", "--grpc-server-cert", "server.crt", "--grpc-server-key", "server.key"],
        ["--backend-config=python,shm-default-byte-size=1048576"],
        ["--log-verbose=1", "--id=qwen", "--cache-config=local,size=1048576", "--http-thread-count=4"],
    ],
)
def test_flags_that_are_not_ours_are_taken(flags: list[str]) -> None:
    check_flags(flags)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--http-port=9000", "--http-port=9000: give --http-port to `qwen serve` instead"),
        ("--grpc-add", "give --host to `qwen serve` instead"),  # tritonserver takes abbreviations
        ("--log-file", "give --log-file to `qwen serve` instead"),
        ("--model-repository=/tmp", "--model-repository=/tmp: set by `qwen serve` itself"),
        ("--model-sto=/tmp", "set by `qwen serve` itself"),
        ("--load-model", "set by `qwen serve` itself"),
        ("--http-restricted-api=model-repository:a=b", "set by `qwen serve` itself"),
        ("--grpc-header-forward-pattern=.*", "set by `qwen serve` itself"),
        ("--backend-config=python,stub-timeout-seconds=1", "set by `qwen serve` itself"),
        ("--allow-vertex-ai=true", "set by `qwen serve` itself"),
        ("--", "--: give"),
    ],
)
def test_flags_of_ours_are_refused_by_name(flag: str, message: str) -> None:
    for flags in ([flag], ["--log-verbose=1", flag, "9000"]):
        with pytest.raises(ServerError) as caught:
            check_flags(flags)
        assert str(caught.value).startswith(flag)
        assert message in str(caught.value)


def test_a_value_of_its_own_is_looked_at_too() -> None:
    with pytest.raises(ServerError, match="shm-region-prefix-name=x: set by"):
        check_flags(["--backend-config", "python,shm-region-prefix-name=x"])


@pytest.mark.parametrize("words", [["gpu-24gb"], ["--", "gpu-24gb"]])
def test_a_word_that_is_no_flag_is_named(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", *words])
    assert result.exit_code == 1
    assert "'gpu-24gb' is no flag" in result.stderr
