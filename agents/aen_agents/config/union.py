"""Sections that come in several kinds, such as `agent`: one model for each kind, told apart by one key."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema

from aen._plugins import load_plugin, plugin_names
from aen.errors import PluginError
from aen_agents.config.section import Section

SectionT = TypeVar("SectionT", bound=Section)


class Kinds(Mapping[str, type[SectionT]], Generic[SectionT]):
    """The models of a section by name: the built-in ones, and those that other packages register by an entry point.

    Plug-ins are imported when a kind is first looked up, not before, because their modules import this package. One
    that cannot be loaded does not affect the others; the error for a config that names it says why (`broken`).

    ``Annotated[Base, kinds]`` is the type of a field that holds a section of any kind: a union whose tag is the key. A
    model with such a field must have ``defer_build=True``, so that plug-ins are not imported while it is defined.

    Args:
        base: the class of all models.
        key: the key that names the kind, such as ``name``.
        what: what the models describe, for messages.
        built_in: the models of this package; the first is the default.
        group: the entry-point group of plug-ins, whose entry points are named like the kind; None: there are none.
    """

    def __init__(
        self,
        base: type[SectionT],
        *,
        key: str,
        what: str,
        built_in: Sequence[type[SectionT]],
        group: str | None = None,
    ) -> None:
        self.key = key
        self.what = what
        self._base = base
        self._group = group
        self._built_in = {str(model.model_fields[key].default): model for model in built_in}
        self.default = next(iter(self._built_in))

    @property
    def built_in(self) -> Mapping[str, type[SectionT]]:
        """The models of this package."""
        return self._built_in

    @cached_property
    def _plugins(self) -> tuple[dict[str, type[SectionT]], dict[str, str]]:
        """The models of other packages, and why the rest of their plug-ins cannot be used."""
        found: dict[str, type[SectionT]] = {}
        broken: dict[str, str] = {}
        for name in plugin_names(self._group) if self._group is not None else ():
            try:
                found[name] = self._checked(name, load_plugin(str(self._group), name))
            except PluginError as error:
                broken[name] = str(error)
        return found, broken

    def _checked(self, name: str, model: object) -> type[SectionT]:
        if name in self._built_in:
            raise PluginError(f"{self.what} {name!r} is built in; a plug-in needs another name.")
        if not (isinstance(model, type) and issubclass(model, self._base)):
            wanted = f"a subclass of {self._base.__module__}.{self._base.__name__}"
            raise PluginError(f"the plug-in for {self.what} {name!r} is {model!r}; it must be {wanted}.")
        field = model.model_fields.get(self.key)
        if field is None or field.default != name:
            raise PluginError(
                f"the plug-in for {self.what} {name!r} needs a field {self.key} whose default is {name!r}."
            )
        return model

    @property
    def broken(self) -> Mapping[str, str]:
        """By name, why a plug-in cannot be used."""
        return self._plugins[1]

    def __getitem__(self, name: str) -> type[SectionT]:
        return self._built_in[name] if name in self._built_in else self._plugins[0][name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._built_in, *self._plugins[0]))

    def __len__(self) -> int:
        return len(self._built_in) + len(self._plugins[0])

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a section of any kind."""
        del source
        tagged = tuple(Annotated[model, Tag(name)] for name, model in self.items())
        union: Any = Annotated[Union[tagged], Discriminator(self._name_of)]  # noqa: UP007 - of a tuple
        return handler.generate_schema(union)

    def _name_of(self, value: object) -> str | None:
        """Return the kind that a section names, the default if it names none."""
        return str(value.get(self.key, self.default)) if isinstance(value, dict) else getattr(value, self.key, None)
