"""Sections that come in several kinds, such as `agent`: one model for each kind, and one key that names the kind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Discriminator, Tag

from aen._plugins import load_plugin, plugin_names
from aen.errors import PluginError
from aen_agents.config.section import Section

SectionT = TypeVar("SectionT", bound=Section)


class Kinds(Mapping[str, type[SectionT]], Generic[SectionT]):
    """The models of a section by name: the built-in ones, and those that other packages register by an entry point.

    A plug-in that cannot be loaded does not affect the others; a config that names it is refused with the reason
    (`broken`).

    Args:
        base: the class of all models.
        key: the key that names the kind, such as ``name``.
        what: what the models describe, for messages.
        group: the entry-point group of plug-ins, whose entry points have the kind's name; None: no plug-ins.
        built_in: the models of this package; the first is the default.

    Attributes:
        broken: for each plug-in that cannot be used, the reason by its name.
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
        self.broken: dict[str, str] = {}
        self._models = {str(model.model_fields[key].default): model for model in built_in}
        self.default = next(iter(self._models))
        for name in plugin_names(group) if group is not None else ():
            try:
                self._models[name] = self._checked(base, name, load_plugin(str(group), name))
            except PluginError as error:
                self.broken[name] = str(error)

    def _checked(self, base: type[SectionT], name: str, model: object) -> type[SectionT]:
        if name in self._models:
            raise PluginError(f"{self.what} {name!r} is built in; the plug-in of that name needs another one.")
        if not (isinstance(model, type) and issubclass(model, base)):
            raise PluginError(f"the plug-in for {self.what} {name!r} is {model!r}; it must be a {base.__name__} class.")
        field = model.model_fields.get(self.key)
        if field is None or field.default != name:
            raise PluginError(f"the plug-in for {self.what} {name!r} must have a field {self.key} = {name!r}.")
        return model

    def __getitem__(self, name: str) -> type[SectionT]:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def annotation(self) -> Any:  # noqa: ANN401 - a type that is built at run time
        """Return the type of a field that holds a section of any kind: a union whose tag is the key."""
        tagged = tuple(Annotated[model, Tag(name)] for name, model in self.items())
        return Annotated[Union[tagged], Discriminator(self._name_of)]  # noqa: UP007 - of a tuple

    def _name_of(self, value: object) -> str | None:
        """Return the kind that a section names, or the default kind."""
        return str(value.get(self.key, self.default)) if isinstance(value, dict) else getattr(value, self.key, None)
