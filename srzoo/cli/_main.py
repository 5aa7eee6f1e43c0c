"""The command group, and the single place where errors become a line and an exit code."""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from collections.abc import Callable

import click

from .. import __version__
from ..common import troubles
from ..errors import BrokenPluginError, MissingPluginError, PluginError, SrzooError, did_you_mean
from ..plugins import importing, kinds, known
from ..plugins.plugin import OWN_DIST
from ..plugins.registry import ALLOW_VARIABLE
from . import _signals, _streams
from ._console import in_options, printable, warnings_in_a_line

BAD_INPUT = 2
A_PART_FAILED = 1


class Commands(click.Group):
    """The commands of entry points, each imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The shortest names of all commands; imports nothing."""
        return sorted(kinds.commands.name_of(plugin) for plugin in kinds.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if no command has that name."""
        try:
            # The registry contains the commands themselves, not functions that create them.
            command: object = kinds.commands.get(cmd_name)
        except MissingPluginError:
            return None
        except PluginError as error:
            return click.Command(cmd_name, callback=_raising(error), short_help=f"(broken) {error}")
        if not isinstance(command, click.Command):
            plugin = kinds.commands.find(cmd_name)
            error = BrokenPluginError(
                f"{plugin} is not a click.Command, but {type(command).__name__}",
                f"Upgrade or uninstall {plugin.dist}",
            )
            return click.Command(cmd_name, callback=_raising(error))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands and their descriptions; third-party ones are not imported for that."""
        width = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        rows: list[tuple[str, str]] = []
        for plugin in kinds.commands:
            command = self.get_command(ctx, plugin.name) if plugin.dist == OWN_DIST else None
            does = command.get_short_help_str(width) if command else f"(of {plugin.package})"
            rows.append((kinds.commands.name_of(plugin), does))
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first argument, or a hint to the nearest one."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            advice = known.advice("command", args[0])
            hint = advice or did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"no command is called {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


def _raising(error: PluginError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _no_plugins(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[ALLOW_VARIABLE] = ""  # for child processes too


def _debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[troubles.DEBUG] = "1"


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Models: srzoo model list. Plugins: srzoo plugin list.",
)
@click.version_option(__version__, "-V", "--version", message="srzoo %(version)s")
@click.option(
    "--debug", is_flag=True, is_eager=True, expose_value=False, callback=_debug,
    help="Print the traceback of unexpected errors.",
)  # fmt: skip
@click.option(
    "--no-plugins",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_no_plugins,
    help=f"Load no plugins of other packages. {ALLOW_VARIABLE}=a,b allows only a and b.",
)
def root() -> None:
    """Upscale pictures with a zoo of super-resolution models.

    \b
    srzoo upscale photo.jpg                     photo-edsr-x4.jpg beside it
    srzoo upscale photo.jpg -m bicubic-x2 -o big.png
    srzoo upscale holiday/ -o large/            every picture of a folder
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the exit code is 0, 1 (a part failed), 2 (refused) or 130."""
    own_process = arguments is None
    given = sys.argv[1:] if arguments is None else arguments
    with _streams.guarded_streams(own_process=own_process) as streams, _signals.signals_handled():
        code = _run(given, streams)
        if problem := streams.write_error():
            code = _say(problem, code or A_PART_FAILED)
    sys.exit(code)


def _is_for_machines(arguments: list[str]) -> bool:
    """Whether a command of srzoo prints JSON, which must have stdout to itself."""
    options = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    name = next((argument for argument in options if not argument.startswith("-")), "")
    return "--json" in options and any(
        plugin.name == name and plugin.target.startswith(f"{__package__}.")
        for plugin in kinds.commands
    )


def _run(arguments: list[str], streams: _streams.Streams) -> int:
    try:
        with warnings_in_a_line():
            if _is_for_machines(arguments):
                streams.for_machines()
            code: object = root.main(
                arguments, prog_name="srzoo", standalone_mode=False, obj=streams
            )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        if isinstance(stop.__cause__, EOFError):  # from a file that is cut off, not from Ctrl-D
            return _report_error(stop.__cause__, arguments)
        return _say("interrupted", _signals.INTERRUPTED)
    except BrokenPipeError:
        return A_PART_FAILED  # the reader of the output has closed the pipe
    except SystemExit:
        raise  # a command's exit code
    except BaseException as error:  # noqa: BLE001 - the single place for errors
        return _report_error(error, arguments)
    return code if isinstance(code, int) else 0


def _report_error(error: BaseException, arguments: list[str]) -> int:
    if os.environ.get(troubles.DEBUG):
        click.echo("".join(traceback.format_exception(error)), err=True)
    if isinstance(error, OSError) and error.strerror:
        error = SrzooError(troubles.describe(error), troubles.fix_for(error))
    whose = _with_its_owner(error, arguments)
    explained = troubles.explain(whose, f"srzoo {' '.join(arguments)} failed")
    return _say(in_options(explained), BAD_INPUT)


def _with_its_owner(error: BaseException, arguments: list[str]) -> BaseException:
    """The error of a third-party command, with its package.

    A missing module that an extra of srzoo installs is not its error.
    """
    if missing := importing.lacking(error, OWN_DIST):
        return missing
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    if isinstance(error, SrzooError) or name not in kinds.commands:
        return error
    plugin = kinds.commands.find(name)
    return error if plugin.dist == OWN_DIST else importing.failed(plugin, error)


def _say(text: str, code: int) -> int:
    click.echo(f"{click.style('srzoo:', fg='red', bold=True)} {printable(text)}", err=True)
    return code
