"""Results that are documents."""

from abc import ABC, abstractmethod

from qwen_client.documents.blocks import Block
from qwen_client.documents.html import html_of
from qwen_client.documents.markdown import markdown


class Document(ABC):
    """A result that is written down as blocks."""

    @property
    @abstractmethod
    def _language_code(self) -> str:
        """Of its text."""

    @abstractmethod
    def _blocks(self) -> list[Block]: ...

    def as_markdown(self) -> str:
        """The document as `save` writes it."""
        return markdown(self._blocks(), self._language_code)

    def _repr_html_(self) -> str:
        return html_of(self._blocks(), self._language_code)
