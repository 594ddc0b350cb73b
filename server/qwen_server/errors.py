"""Errors for the operator, one line each."""


class ServerError(Exception):
    """The server cannot start or go on; the message says why and what to do."""
