"""Training the winner of a search longer, on all training images: the folder ``trained`` of a run."""

import json
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from aen._files import make_folder, sync_folder
from aen._reading import MALFORMED, MAX_SMALL, read_json, sealed
from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.data import TrainedOn, load_dataset, preprocessing_of
from aen.data.trained_on import TRAINED_ON_FILE
from aen.errors import DataError, RunFolderError, StoreError
from aen.training import Epoch, LongTraining, check_device, check_threads, choose_device, save_weights, train_longer
from aen.training.weights import what_is_wrong_with
from aen_agents.errors import full_disk_problem
from aen_agents.network.models import (
    BEST,
    PREPROCESSING_FILE,
    TRAINED,
    TRAINING_FILE,
    Model,
    find_run_model,
)
from aen_agents.network.pictures import training_curve
from aen_agents.network.settings import LEAST_EPOCHS, TIMES, TrainSettings
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.folders import lock_folder
from aen_agents.text import command

_WORK = "training"  # the folder of an unfinished training in the run folder
_CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class TrainPlan:
    """A training that is about to start.

    Attributes:
        spec: the network, with the data, epochs and seed of this training.
        images: number of training images.
        winner_images: on how many the winner was trained in the search.
        patience: see `aen.training.train_longer`.
        from_winner: whether it starts from the winner's weights.
        augment: whether images are moved by the network's symmetries.
        device: where it runs.
        resumes: whether there is a checkpoint to resume from.
    """

    spec: ChildSpec
    images: int
    winner_images: int
    patience: int
    from_winner: bool
    augment: bool
    device: str
    resumes: bool


