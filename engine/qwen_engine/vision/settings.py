"""Settings of `qwen3_vl`."""

from pydantic import Field

from qwen_engine.settings import CheckpointSettings, FileSettings


class VisionSettings(FileSettings, CheckpointSettings):
    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a picture, decoded from base64")
    max_batch: int = Field(16, ge=1, description="requests in a batch")
    max_pictures: int = Field(4, ge=1, le=64, description="pictures of a request")
    max_positions: int = Field(4096, ge=256, description="tokens of the pictures, the question and the answer")
    max_step_positions: int = Field(8192, ge=1, description="prompt tokens in one step; one prompt at least")
    max_input_pixels: int = Field(4096 * 4096, ge=256, description="pixels of a picture, checked before decoding")
    seen_pixels: int = Field(1024 * 1024, ge=1024, description="larger pictures are shrunk to this many pixels")
    max_question_chars: int = Field(2000, ge=1, description="of TEXT, or of all texts of OPTIONS.messages")
    max_new_tokens: int = Field(512, ge=1, description="length of an answer if the request names none")
