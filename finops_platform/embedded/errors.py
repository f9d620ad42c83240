"""What the launcher refuses to do, in words meant for the person at the terminal."""


class StartRefused(Exception):
    """Something stands in the way; the message names it and says what to do about it."""