def train_run(
    run: RunFolder,
    settings: TrainSettings | None = None,
    *,
    restart: bool = False,
    on_plan: Callable[[TrainPlan], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Model:
    """Train the winner of a finished search longer, on all training images, and write it to ``trained/`` of the run.

    The validation images stay what they were in the search and stop the training; the test images are not used. What
    is interrupted continues when it is called again with the same settings. ``trained/`` appears complete, in place of
    an earlier one.

    Args:
        run: the run folder.
        settings: how it is trained.
        restart: forget an unfinished training and train again, even if there is a trained network with these settings.
        on_plan: called once before the training.
        on_epoch: called with every epoch, those before a resume too.

    Returns:
        The trained network.

    Raises:
        RunFolderError: the run has no winner, is in use, or cannot be written.
        DataError: the data is not there, or has changed since the search.
        SpecError: the settings do not fit the network.
        StoreError: an unfinished training with other settings is there.
    """
    settings = settings or TrainSettings()
    winner = find_run_model(run, BEST)
    with lock_folder(run.path, f"{run.path} is in use by a search or another training; wait until it ends."):
        work = run.path / _WORK
        try:
            if restart and work.is_dir():
                shutil.rmtree(work)
            plan = _plan(run, winner, settings)
            if not restart and not plan.resumes and _holds(run.path / TRAINED, plan, settings):
                return find_run_model(run, TRAINED)
            on_plan(plan)
            make_folder(work)
            trained = _train(run, winner, plan, settings, on_epoch)
            _write(work / TRAINED, trained, plan, settings)
            _replace(work / TRAINED, run.path / TRAINED)
            shutil.rmtree(work)
        except (OSError, RunFolderError) as error:
            problem = full_disk_problem(error)
            if problem is not None:
                again = f"`{command()} train {shlex.quote(str(run.path))}`"
                raise RunFolderError(
                    f"{problem}; make room, then resume with {again} and the same settings."
                ) from error
            if isinstance(error, OSError):
                raise RunFolderError(f"{error.filename or work} cannot be written: {error.strerror}.") from error
            raise
        finally:
            with suppress(OSError):
                work.rmdir()  # of a training that did not begin
    return find_run_model(run, TRAINED)


def _plan(run: RunFolder, winner: Model, settings: TrainSettings) -> TrainPlan:
    device = choose_device() if settings.device == "auto" else settings.device
    check_device(device)
    check_threads(settings.threads)
    before = winner.spec
    epochs = settings.epochs or max(round(TIMES * before.training.epochs), LEAST_EPOCHS)
    training = replace(
        before.training,
        epochs=epochs,
        batch_size=settings.batch_size or before.training.batch_size,
        learning_rate=settings.learning_rate or before.training.learning_rate,
    )
    seed = before.seed if settings.seed is None else settings.seed
    data = replace(before.data, all_training=True)
    spec = replace(before, data=data, training=training, seed=seed, parent=None)
    mixed = winner.child.architecture() is not None
    start = settings.start or ("winner" if mixed else "initial")
    try:
        images = len(load_dataset(data).train.labels)
    except DataError as error:
        raise DataError(f"the data of {run.path} cannot be used: {error}") from error
    return TrainPlan(
        spec=spec,
        images=images,
        winner_images=before.data.train,
        patience=-(-epochs // 3) if settings.patience is None else settings.patience,
        from_winner=start == "winner",
        augment=settings.augment,
        device=device,
        resumes=can_resume(run),
    )


def can_resume(run: RunFolder) -> bool:
    """Return whether there is an unfinished training of a run that can be resumed."""
    return (run.path / _WORK / _CHECKPOINT).is_file()


def _train(
    run: RunFolder, winner: Model, plan: TrainPlan, settings: TrainSettings, on_epoch: Callable[[Epoch], None]
) -> LongTraining:
    checkpoint = run.path / _WORK / _CHECKPOINT
    try:
        return train_longer(
            plan.spec,
            load_dataset(plan.spec.data),
            patience=plan.patience,
            augment=plan.augment,
            start=winner.child if plan.from_winner else None,
            checkpoint=checkpoint,
            device=plan.device,
            threads=settings.threads,
            on_epoch=on_epoch,
        )
    except StoreError as error:
        raise StoreError(f"{error} `{command()} train {shlex.quote(str(run.path))} --restart` does.") from error


def _holds(folder: Path, plan: TrainPlan, settings: TrainSettings) -> bool:
    """Return whether a trained network is there, intact, that was trained with the same settings.

    Raises:
        RunFolderError: one is there that was trained with others.
    """
    file = folder / TRAINING_FILE
    try:
        there = read_json(file, MAX_SMALL)["config"]
    except (OSError, *MALFORMED):
        return False
    here = _config(plan, settings)
    changed = sorted(name for name in here if there.get(name) != here[name])
    if changed:
        what = ", ".join(f"{name} is {there.get(name)} there, {here[name]} here" for name in changed)
        raise RunFolderError(
            f"{folder} holds a network that was trained with other settings: {what}. --restart trains it again and "
            "replaces it."
        )
    return what_is_wrong_with(plan.spec.key, folder / "weights.safetensors") is None


def _config(plan: TrainPlan, settings: TrainSettings) -> JsonDict:
    training = plan.spec.training
    return {
        "epochs": training.epochs,
        "patience": plan.patience,
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "seed": plan.spec.seed,
        "start": "winner" if plan.from_winner else "initial",
        "augment": plan.augment,
        "device": plan.device,
        "threads": settings.threads,
    }


def _write(folder: Path, trained: LongTraining, plan: TrainPlan, settings: TrainSettings) -> None:
    """Write a trained network to a new folder."""
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir()
    spec = plan.spec
    save_weights(trained.child, folder / "weights.safetensors")
    write_json(folder / "spec.json", spec.to_json())
    preprocessing = preprocessing_of(spec.data)
    write_json(folder / PREPROCESSING_FILE, sealed(preprocessing.to_json()))
    known = TrainedOn.of(spec.data, spec.classes, preprocessing)
    write_json(folder / TRAINED_ON_FILE, known.to_json())
    content = {
        "config": _config(plan, settings),
        "train_images": plan.images,
        "augmented_by": [str(generator) for generator in spec.symmetries] if plan.augment else [],
        "best_epoch": trained.best.number,
        "validation_accuracy": trained.best.validation_accuracy,
        "stopped": trained.stopped,
        "class_names": list(known.class_names),
        "curve": [epoch.to_json() for epoch in trained.curve],
        "aen": version("aen"),
    }
    write_json(folder / TRAINING_FILE, content)
    write_file(folder / "training.svg", training_curve(trained.curve, trained.best))


def write_json(file: Path, content: JsonDict) -> None:
    """Write a JSON file."""
    write_file(file, json.dumps(content, indent=2) + "\n")


def _replace(new: Path, folder: Path) -> None:
    """Put a folder in place of an existing one; between the two steps the unfinished training still has it."""
    if folder.is_dir():
        old = new.with_name("replaced")
        if old.is_dir():
            shutil.rmtree(old)
        folder.rename(old)
    new.rename(folder)
    sync_folder(folder.parent)
