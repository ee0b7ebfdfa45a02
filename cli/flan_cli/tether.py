"""Runs a command that ends when the process that started it ends: `python -m flan_cli.tether PID CMD…`.

PID is the starter. On Linux the kernel kills the command once the starter's thread is gone, however it went
(prctl(2), PR_SET_PDEATHSIG; it outlives the exec). Elsewhere the command merely runs: there is no such call.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


def main() -> None:
    """Becomes the command."""
    starter, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The starter may have gone before the call: then nobody will send the signal.
        if os.getppid() != int(starter):
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
