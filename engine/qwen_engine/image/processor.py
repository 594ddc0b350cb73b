"""The processor of prompts with pictures: Qwen2VLProcessor without videos."""

from pathlib import Path

from transformers import Qwen2Tokenizer, Qwen2VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


class PictureProcessor(Qwen2VLProcessor):
    """Qwen2VLProcessor for text and pictures.

    transformers' (`models/qwen2_vl/processing_qwen2_vl.py`) requires a video processor, which needs torchvision, which
    needs its own build of torch. A constructor without a video processor is enough: the base class goes by the
    parameters' names.
    """

    def __init__(self, image_processor: Qwen2VLImageProcessorPil, tokenizer: Qwen2Tokenizer) -> None:
        super().__init__(image_processor, tokenizer)


def load_processor(folder: str | Path) -> PictureProcessor:
    """The processor of an edit checkpoint, from its `processor` folder."""
    place = Path(folder) / "processor"
    return PictureProcessor(Qwen2VLImageProcessorPil.from_pretrained(place), Qwen2Tokenizer.from_pretrained(place))
