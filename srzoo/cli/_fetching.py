"""``srzoo data get``: a command with the options of the given dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BrokenPluginError, SrzooError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from ..plugins.arguments import Argument
    from ..plugins.plugin import Plugin

OWN, VALUES = f"{__name__}.own", f"{__name__}.values"
"""The key in a context for the options of its dataset, and their values."""


class GetCommand(click.Command):
    """A command with an argument DATASET, and the options of that dataset's ``fetch``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the dataset first, then parse all its options.

        Raises:
            SrzooError: the dataset does not exist, or cannot be downloaded.
        """
        name = self._dataset(ctx, args)
        try:
            own = _options(name) if name else None
        except SrzooError:
            if not ctx.resilient_parsing:
                raise
            own = []
        ctx.meta[OWN], ctx.meta[VALUES] = own, {}
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not name:
                raise
            raise click.NoSuchOption(
                error.option_name, f"The dataset {name!r} has no {error.option_name}.",
                error.possibilities, error.ctx,
            ) from error  # fmt: skip
        if not ctx.resilient_parsing and ctx.params["dataset"] != name:
            raise click.UsageError("Write the dataset before its options.", ctx)
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The common options, and those of the dataset that was found."""
        return [*(ctx.meta.get(OWN) or ()), *super().get_params(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options; without a dataset, the list of datasets."""
        super().format_options(ctx, formatter)
        if ctx.meta.get(OWN) is None and (rows := _downloadable()):
            with formatter.section("Datasets that can be downloaded"):
                formatter.write_dl(rows)

    def _dataset(self, ctx: click.Context, args: list[str]) -> str | None:
        """The argument that names the dataset: the first one, between any options."""
        from ..plugins import kinds

        before, ctx.ignore_unknown_options = ctx.ignore_unknown_options, True
        try:
            given, rest, _ = self.make_parser(ctx).parse_args(list(args))
        finally:
            ctx.ignore_unknown_options = before
        first: object = given.get("dataset")
        words = [word for word in (first, *rest) if isinstance(word, str) and word[:1] != "-"]
        if not words or words[0] == first:
            return words[0] if words else None
        # After an unknown option, a word may be its value.
        return next((word for word in words if word in kinds.datasets), words[0])


def complete(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """The datasets that can be downloaded."""
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(name, help=line) for name, line in _downloadable() if name.startswith(begun)
    ]


def fetch_of(name: str) -> Callable[..., list[str]]:
    """The function that downloads a dataset.

    Raises:
        SrzooError: the dataset does not exist, or cannot be downloaded.
    """
    from ..plugins import arguments, importing, kinds

    with importing.blamed(kinds.datasets.find(name)):
        fetch = arguments.fetch_of(kinds.datasets.get(name))
    if fetch is None:
        raise SrzooError(
            f"the dataset {name!r} cannot be downloaded",
            "Download it by hand; others: srzoo data get --help",
        )
    return fetch


def own_values(ctx: click.Context) -> dict[str, Any]:
    """The values of the dataset's own arguments, given or default."""
    return ctx.meta[VALUES]


def _downloadable() -> list[tuple[str, str]]:
    """Each dataset that can be downloaded, and the first line of its description."""
    import inspect

    from ..plugins import arguments, importing, kinds

    def first_line(plugin: Plugin) -> str | None:
        with importing.blamed(plugin):
            dataset = kinds.datasets.get(plugin.full_name)
            text = inspect.getdoc(dataset) or ""
            return text.partition("\n")[0] if arguments.fetch_of(dataset) else None

    found = kinds.datasets.each(first_line)
    return [(plugin.name, text) for plugin, text in found if text is not None]


def _options(name: str) -> list[click.Option]:
    """The options for the dataset's own arguments, without those of unsupported types."""
    from ..plugins import arguments, importing, kinds

    options: list[click.Option] = []
    with importing.blamed(kinds.datasets.find(name)):
        found = arguments.own_arguments(fetch_of(name))
    for argument in found:
        if argument.type is not None and argument.name not in arguments.RESERVED:
            options.append(_option(argument))
        elif argument.needed:
            raise BrokenPluginError(
                f"the dataset {name!r} has no option for {argument.name}, which it needs",
                "Report it to its author",
            )
    return options


def _option(argument: Argument) -> click.Option:
    """The option for an argument."""
    spelled = f"--{argument.name.replace('_', '-')}"
    named = {str(choice): choice for choice in argument.choices}
    kind: Any = click.Choice(list(named)) if named else argument.type
    if kind is bool:
        spelled = f"{spelled}/--no-{spelled[2:]}"
    elif kind is Path:
        kind = click.Path(path_type=Path)

    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        ctx.meta[VALUES][argument.name] = named.get(value, value)

    default = None if argument.needed else argument.default
    return click.Option(
        [spelled, argument.name],
        type=kind,
        default=str(default) if named and default is not None else default,
        required=argument.needed,
        show_default=True,
        expose_value=False,
        callback=keep,
        help=f"{argument.help[:1].upper()}{argument.help[1:]}",
    )
