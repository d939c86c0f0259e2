"""How the surroundings end the program: by signals, and by taking in no more of what it says."""

import os
import signal
import sys


def hangups_are_ignored() -> bool:
    """Whether whoever started this process has hangups of the terminal ignored, as nohup does."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def forget_output() -> None:
    """What is left for standard output goes nowhere: else it is tried once more at the very end, and fails again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
