"""The commands `aen train`, `aen evaluate` and `aen predict`: the network of a finished search."""

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from aen_agents.cli.numbers import whole_number
from aen_agents.cli.streams import say_error
from aen_agents.text import command_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from aen.training import Epoch
    from aen_agents.network.train import TrainPlan

LOG_EVERY = 10  # epochs, where the output is not a terminal


def add_network_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of a finished search's network to the command line."""
    train = commands.add_parser(
        "train",
        help="train a search's winner longer, on all training images",
        description="Train the winner of a finished search longer, on all training images: cosine schedule, early "
        "stopping on the validation images. The network is written to RUN/trained. If it is interrupted, the same "
        "command resumes it.",
    )
    train.add_argument("run_folder", type=Path, metavar="RUN", help="the run folder of a finished search")
    train.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="epochs, patience, batch_size, learning_rate, seed, start, device, threads; such as epochs=100",
    )
    train.add_argument(
        "--augment",
        action="store_true",
        default=None,
        help="move every training image at random by the network's symmetries, in every epoch",
    )
    train.add_argument(
        "--restart", action="store_true", help="train again from the start, and replace a network trained before"
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate a search's network: accuracy, confusion, calibration, transformations",
        description="Evaluate the network of a finished search and write the figures and pictures to RUN/evaluation. "
        "Evaluating on the test images is counted: the search's report has read them once already.",
    )
    evaluate.add_argument("run_folder", type=Path, metavar="RUN", help="the run folder of a finished search")
    evaluate.add_argument(
        "--model", choices=("best", "trained"), help="which network (default: trained if there is one, else best)"
    )
    evaluate.add_argument("--split", choices=("validation", "test"), help="which images (default: validation)")
    evaluate.add_argument("--data", metavar="PATH", help="another data set with the same classes, in place of a split")
    evaluate.add_argument("--json", action="store_true", help="print the figures as JSON")
    evaluate.set_defaults(run=_evaluate)

    predict = commands.add_parser(
        "predict",
        help="predict the classes of images",
        description="Predict the classes of images with the network of a finished search. Images that cannot be read "
        "are named, and the exit status is 1; the others are predicted.",
    )
    predict.add_argument("model", type=Path, metavar="MODEL", help="a run folder, or its folder best or trained")
    predict.add_argument(
        "images", nargs="+", metavar="IMAGES", help="image files, folders, npz files, or patterns such as 'a/*.png'"
    )
    output = predict.add_mutually_exclusive_group()
    output.add_argument("--csv", type=Path, metavar="FILE", help="write a csv file")
    output.add_argument("--json", action="store_true", help="print JSON")
    predict.add_argument("--batch", type=whole_number, default=256, help="images at a time (default: 256)")
    predict.set_defaults(run=_predict)


def _train(options: argparse.Namespace) -> int:
    from aen_agents.cli.safe_console import output_console
    from aen_agents.network.settings import read_settings
    from aen_agents.runs.folder import RunFolder

    settings = read_settings(options.overrides, augment=options.augment)
    run = RunFolder.open(options.run_folder)
    console = output_console(unfailing=True)
    # SIGTERM ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    from aen_agents.network.train import can_resume, train_run

    with _bars(console) as bars:
        shown = _Shown(console, bars)
        try:
            model = train_run(run, settings, restart=options.restart, on_plan=shown.plan, on_epoch=shown.epoch)
        except KeyboardInterrupt:
            # Before the first checkpoint there is nothing to resume, and an earlier network is still to be replaced.
            again = options.restart and not can_resume(run)
            flags = (("--augment", options.augment), ("--restart", again))
            words = [str(options.run_folder), *options.overrides, *(flag for flag, given in flags if given)]
            say_error(f"aen: to resume: {command_line('train', *words)}")
            raise
    if not shown.trained:
        console.print(f"{model.folder} holds this network already; nothing was trained.", highlight=False)
        return 0
    best = max(shown.curve, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss))
    console.print(
        f"kept epoch {best.number} of {len(shown.curve)}: validation accuracy {best.validation_accuracy:.1%}",
        highlight=False,
    )
    console.print(f"network: {model.folder}", highlight=False, soft_wrap=True)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from aen_agents.cli.evaluation import print_evaluation
    from aen_agents.network.evaluate import evaluate_run
    from aen_agents.runs.folder import RunFolder

    run = RunFolder.open(options.run_folder)
    found = evaluate_run(run, which=options.model, split=options.split, data=options.data)
    print_evaluation(found, as_json=options.json)
    return 0


def _predict(options: argparse.Namespace) -> int:
    from aen_agents.cli.outputs import refuse_other_kind
    from aen_agents.cli.predictions import write_predictions
    from aen_agents.network.models import find_model
    from aen_agents.network.predict import predict

    refuse_other_kind("--csv", options.csv, ".csv", ".tsv")
    model = find_model(options.model)
    predictions = predict(model, options.images, batch=options.batch)
    files = any(not name.endswith(".npz") for name in options.images) and not model.spec.data.lift_sign
    if files and model.trained_on().divides_files:
        say_error("aen: note: the network was trained on floating-point images; pixels of files are divided by 255")
    return write_predictions(predictions, csv_file=options.csv, as_json=options.json)


def _bars(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


class _Shown:
    """Shows the progress of a training: a bar in a terminal, otherwise a line now and then."""

    def __init__(self, console: "Console", bars: "Progress") -> None:
        self.console, self.bars = console, bars
        self.curve: list[Epoch] = []
        self.trained = False
        self._epochs = 0

    def plan(self, plan: "TrainPlan") -> None:
        self.trained = True
        self._epochs = int(plan.spec.training.epochs)
        more = f" ({plan.winner_images:,} in the search)" if plan.images != plan.winner_images else ""
        start = "resuming" if plan.resumes else "starting from the winner's weights" if plan.from_winner else "training"
        by = ", ".join(map(str, plan.spec.symmetries))
        augmented = f", augmented by {by}" if plan.augment else ""
        self.console.print(
            f"{start}: {plan.spec.name}, {plan.images:,} training images{more}{augmented}, at most {self._epochs} "
            f"epochs, on {plan.device}",
            highlight=False,
            soft_wrap=True,
        )
        self.task = self.bars.add_task("training", total=self._epochs)

    def epoch(self, epoch: "Epoch") -> None:
        self.curve.append(epoch)
        text = f"validation {epoch.validation_accuracy:.1%}, loss {epoch.train_loss:.3f}"
        self.bars.update(self.task, completed=epoch.number, description=text)
        if not self.console.is_terminal and (epoch.number % LOG_EVERY == 0 or epoch.number == self._epochs):
            self.console.print(f"epoch {epoch.number} of {self._epochs}: {text}", highlight=False)
