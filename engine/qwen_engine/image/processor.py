"""What reads pictures together with a prompt: Qwen2VLProcessor without its half for videos."""

from pathlib import Path

from transformers import Qwen2Tokenizer, Qwen2VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


class PictureProcessor(Qwen2VLProcessor):
    """Qwen2VLProcessor for text and pictures.

    transformers' (`models/qwen2_vl/processing_qwen2_vl.py`) also wants a video processor, which needs torchvision; that
    one installs only beside its own build of torch. A constructor that names no video processor is all it takes: the
    base class goes by the parameters' names.
    """

    def __init__(self, image_processor: Qwen2VLImageProcessorPil, tokenizer: Qwen2Tokenizer) -> None:
        super().__init__(image_processor, tokenizer)


def load_processor(folder: str | Path) -> PictureProcessor:
    """The processor of an edit checkpoint, from its `processor` folder."""
    place = Path(folder) / "processor"
    return PictureProcessor(Qwen2VLImageProcessorPil.from_pretrained(place), Qwen2Tokenizer.from_pretrained(place))
