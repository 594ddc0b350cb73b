"""Import the official `qwen_tts` package without what only its 25 Hz tokenizer needs.

`qwen_tts` imports torchaudio, sox and onnxruntime for that tokenizer alone. The torchaudio wheel does not load
beside a CPU torch, and sox prints a notice where the SoX program is missing: while the package is imported, empty
modules stand in for them.

    qwen_tts = import_qwen_tts()
    model = qwen_tts.Qwen3TTSModel.from_pretrained(folder)
"""

import contextlib
import importlib
import importlib.machinery
import io
import sys
import types

ALWAYS_REPLACED = ("sox", "onnxruntime")
REPLACED_IF_BROKEN = ("torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi")


def _loads(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError):  # OSError: its shared library does not fit this torch
        return False
    return True


def _stand_ins() -> dict[str, types.ModuleType]:
    names = ALWAYS_REPLACED if _loads(REPLACED_IF_BROKEN[-1]) else ALWAYS_REPLACED + REPLACED_IF_BROKEN
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, loader=None)  # torch asks for it
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return modules


def import_qwen_tts() -> types.ModuleType:
    """The `qwen_tts` package, imported without a notice on stdout."""
    if "qwen_tts" in sys.modules:
        return sys.modules["qwen_tts"]
    importlib.import_module("transformers")  # before the stand-ins: it asks which of these packages are installed
    stand_ins = _stand_ins()
    hidden = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a warning where flash-attn is missing
            return importlib.import_module("qwen_tts")
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(hidden)
