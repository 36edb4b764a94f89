"""The configuration of a search: YAML and overrides, validated; an unknown key is an error."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.config_errors import Alternatives, explain

PROJECT_CONFIGS = Path(__file__).resolve().parents[2] / "configs"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DataConfig(_Section):
    """The images; see `aen.data.DataSpec`."""

    name: str = Field("digits", description="name of the data set; `aen data list` shows them")
    train: int = Field(600, gt=0, description="training images")
    validation: int = Field(597, gt=0, description="validation images; they choose")
    test: int = Field(600, gt=0, description="test images; read once, at the end")
    split_seed: int = Field(0, ge=0, description="decides which image falls into which split")
    moves: tuple[str, ...] = Field((), description="generators by which each image is moved once")
    angles: Literal["quarter", "any"] = Field("quarter", description="what rot90 among the moves turns by")
    moves_seed: int = Field(0, ge=0, description="decides how each image is moved")


class DenseConfig(_Section):
    """A dense child network; see `aen.children.DenseSpec`."""

    kind: Literal["dense"] = Field("dense", description="what the child is made of")
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field((16, 16), min_length=1, description="hidden grids' sides")
    head: Literal["free", "invariant"] = Field("free", description="what stands after the last hidden grid")
    bias: Literal["orbit", "scalar_after_relu"] = Field("orbit", description="the layers' bias")
    initialisation: Literal["fan_in", "published"] = Field("fan_in", description="range of the initial weights")
    layerwise: bool = Field(False, description="whether each layer chooses factors of its own")


class GCNNConfig(_Section):
    """A convolutional child network; see `aen.children.GCNNSpec`."""

    kind: Literal["gcnn"] = Field("gcnn", description="what the child is made of")
    width: int = Field(20, gt=0, le=1000, description="fields of each convolution where the group is C1")
    widths: Literal["level", "published"] = Field(
        "level", description="level: all groups' children have about as many parameters"
    )
    kernel_size: int = Field(3, gt=0, le=15, description="of the convolutions")
    padding: Literal["none", "same"] = Field("none", description="same is for small images")
    norm: Literal["none", "batch"] = Field("none", description="batch norm before every ReLU of a convolution, or none")
    head: Literal["flatten", "invariant"] = Field(
        "flatten", description="what the dense layers read; invariant: the mean over group and space"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="after the first dense layer")
    backend: Literal["native", "escnn"] = Field("native", description="escnn has finer turns, too")


class EquiNASConfig(_Section):
    """The backbone of EquiNAS, with a group for each layer; see `aen.children.EquiNASSpec`."""

    kind: Literal["equinas"] = Field("equinas", description="what the child is made of")
    base: str = Field("D4", description="the largest group: D4 or one of its subgroups")
    width: int = Field(16, gt=0, le=1000, description="fields of the largest group in the first four convolutions")
    kernel_size: int = Field(5, gt=0, le=15, description="of the convolutions, odd")
    dense: int | None = Field(None, gt=0, description="width of the dense layer; null: 64, and 128 from 64 pixels up")
    poolings: tuple[int, ...] | None = Field(
        None, description="convolutions, from 1, that are followed by a pooling; null: down to a side of 4"
    )
    published: bool = Field(False, description="pooling, norm and head as published: not exactly equivariant")


CHILDREN: Mapping[str, type[BaseModel]] = {"dense": DenseConfig, "gcnn": GCNNConfig, "equinas": EquiNASConfig}


def _child_kind(value: object) -> str | None:
    """Say which kind of child a section is about: the one it names, dense if it names none."""
    return str(value.get("kind", "dense")) if isinstance(value, dict) else getattr(value, "kind", None)


ChildConfig = Annotated[
    Annotated[DenseConfig, Tag("dense")]
    | Annotated[GCNNConfig, Tag("gcnn")]
    | Annotated[EquiNASConfig, Tag("equinas")],
    Discriminator(_child_kind),
]


class SpaceConfig(_Section):
    """What is on offer, for child.kind=gcnn; see `aen.spaces.GCNNSpace`. For child.kind=equinas: groups, as a list."""

    groups: Literal["bits"] | tuple[str, ...] = Field(
        "bits", description="bits: rot90, vflip and hflip, each on or off; or a list of groups, C1 among them"
    )
    augmentations: tuple[str, ...] | None = Field(None, description="names of those on offer; null: all six")
    size_factors: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        (1.0, 1.5), min_length=1, description="factors on all widths, 1 among them"
    )
    kernel_sizes: tuple[Annotated[int, Field(gt=0, le=15)], ...] | None = Field(
        None, min_length=1, description="of the convolutions; null: child.kernel_size alone"
    )
    stage_widths: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        (1.0,), min_length=1, description="factors on the widths of the first two and of the last two convolutions"
    )


class TrainingConfig(_Section):
    """How a child is trained; see `aen.children.TrainingSpec`."""

    epochs: float = Field(30, gt=0, allow_inf_nan=False, description="whole for dense children")
    batch_size: int = Field(64, gt=0)
    learning_rate: float = Field(1e-2, gt=0, allow_inf_nan=False)
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 is for CUDA")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="the dense child knows adam only")
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd")


class EnvironmentConfig(_Section):
    """The environment.

    It is `aen/GroupDecomposition-v0` for dense children, `aen/LayerwiseGroup-v0` where their layers choose by
    themselves, `aen/GCNNDesign-v0` for G-CNNs, `aen/LayerwiseRelaxation-v0` for the backbone of EquiNAS.
    """

    reward: Literal["paper", "delta", "improvement"] = Field("delta", description="see the environment")
    reference: Literal["untied", "rot90"] = Field(
        "untied", description="by whose accuracy rewards are measured; rot90, the child of C4, is for child.kind=gcnn"
    )
    horizon: int = Field(6, gt=0, description="changes per episode")
    n_envs: int | None = Field(
        None,
        gt=0,
        le=10_000,
        description="environments that walk side by side; null: 1, and with evaluator.kind=ray enough for every worker",
    )
    collect: Literal["lockstep", "asynchronous"] | None = Field(
        None,
        description="whether environments wait for each other; null: only with evaluator.kind=local",
    )
    stop_action: bool = Field(False, description="whether the agent may end an episode")
    inherit: bool = Field(
        True, description="for child.kind=equinas: whether children go on from their parents' weights"
    )
    slices: int = Field(
        10,
        gt=0,
        description="for child.kind=equinas: trainings per episode after the first; they share training.epochs",
    )
    parameter_price: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="for child.kind=equinas: of growing by the start's parameters"
    )


class BudgetConfig(_Section):
    """When exploring ends: at the first of these, or when every class is known. The exhaustive agent heeds neither."""

    children: int = Field(60, gt=0, description="first visits, of what the agent counts")
    steps: int = Field(5000, gt=0, description="environment steps")


class DQNConfig(_Section):
    """The DQN agent. The defaults are the tuned ones; configs/agents/dqn_paper.yaml has the published ones."""

    name: Literal["dqn"] = Field("dqn", description="the algorithm")
    first_visits: Literal["classes", "states"] = Field("classes", description="what budget and epsilon count")
    layers: tuple[Annotated[int, Field(gt=0)], ...] = Field((128, 128), min_length=1, description="of the Q-network")
    input_scale: float = Field(1.0, gt=0, description="the Q-network sees bits times this")
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False, description="of Adam")
    discount: float = Field(0.5, ge=0, lt=1)
    batch_size: int = Field(64, gt=0, description="transitions per gradient step")
    replay_size: int = Field(10_000, gt=0, description="transitions kept")
    learn_after: int = Field(32, gt=0, description="transitions held at the first gradient step")
    gradient_steps: int = Field(4, gt=0, description="per environment step")
    max_gradient_norm: float | None = Field(10.0, gt=0, description="null: no clipping")
    target_update: Literal["even_children"] | Annotated[int, Field(gt=0)] = Field(
        50, description="copy the target network every so many steps, or at every step while the count is even"
    )
    epsilon_unit: Literal["fraction", "visits"] = Field(
        "fraction", description="what the schedule's first numbers are: fractions of the number of classes, or visits"
    )
    epsilon: tuple[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0, le=1)]], ...] = Field(
        ((0.0, 1.0), (0.08, 0.6), (0.16, 0.4), (0.24, 0.3)),
        min_length=1,
        description="(from, epsilon), ascending; the first from is 0",
    )

    @pydantic.field_validator("epsilon")
    @classmethod
    def _ascending(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        starts = [start for start, _ in value]
        if starts[0] != 0 or sorted(set(starts)) != starts:
            raise ValueError("the schedule must begin at 0 and ascend")
        return value


class ExhaustiveConfig(_Section):
    """The exhaustive agent, which trains every class of the alphabet; see docs/agents/exhaustive.md."""

    name: Literal["exhaustive"] = Field("exhaustive", description="the algorithm")
    seeds: int = Field(1, gt=0, le=1000, description="seeds on which each class is trained; 2 or more give intervals")


Baseline = Literal[
    "static_c1",
    "static_c4",
    "static_d4",
    "c4_from_d4",
    "c1_from_d4",
    "c1_from_c4",
    "rpp",
    "random_architecture",
    "random_steps",
]
Subgroups = Literal["all", "published"] | tuple[str, ...]


class _LayerwiseConfig(_Section):
    """What the agents have in common that choose a group for each layer."""

    subgroups: Subgroups = Field(
        "published", description="groups that layers may have: published, all, or a list with the largest among them"
    )
    seeds: int = Field(1, gt=0, le=100, description="seeds on which each method is run; 2 or more give intervals")
    baselines: tuple[Baseline, ...] = Field(
        get_args(Baseline), description="methods that are run beside the agent; static_c1, no symmetry, always is"
    )


class EquiNASEConfig(_LayerwiseConfig):
    """EquiNAS_E, evolution over groups per layer; see docs/agents/equinas_e.md."""

    name: Literal["equinas_e"] = Field("equinas_e", description="the algorithm")
    generations: int = Field(50, gt=0, description="each trains an equal part of training.epochs")
    population: int = Field(5, gt=0, description="networks that go on from one generation to the next")
    selection: Literal["accuracy", "pareto"] = Field(
        "accuracy", description="pareto: first the front of validation error and parameters"
    )
    unique: bool = Field(True, description="whether only the best network of each architecture goes on")


class EquiNASDConfig(_LayerwiseConfig):
    """EquiNAS_D, differentiable search over groups per layer; see docs/agents/equinas_d.md."""

    name: Literal["equinas_d"] = Field("equinas_d", description="the algorithm")
    alpha_learning_rate: float = Field(1e-3, ge=0, allow_inf_nan=False, description="of Adam")
    alpha_data: Literal["same", "halves"] = Field(
        "same", description="same: other batches of the same images; halves: the weights never see alpha's images"
    )
    prior: bool = Field(False, description="alpha starts at 0 for the largest group and at -2 for the others")
    skip: bool = Field(False, description="whether the identity is one more branch")
    temperature: tuple[Annotated[float, Field(ge=1e-3, le=1e3)], Annotated[float, Field(ge=1e-3, le=1e3)]] = Field(
        (1.0, 1.0), description="of the softmax, in the first and in the last epoch"
    )
    networks: tuple[Literal["discrete", "warm"], ...] = Field(
        ("discrete", "warm"), description="the strongest groups, trained again from nothing or from the mixed weights"
    )


AGENTS: Mapping[str, type[BaseModel]] = {
    "dqn": DQNConfig,
    "exhaustive": ExhaustiveConfig,
    "equinas_e": EquiNASEConfig,
    "equinas_d": EquiNASDConfig,
}


def _agent_name(value: object) -> str | None:
    """Say which agent a section is about: the one it names, DQN if it names none."""
    return str(value.get("name", "dqn")) if isinstance(value, dict) else getattr(value, "name", None)


AgentConfig = Annotated[
    Annotated[DQNConfig, Tag("dqn")]
    | Annotated[ExhaustiveConfig, Tag("exhaustive")]
    | Annotated[EquiNASEConfig, Tag("equinas_e")]
    | Annotated[EquiNASDConfig, Tag("equinas_d")],
    Discriminator(_agent_name),
]


class SelectionConfig(_Section):
    """The stage after exploring: the best classes again, on fresh seeds."""

    top: int = Field(5, gt=0, description="classes that are trained again")
    seeds: int = Field(5, gt=1, description="seeds for each")


class LocalConfig(_Section):
    """Children are trained on this machine; see `aen.evaluators.LocalEvaluator`."""

    kind: Literal["local"] = Field("local", description="who trains the children")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="use cpu, cuda or cuda:1")
    threads: int = Field(1, gt=0, description="CPU threads per worker; results depend on it in their last bits")
    workers: int | None = Field(
        None, gt=0, description="processes that train; null: 1 for an agent that walks (dqn), every core for the others"
    )
    population: int | None = Field(
        None,
        gt=0,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "CUDA if the agent knows its children ahead, else 1",
    )


class RayConfig(_Section):
    """Children are trained by Ray actors, here or on a cluster; see `aen_agents.evaluators.ray.RayEvaluator`."""

    kind: Literal["ray"] = Field("ray", description="who trains the children")
    workers: int | None = Field(None, gt=0, description="actors that train; null: as many as the cluster has room for")
    cpus_per_worker: float = Field(1.0, gt=0, allow_inf_nan=False, description="cores that Ray sets aside for each")
    gpus_per_worker: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="GPUs, or a part of one; 0: children are trained on the CPU"
    )
    threads: int = Field(1, gt=0, description="CPU threads per worker; results depend on it in their last bits")
    population_per_worker: int | None = Field(
        None,
        gt=0,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "GPUs if the agent knows its children ahead, else 1",
    )
    timeout: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="seconds that a child may take; null: as long as it likes"
    )
    retries: int = Field(3, ge=0, description="how often a child is tried again after its worker died")

    @property
    def device(self) -> str:
        """Where a worker trains; Ray lets each see its own GPU alone."""
        return "cuda" if self.gpus_per_worker else "cpu"

    @property
    def population(self) -> int | None:
        """As `LocalConfig` calls it."""
        return self.population_per_worker


EVALUATORS: Mapping[str, type[BaseModel]] = {"local": LocalConfig, "ray": RayConfig}


def _evaluator_kind(value: object) -> str | None:
    """Say which evaluator a section is about: the one it names, local if it names none."""
    return str(value.get("kind", "local")) if isinstance(value, dict) else getattr(value, "kind", None)


EvaluatorConfig = Annotated[
    Annotated[LocalConfig, Tag("local")] | Annotated[RayConfig, Tag("ray")], Discriminator(_evaluator_kind)
]


class ClusterConfig(_Section):
    """The Ray cluster, for evaluator.kind=ray."""

    address: str | None = Field(
        None, min_length=1, description="host:port, ray://host:port or auto; null: the cluster around, else one here"
    )
    connect_timeout: float = Field(30.0, gt=0, allow_inf_nan=False, description="seconds to wait for it")


# The sections of which there are several kinds.
ALTERNATIVES: Mapping[str, Alternatives] = {
    "agent": Alternatives("name", "agent", AGENTS),
    "child": Alternatives("kind", "kind of child", CHILDREN),
    "evaluator": Alternatives("kind", "evaluator", EVALUATORS),
}


class SearchConfig(_Section):
    """A whole search."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="it begins the run folder's name: letters, digits, dots and dashes",
    )
    seed: int = Field(0, ge=0, lt=1_000_000, description="of the agent and of the children")
    data: DataConfig = DataConfig()
    alphabet: str | tuple[str, ...] = Field("quarter", description="published, quarter, or a list of factors")
    generators: dict[str, tuple[tuple[int, ...], ...]] = Field(
        {}, description="your own generators: a permutation of the cells for each grid"
    )
    child: ChildConfig = DenseConfig()
    space: SpaceConfig = SpaceConfig()
    training: TrainingConfig = TrainingConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    budget: BudgetConfig = BudgetConfig()
    agent: AgentConfig = DQNConfig()
    selection: SelectionConfig = SelectionConfig()
    evaluator: EvaluatorConfig = LocalConfig()
    cluster: ClusterConfig = ClusterConfig()
    store: str | None = Field(
        None, min_length=1, description="file or SQLAlchemy URL of the results; null: results.sqlite in the run folder"
    )
    debug: bool = Field(False, description="check of every child with inherited weights that it begins as its parent")

    @pydantic.field_validator("store")
    @classmethod
    def _placed(cls, value: str | None) -> str | None:
        """Make a file's path absolute: who goes on with the run may be in another folder."""
        return value if value is None or "://" in value else str(Path(value).absolute())

    @pydantic.model_validator(mode="after")
    def _fits_the_child(self) -> "SearchConfig":
        """Refuse what another kind of child or agent alone heeds: it would be without effect."""
        kind = self.child.kind
        for name, whose in {"space": ("gcnn", "equinas"), "alphabet": ("dense",), "generators": ("dense",)}.items():
            if kind not in whose and self._given(name):
                raise ValueError(
                    f"{name} is for child.kind={' or '.join(whose)}, but child.kind is {kind}; leave it out"
                )
        if kind == "equinas" and self._given("space") and self.space != SpaceConfig(groups=self.space.groups):
            raise ValueError("of space only groups is for child.kind=equinas; leave the rest out")
        return self

    @pydantic.model_validator(mode="after")
    def _environment_fits(self) -> "SearchConfig":
        """Refuse settings of other kinds' environments."""
        kind = self.child.kind
        environment, fields = self.environment, EnvironmentConfig.model_fields
        relaxes = kind == "equinas"
        for name in ("reward", "stop_action") if relaxes else ("inherit", "slices", "parameter_price"):
            if getattr(environment, name) != fields[name].default:
                why = "is for other kinds of child" if relaxes else "is for child.kind=equinas"
                raise ValueError(
                    f"environment.{name} is {getattr(environment, name)!r}, which {why}, but child.kind is {kind}; "
                    "leave it out"
                )
        if kind != "gcnn" and self.environment.reference != "untied":
            raise ValueError(
                f"environment.reference is {self.environment.reference!r}, which is for child.kind=gcnn, but "
                f"child.kind is {kind}; leave it out"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _agent_fits(self) -> "SearchConfig":
        """Refuse an agent for another kind of child, and sections that it does not heed."""
        kind = self.child.kind
        if isinstance(self.agent, _LayerwiseConfig):
            if kind != "equinas":
                raise ValueError(f"agent {self.agent.name} is for child.kind=equinas, but child.kind is {kind}")
            for name in ("environment", "budget", "selection"):
                if self._given(name):
                    raise ValueError(
                        f"{name} is for agents that walk, but the agent is {self.agent.name}; leave it out"
                    )
        return self

    @pydantic.model_validator(mode="after")
    def _evaluator_fits(self) -> "SearchConfig":
        """Refuse what only another evaluator heeds."""
        if self.evaluator.kind != "ray":
            if self._given("cluster"):
                raise ValueError("cluster is for evaluator.kind=ray, but evaluator.kind is local; leave it out")
            if self.environment.collect == "asynchronous":
                raise ValueError(
                    "environment.collect is 'asynchronous', which is for evaluator.kind=ray, but evaluator.kind is "
                    "local; leave it out"
                )
        return self

    def _given(self, name: str) -> bool:
        """Say whether a section says something."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def to_yaml(self) -> str:
        """Return every value, defaults too, as YAML that `load_config` reads."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
        return text


def load_config(path: Path, overrides: Sequence[str] = ()) -> SearchConfig:
    """Read a configuration.

    Args:
        path: a YAML file.
        overrides: ``key=value`` with dotted keys, such as ``training.epochs=10``; values are YAML.

    Raises:
        ConfigError: no such file, not YAML, an unknown key, or a value that does not fit.
    """
    content = read_yaml(path)
    _name_evaluator(content)
    for override in sorted(overrides, key=lambda o: not o.startswith("evaluator=")):  # which one, before its settings
        _apply(content, override)
        _name_evaluator(content)
    if isinstance(content.get("agent"), str):
        content["agent"] = read_yaml(_find_agent(content["agent"], path.parent))
        for override in overrides:
            if override.startswith("agent."):
                _apply(content, override)
    try:
        return SearchConfig.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(explain(error, SearchConfig, ALTERNATIVES))}") from error


