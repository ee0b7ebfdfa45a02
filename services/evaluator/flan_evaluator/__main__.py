"""The command line of the evaluator."""

import contextlib
import logging
import os

import click

from flan.v1 import evaluator_service_pb2_grpc
from flan_evaluator.evaluate import Evaluator
from flan_evaluator.examples import ExampleSource
from flan_evaluator.intake import Intake
from flan_evaluator.serve import NUM_THREADS, SERVICE, EvaluatorServicer
from flan_evaluator.store import Store
from flan_shared.command import listen_options, one_line_faults, run_group, stop_event
from flan_shared.serving import Server, write_ready_file
from flan_shared.telemetry import event

# Not __name__, which is __main__ here and none of the loggers that are set up.
_log = logging.getLogger("flan_evaluator.serve")


@click.command()
@click.option("--datagen", envvar="FLAN_DATAGEN", required=True, help="HOST:PORT of datagen.")
@click.option(
    "--store",
    "folder",
    envvar="FLAN_STORE",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for checkpoints, examples and results; one evaluator a folder.",
)
@listen_options
@one_line_faults("flan_evaluator")
def main(datagen: str, folder: str, listen: str, ready_file: str | None) -> None:
    """Takes checkpoints in and judges them on the clusters that were held out."""
    stop = stop_event()
    with contextlib.ExitStack() as closing:
        store = closing.enter_context(contextlib.closing(Store(folder)))
        source = closing.enter_context(contextlib.closing(ExampleSource(store, datagen)))
        evaluator = Evaluator(store, source)
        server = Server(listen, num_threads=NUM_THREADS)
        servicer = EvaluatorServicer(store, Intake(store), evaluator)
        server.add(evaluator_service_pb2_grpc.add_EvaluatorServiceServicer_to_server, servicer, SERVICE)
        address = server.start()
        evaluator.start()
        server.set_serving(True)
        write_ready_file(ready_file, address)
        event(_log, "evaluator listens", address=address, store=folder)
        stop.wait()
        event(_log, "evaluator stops", address=address)
        server.set_serving(False)
        ended = evaluator.stop()
        server.stop()
    if not ended:
        # The worker is inside a computation, most likely a compilation. The store is closed, nothing can be lost,
        # and taking the interpreter down around it could crash.
        logging.shutdown()
        os._exit(0)


if __name__ == "__main__":
    run_group(main, "flan_evaluator")
