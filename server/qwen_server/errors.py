"""What the operator is told in one line."""


class ServerError(Exception):
    """The server cannot start or go on; the message says why and what to do."""
