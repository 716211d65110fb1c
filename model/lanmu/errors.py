"""What every error about a user's input is."""


class LanmuError(ValueError):
    """Input that lanmu can't use; the message says what is wrong, where, and what to do."""
