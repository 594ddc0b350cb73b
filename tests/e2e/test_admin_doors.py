"""Triton's own doors are shut to callers without the key of this start: no code, memory, settings or figures."""

import stat
import subprocess
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client.channels import DIRECT
from qwen_server.admin_key import AdminKey
from qwen_server.home import work_folder
from tests.loading import load, unload

REGION = '{"key": "/any", "offset": 0, "byte_size": 64}'
CUDA = '{"raw_handle": {"b64": "AAAA"}, "device_id": 0, "byte_size": 64}'
HTTP = {
    "repository index": ("/v2/repository/index", "{}"),
    "model load": ("/v2/repository/models/chart_image/load", "{}"),
    "model unload": ("/v2/repository/models/chart_image/unload", "{}"),
    "model of a named repository": ("/v2/repository/any/models/chart_image/unload", "{}"),
    "model config": ("/v2/models/chart_image/config", None),
    "model config of a version": ("/v2/models/chart_image/versions/1/config", None),
    "statistics": ("/v2/models/stats", None),
    "model statistics": ("/v2/models/chart_image/stats", None),
    "trace settings": ("/v2/trace/setting", None),
    "trace to a file": ("/v2/trace/setting", '{"trace_level": ["TIMESTAMPS"], "trace_file": "/tmp/any"}'),
    "trace settings of a model": ("/v2/models/chart_image/trace/setting", '{"trace_level": ["TIMESTAMPS"]}'),
    "log settings": ("/v2/logging", None),
    "log to a file": ("/v2/logging", '{"log_file": "/tmp/any"}'),
    "memory status": ("/v2/systemsharedmemory/status", None),
    "memory registration": ("/v2/systemsharedmemory/region/any/register", REGION),
    "memory release": ("/v2/systemsharedmemory/unregister", "{}"),
    "CUDA memory status": ("/v2/cudasharedmemory/status", None),
    "CUDA memory registration": ("/v2/cudasharedmemory/region/any/register", CUDA),
}
GRPC = {
    "RepositoryIndex": service_pb2.RepositoryIndexRequest(),
    "RepositoryModelLoad": service_pb2.RepositoryModelLoadRequest(model_name="chart_image"),
    "RepositoryModelUnload": service_pb2.RepositoryModelUnloadRequest(model_name="chart_image"),
    "ModelConfig": service_pb2.ModelConfigRequest(name="chart_image"),
    "ModelStatistics": service_pb2.ModelStatisticsRequest(),
    "TraceSetting": service_pb2.TraceSettingRequest(),
    "LogSettings": service_pb2.LogSettingsRequest(),
    "SystemSharedMemoryStatus": service_pb2.SystemSharedMemoryStatusRequest(),
    "SystemSharedMemoryRegister": service_pb2.SystemSharedMemoryRegisterRequest(name="any", key="/any", byte_size=64),
    "SystemSharedMemoryUnregister": service_pb2.SystemSharedMemoryUnregisterRequest(),
    "CudaSharedMemoryStatus": service_pb2.CudaSharedMemoryStatusRequest(),
    "CudaSharedMemoryRegister": service_pb2.CudaSharedMemoryRegisterRequest(name="any", byte_size=64),
    "CudaSharedMemoryUnregister": service_pb2.CudaSharedMemoryUnregisterRequest(),
}
OPEN_HTTP = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/chart_image", "/v2/models/chart_image/ready"]
WRONG = AdminKey("0" * 64)


@pytest.fixture
def key(server) -> AdminKey:
    return AdminKey.of_server(server.address.grpc_port)


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def body(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


@pytest.mark.parametrize("door", HTTP)
@pytest.mark.parametrize("headers", [{}, WRONG.http_headers], ids=["no key", "wrong key"])
def test_a_door_is_shut_over_http(server, door, headers):
    path, text = HTTP[door]
    status, answer = server.address.ask(path, body(text), headers)
    assert status == 403, answer
    assert b"restricted" in answer


@pytest.mark.parametrize("call", GRPC)
@pytest.mark.parametrize("metadata", [{}, WRONG.grpc_metadata, WRONG.http_headers], ids=["none", "wrong", "unprefixed"])
def test_a_door_is_shut_over_grpc(stub, call, metadata):
    with pytest.raises(grpc.RpcError, match="This protocol is restricted") as caught:
        getattr(stub, call)(GRPC[call], metadata=tuple(metadata.items()))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_every_call_of_triton_s_is_either_open_or_tested_as_shut():
    calls = {method.name for method in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods}
    open_calls = {"ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer"}
    assert calls - set(GRPC) == {*open_calls, "ModelStreamInfer"}


def test_no_code_comes_in_with_a_request(server, stub, tmp_path):
    """Who may load a model with files of their own runs any code as the server's user."""
    trace = tmp_path / "was-here"
    code = f"open({str(trace)!r}, 'w').close()\nclass TritonPythonModel:\n    pass\n"
    config = '{"backend": "python", "max_batch_size": 0}'
    asked = service_pb2.RepositoryModelLoadRequest(model_name="intruder")
    asked.parameters["config"].string_param = config
    asked.parameters["file:1/model.py"].bytes_param = code.encode()
    with pytest.raises(grpc.RpcError, match="restricted"):
        stub.RepositoryModelLoad(asked)
    parameters = f'{{"parameters": {{"config": "{{}}", "file:1/model.py": "{code.encode().hex()}"}}}}'
    status, _ = server.address.ask("/v2/repository/models/intruder/load", parameters.encode())
    assert status == 403
    assert not trace.exists()
    assert not stub.ModelReady(service_pb2.ModelReadyRequest(name="intruder")).ready


@pytest.mark.parametrize("path", OPEN_HTTP)
def test_what_callers_need_is_open(server, path):
    assert server.address.ask(path)[0] == 200


def test_the_key_opens_them(server, key, stub):
    status, answer = server.address.ask("/v2/repository/index", b"{}", key.http_headers)
    assert status == 200, answer
    metadata = tuple(key.grpc_metadata.items())
    assert stub.ModelStatistics(service_pb2.ModelStatisticsRequest(), metadata=metadata).model_stats
    unload(server, "chart_image")
    try:
        assert not stub.ModelReady(service_pb2.ModelReadyRequest(name="chart_image")).ready
    finally:
        load(server, "chart_image")
    assert stub.ModelReady(service_pb2.ModelReadyRequest(name="chart_image")).ready


def test_curl_reads_the_key_from_its_file(server):
    """So that it does not stand in the process list."""
    file = work_folder(server.address.grpc_port) / "admin-key"
    command = ["curl", "-sf", "--noproxy", "*", "-H", f"@{file}", f"{server.address.http}/v2/models/stats"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "model_stats" in done.stdout


def test_the_key_is_for_its_user_alone(server, key):
    folder = work_folder(server.address.grpc_port)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("admin-key", "triton.log", "regions"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert key.secret not in server.log_file.read_text(errors="replace")
    assert key.secret not in repr(key)
    listed = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    assert any(b"qwen-admin-key=(hidden)" in line for line in listed)
    assert not any(key.secret.encode() in line for line in listed)
