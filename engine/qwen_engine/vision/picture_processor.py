"""Preprocessing for the vision tower: pictures are resized to whole patches, cut and normalised."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize


@dataclass(frozen=True, eq=False)
class PicturePatches:
    """The patches (rows * columns, values) of a picture of `width` x `height` pixels, and their grid."""

    patches: torch.Tensor
    rows: int
    columns: int
    num_tokens: int
    width: int
    height: int

    @property
    def grid(self) -> tuple[int, int, int]:
        """One frame, rows, columns."""
        return 1, self.rows, self.columns


class PictureProcessor:
    """The image processor of a checkpoint folder: transformers' one without torchvision.

    Pictures are shrunk to at most `max_pixels`, or to the checkpoint's limit.
    """

    def __init__(self, folder: Path, max_pixels: int) -> None:
        self._processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        own = self._processor.size
        largest = min(own.longest_edge, max_pixels)
        self._size = {"shortest_edge": min(own.shortest_edge, largest), "longest_edge": largest}

    def process(self, picture: Image) -> PicturePatches:
        """`picture`: mode RGB."""
        inputs = self._processor(images=self._resized(picture), do_resize=False, return_tensors="pt")
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        num_tokens = rows * columns // self._processor.merge_size**2
        return PicturePatches(inputs["pixel_values"], rows, columns, num_tokens, picture.width, picture.height)

    def _resized(self, picture: Image) -> Image:
        """In the processor's size and by its filter; itself, it would make arrays of the whole picture first."""
        height, width = smart_resize(
            picture.height,
            picture.width,
            factor=self._processor.patch_size * self._processor.merge_size,
            min_pixels=self._size["shortest_edge"],
            max_pixels=self._size["longest_edge"],
        )
        return picture.resize((width, height), self._processor.resample)
