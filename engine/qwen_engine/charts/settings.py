"""Settings of `chart_image`."""

from pathlib import Path

from pydantic import Field

from qwen_engine.settings import Missing, ModelSettings


class ChartSettings(ModelSettings):
    """Charts are drawn, not generated: no checkpoint, but a font with the characters of every language."""

    font_folder: str = Field("/usr/share/fonts/opentype/noto", description="of Debian's package fonts-noto-cjk")
    width: int = Field(1200, ge=1100, le=4096, description="pixels, if a request names none; charts of chains fit")
    max_pixels: int = Field(16_000_000, ge=65_536)

    def font_files(self) -> list[Path]:
        return [Path(self.font_folder, f"NotoSansCJK-{weight}.ttc") for weight in ("Regular", "Bold")]

    def missing_files(self) -> list[Missing]:
        mend = "install Debian's package fonts-noto-cjk (`make system`), or set font_folder"
        return [
            Missing(f"the font {file.name} is not in {file.parent}", mend)
            for file in self.font_files()
            if not file.is_file()
        ]
