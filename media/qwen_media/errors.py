"""What can go wrong with a file.

MediaError
├── BadMedia        the file cannot be taken; the message goes on after the file's name, as in "is empty; send …"
├── DecodersBusy    too many files wait; the same one may be read later
└── DecoderFailed   our fault; its cause is in the log
"""


class MediaError(Exception):
    """Base of all errors of this package."""


class BadMedia(MediaError):
    """The file is not what it has to be."""


class DecodersBusy(MediaError):
    """There is no room now, or the decoders are shutting down."""


class DecoderFailed(MediaError):
    """A decoder failed; the cause was logged where it was caught."""

    def __init__(self) -> None:
        super().__init__("cannot be read: internal error; the server's log has the cause")
