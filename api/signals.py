"""Signals that end the program."""

import signal


def hangups_are_ignored() -> bool:
    """Whether whoever started this process has hangups of the terminal ignored, as nohup does."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
