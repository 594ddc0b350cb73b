"""LoRAs of the transformer, by name, from one folder only."""

import logging
import re
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_wire.errors import InvalidRequest

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # no dot, no slash: a name is no path
SUFFIX = ".safetensors"


def lora_names(folder: str | None) -> Sequence[str]:
    """The names of the folder's LoRAs. Any thread."""
    if folder is None:
        return ()
    return sorted(file.stem for file in Path(folder).glob(f"*{SUFFIX}") if NAME.fullmatch(file.stem))


class Loras:
    """The LoRAs of one checkpoint's transformer; at most `max_loaded` of them stay loaded."""

    def __init__(self, checkpoint: ImageCheckpoint, folder: str | None, max_loaded: int) -> None:
        self._pipeline = checkpoint.pipeline
        self._dtype: torch.dtype = checkpoint.pipeline.text_encoder.dtype
        self._folder = folder
        self._max_loaded = max_loaded
        self._loaded: OrderedDict[str, None] = OrderedDict()  # least recently used first
        self._active: str | None = None

    def use(self, name: str | None) -> None:
        """Use `name` from now on, loaded if necessary; None: the checkpoint without LoRAs.

        Raises:
            InvalidRequest: the file was removed, or is no LoRA for this transformer.
        """
        if name is not None:
            if name not in self._loaded:
                self._load(name)
            self._loaded.move_to_end(name)
        if name == self._active:
            return
        if name is None:
            self._pipeline.disable_lora()
        else:
            self._pipeline.enable_lora()
            self._pipeline.set_adapters(name)
        self._active = name

    def _load(self, name: str) -> None:
        if self._folder is None or name not in lora_names(self._folder):
            raise InvalidRequest(f"OPTIONS.lora is {name!r}, which is not in the folder of LoRAs any more")
        self.use(None)
        while len(self._loaded) >= self._max_loaded:
            oldest, _ = self._loaded.popitem(last=False)
            self._pipeline.delete_adapters(oldest)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several LoRAs are intended
                self._pipeline.load_lora_weights(self._folder, weight_name=name + SUFFIX, adapter_name=name)
        except Exception as error:
            log.exception("the LoRA %s cannot be loaded", name)
            raise InvalidRequest(f"OPTIONS.lora is {name!r}, whose file does not fit this checkpoint") from error
        self._loaded[name] = None
        self._make_computable(name)

    def _make_computable(self, name: str) -> None:
        """A LoRA is loaded in its layer's precision; fp8 (weights = "fp8") is for storage only."""
        for path, parameter in self._pipeline.transformer.named_parameters():
            if f".{name}." in path and parameter.dtype == torch.float8_e4m3fn:
                parameter.data = parameter.data.to(self._dtype)
