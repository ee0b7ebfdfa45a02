"""Runs a service that meets a fault at an exact point: `python -m faults ACTION POINT NUMBER MODULE ARGUMENTS…`.

| point    | where                                                                                    |
|----------|------------------------------------------------------------------------------------------|
| make W   | a replica has the ticket of window W and is about to make it                             |
| write W  | window W is made, and nothing of it written                                              |
| save S   | the trainer has made step S, and its checkpoint is about to be written                   |
| saving S | all files of that checkpoint are written, and it does not have its name yet              |

stop: the process stops as under SIGSTOP, once, and goes on with SIGCONT; kill: SIGKILL; raise: an exception.
The services themselves have no such points: what is wrapped here is wrapped before their command line begins.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable


def main() -> None:
    action, point, number, module, *arguments = sys.argv[1:]
    strike = {"stop": _Stop(), "kill": _kill, "raise": _raise}[action]
    _POINTS[point](int(number), strike)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class _Stop:
    def __init__(self) -> None:
        self._done = False

    def __call__(self) -> None:
        if not self._done:
            self._done = True
            # Sent to this very thread: it does not return before all threads are stopped.
            signal.raise_signal(signal.SIGSTOP)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise ZeroDivisionError("cannot divide")


def _make(number: int, strike: Callable[[], None]) -> None:
    from flan_datagen.window import WindowMaker

    whole = WindowMaker.make

    def make(self, window, num_shards=1):
        if window == number:
            self.in_hand.dataset, self.in_hand.row = "boolq", "train/17"
            strike()
            self.in_hand.dataset, self.in_hand.row = "", ""
        return whole(self, window, num_shards)

    WindowMaker.make = make


def _write(number: int, strike: Callable[[], None]) -> None:
    from flan_datagen import produce

    whole = produce.write_window

    def write_window(client, keys, attempt, entry_id, window):
        if window.shards[0][0].window == number:
            strike()
        return whole(client, keys, attempt, entry_id, window)

    produce.write_window = write_window


def _save(number: int, strike: Callable[[], None], *, written: bool = False) -> None:
    # Without jax: the number of its threads is not fixed yet.
    from flan_trainer.engines import folder

    whole = folder.write_checkpoint

    def write_checkpoint(path, *, step, write_items, **rest):
        def strike_after(partial):
            write_items(partial)
            strike()

        if step == number and not written:
            strike()
        return whole(
            path, step=step, write_items=strike_after if step == number and written else write_items, **rest
        )

    folder.write_checkpoint = write_checkpoint


_POINTS = {
    "make": _make,
    "write": _write,
    "save": _save,
    "saving": lambda number, strike: _save(number, strike, written=True),
}

if __name__ == "__main__":
    main()
