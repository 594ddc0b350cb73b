"""The CLI's commands: a module for each kind of work."""
