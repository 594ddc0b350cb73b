"""The registry of models: a new model is a folder and one line of it, and all that iterates the registry serves it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson
from pydantic import Field
from small_triton import PB_UTILS, SmallRequest

from qwen_engine.loop import Model
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_engine.models import MODELS, RegisteredModel
from qwen_engine.session import Session
from qwen_engine.settings import ModelSettings
from qwen_engine.triton import serve
from qwen_server import repository
from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile
from qwen_wire.options import StreamOptions, parse_options, parse_text
from qwen_wire.tensors import MODELS as WIRES
from qwen_wire.tensors import ModelWire, Tensor

HOME = Path(__file__).resolve().parents[2]
ECHO = ModelWire("echo", (Tensor("TEXT"), Tensor("OPTIONS")), ("TEXT", "EVENT"), decoupled=True)
CONFIG = """
name: "echo"
backend: "python"
max_batch_size: 64
model_transaction_policy { decoupled: true }
input { name: "TEXT" data_type: TYPE_STRING dims: 1 }
input { name: "OPTIONS" data_type: TYPE_STRING dims: 1 }
output { name: "TEXT" data_type: TYPE_STRING dims: 1 }
output { name: "EVENT" data_type: TYPE_STRING dims: 1 }
instance_group { kind: KIND_CPU }
dynamic_batching { }
"""


class EchoSettings(ModelSettings):
    num_echoes: int = Field(2, ge=1)


class EchoEngine(Model[str]):
    """Says each text `num_echoes` times."""

    max_sessions = 4

    def __init__(self, settings: EchoSettings) -> None:
        self._num_echoes = settings.num_echoes

    def prepare(self, request: str) -> str:
        return request

    def step(self, sessions: Sequence[Session[str]]) -> bool:
        for session in sessions:
            for _ in range(self._num_echoes):
                session.emit(session.request)
            session.finish("stop")
        return True


class EchoModel(ModelSpec):
    def __init__(self, settings: EchoSettings) -> None:
        self.settings = settings
        self.engine = EchoEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[str, StreamOptions]:
        return parse_text(inputs["TEXT"], "TEXT"), parse_options(StreamOptions, inputs["OPTIONS"])

    def encode(self, event: str, context: StreamOptions) -> Outputs:
        return {"TEXT": event.encode(), "EVENT": {"type": "text"}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one more model: its folder, and its line in the registry."""
    shutil.copytree(HOME / "model_repository", tmp_path / "model_repository", symlinks=True)
    (tmp_path / "model_repository" / "echo" / "1").mkdir(parents=True)
    (tmp_path / "model_repository" / "echo" / "config.pbtxt").write_text(CONFIG)
    monkeypatch.setenv("QWEN_HOME", str(tmp_path))
    line = RegisteredModel(ECHO, EchoSettings, f"{__name__}:EchoModel")
    monkeypatch.setitem(MODELS, ECHO.name, line)  # type: ignore[arg-type]
    return tmp_path


def profile_of(home: Path, text: str) -> str:
    file = home / "mine.toml"
    file.write_text(text)
    return str(file)


def test_a_new_model_is_served_as_its_profile_says(home: Path) -> None:
    profile = load_profile(profile_of(home, "[echo]\nnum_echoes = 3\ninstances = 2\n"))
    (model,) = repository.served_models(profile, "127.0.0.1:8001")
    assert (model.name, model.config.instance_group[0].count) == ("echo", 2)
    config = MessageToJson(model.config, preserving_proto_field_name=True)
    adapter = serve(PB_UTILS, {"model_name": "echo", "model_config": config})
    request = SmallRequest(inputs={"TEXT": b"hello"})
    adapter.execute([request])
    assert request.outcome().event["finish_reason"] == "stop"
    adapter.close()
    said = [one.items[0, 0] for response in request.sent for one in response.tensors if one.name == "TEXT"]
    assert said == [b"hello"] * 3 + [b""]


def test_a_new_model_s_section_is_checked(home: Path) -> None:
    with pytest.raises(ServerError, match=r"echo\.num_echoes = '0'"):
        load_profile(profile_of(home, "[echo]\nnum_echoes = 0\n"))


def test_the_registry_has_the_models_of_the_wire_in_its_order() -> None:
    assert [model.wire for model in MODELS.values()] == list(WIRES)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_line_names_a_spec(model: RegisteredModel) -> None:
    assert issubclass(model.load(), ModelSpec)
