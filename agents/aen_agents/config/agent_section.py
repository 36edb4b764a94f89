"""AgentSection: what the sections of all agents have in common."""

from typing import TYPE_CHECKING, ClassVar

from aen_agents.config.section import Section


class AgentSection(Section):
    """The settings of an agent. Its class variables declare what the agent can do; no other code checks its type.

    Attributes:
        explorer: the agent's `aen_agents.agents.base.Explorer`, as ``module:class``; it is constructed from a `Task`.
        check: ``module:function``, called with the section and the baseline's child before anything is trained, to
            refuse settings that do not fit; None: no further check.
        check_space: ``module:function``, likewise called with the section and the space; None: no further check.
        step_by_step: whether it steps through an environment, one child at a time: it then has the sections
            `environment` and `budget`.
        counts_children: whether it trains `budget.children` children at most, although it does not step through an
            environment.
        knows_children_ahead: whether it can submit many children at once, so that a GPU trains them together.
        child_kinds: the kinds of child that it can choose among; None: all.
        unused_sections: sections of a search that do not apply to it; a config that sets one is refused.
        trains_architectures: whether it trains an architecture that the section `child` names.
        needs_symmetry_test: whether it cannot work without the symmetry test of the images.
        tables_learnt: ``module:function``, called with the section; it returns the names of the benchmark tables that
            the agent was trained on before the search. None: none.
        trains_slices: whether its methods train networks in slices of epochs, each from its parent's weights.
    """

    explorer: ClassVar[str]
    check: ClassVar[str | None] = None
    check_space: ClassVar[str | None] = None
    step_by_step: ClassVar[bool] = False
    counts_children: ClassVar[bool] = False
    knows_children_ahead: ClassVar[bool] = False
    child_kinds: ClassVar[tuple[str, ...] | None] = None
    unused_sections: ClassVar[tuple[str, ...]] = ()
    trains_architectures: ClassVar[bool] = False
    needs_symmetry_test: ClassVar[bool] = False
    trains_slices: ClassVar[bool] = False
    tables_learnt: ClassVar[str | None] = None

    if TYPE_CHECKING:  # a field of every kind, with its own name as the default

        @property
        def name(self) -> str:
            """The agent's name."""

    @property
    def has_budget(self) -> bool:
        """Whether exploring ends after `budget.children` children."""
        return self.step_by_step or self.counts_children

    @property
    def exploring_seeds(self) -> int:
        """The number of seeds on which it trains each child while it explores."""
        return 1