def _name_evaluator(content: JsonDict) -> None:
    """Let `evaluator: ray` stand for `evaluator: {kind: ray}`."""
    if isinstance(content.get("evaluator"), str):
        content["evaluator"] = {"kind": content["evaluator"]}


def read_yaml(path: Path) -> JsonDict:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: no such file, not YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise ConfigError(f"config {path} does not exist{near}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} is not a mapping of keys to values.")
    return content


def _find_agent(name: str, folder: Path) -> Path:
    """Find an agent's file: beside the config in agents/, or among the project's own."""
    file = f"{name}.yaml"
    folders = [folder / "agents", PROJECT_CONFIGS / "agents"]
    for candidate in [*(f / file for f in folders), Path(name)]:
        if candidate.is_file():
            return candidate
    known = [p.stem for f in folders if f.is_dir() for p in f.glob("*.yaml")]
    raise ConfigError(f"unknown agent {name!r}{did_you_mean(name, known)}; a path to a YAML file will do too.")


def _apply(content: JsonDict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} is not of the form key=value, such as training.epochs=10.")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not YAML.") from error
    *sections, last = key.split(".")
    place = content
    for section in sections:
        inner = place.get(section)
        if section == "agent" and isinstance(inner, str):
            return  # agent: a name; its file is read first, then this is applied to what it holds
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section.")
        place = inner
    place[last] = value
