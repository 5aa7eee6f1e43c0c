"""Options that several commands share, each declared once.

A group of options is a frozen dataclass whose fields are annotated with their click options;
:func:`option_group` adds them to a command, which receives one object.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import click

from ..common import devices
from ..common.amounts import amount
from ..errors import PictureError, SrzooError, did_you_mean
from ._amounts import memory_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

    from ..images import ReadRequest

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def option_group(group: type[Any], name: str) -> Callable[[F], F]:
    """Add a group's options to a command, as one argument called ``name``."""
    options = get_type_hints(group, include_extras=True)

    def decorate(function: F) -> F:
        # click passes each option by its name; the group converts them.
        @functools.wraps(function)
        def call(*given: Any, **options_given: Any) -> Any:
            own = {key: options_given.pop(key) for key in options}
            return function(*given, **options_given, **{name: group(**own)})

        decorated: Any = call
        for hint in reversed(options.values()):
            decorated = hint.__metadata__[0](decorated)
        return decorated

    return decorate


class AliasOption(click.Option):
    """An option that also accepts older spellings: those of its names that end in ``!``."""

    def __init__(self, param_decls: list[str], **attributes: Any) -> None:
        self.old_names = [name.rstrip("!") for name in param_decls if name.endswith("!")]
        super().__init__([name.rstrip("!") for name in param_decls], **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The help without the older spellings."""
        names = self.opts
        try:
            self.opts = [name for name in names if name not in self.old_names]
            return super().get_help_record(ctx)
        finally:
            self.opts = names


class Device(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A device's name: auto, cpu, cuda, cuda:1, mps, gpu, gpu:1."""

    name = "device"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name in the form of engines."""
        return devices.parse_name(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names without an index."""
        return _completed(devices.KINDS, incomplete)


class FormatName(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A picture format by its name or one of its endings, in any case: JPG, jpeg, .tif."""

    name = "format"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key of ``images.FORMATS``."""
        from .. import images

        name = value.strip().lower().removeprefix(".")
        for key, format in images.FORMATS.items():
            if name == key or f".{name}" in format.suffixes:
                return key
        if f".{name}" in images.READABLE:  # raises an error with the missing package, if any
            return images.format_of(Path(f"result.{name}"))
        raise PictureError(f"{value!r} is not a format", did_you_mean(name, images.FORMATS))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The formats that can be written here."""
        from .. import images

        return _completed(images.FORMATS, incomplete)


class Factor(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A whole factor, with or without the x: 4, x4."""

    name = "factor"

    def __init__(self, most: int = 64) -> None:
        self.most = most

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number."""
        text = str(value).strip().lower().removeprefix("x").removesuffix("x")
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= self.most):
            raise SrzooError(
                f"{value!r} is not a scale", f"Write a whole number from 1 to {self.most}"
            )
        return int(text)


def _completed(choices: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in choices if name.startswith(incomplete)]


def _engines(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from ..plugins import kinds

    return [name for name in ("auto", *kinds.engines.names()) if name.startswith(incomplete)]


def model_names(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completions for a model: those of packages, or folders if none match."""
    from click.shell_completion import CompletionItem

    from ..models import locate

    found = _completed(sorted(locate.released()), incomplete)
    return found or [CompletionItem(incomplete, type="dir")]


def _tile(_ctx: click.Context, _param: click.Parameter, value: str) -> int | str:
    if value in ("auto", "off"):
        return value
    if value.isdecimal() and int(value) >= 16:
        return int(value)
    raise click.BadParameter(f"{value!r} is not auto, off, or a whole number from 16")


def _strength(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    try:
        strength = float(value)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:  # also false for NaN
        raise SrzooError(f"{value!r} is not a strength", "Write a number from 0 to 1, like 0.7")
    return strength


def _page(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "all":
        return value
    if value.isascii() and value.isdecimal() and int(value) >= 1:
        return int(value)
    raise SrzooError(f"{value!r} is not a page or frame", "Write a number from 1 on, or all")


def _pixels(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    return amount(value, "number of pixels", "500M") if value else None


def one_of(
    argument: T | None, option: T | None, what: str = "MODEL", default: T | None = None
) -> T:
    """The value of an argument that can also be given as an option.

    Raises:
        UsageError: neither is given, without a default; or both are.
    """
    if argument is not None and option is not None:
        raise click.UsageError(f"{what} is given twice: {argument} and {option}.")
    given = argument if argument is not None else option if option is not None else default
    if given is None:
        raise click.UsageError(f"Missing argument '{what}'.")
    return given


def _reference() -> str:
    from ..exporting import engine

    return engine.reference()


REFERENCE: dict[str, Any] = {"default_map": {"engine": _reference}}
"""Settings of commands that measure and compare models: torch by default."""


def arguments_of(given: tuple[str, ...], named: dict[str, str | None]) -> list[str]:
    """Several arguments in order, each of which can also be given as an option.

    Raises:
        UsageError: too few or too many.
    """
    rest = list(given)
    missing = [what for what, value in named.items() if value is None]
    if len(rest) < len(missing):
        raise click.UsageError(f"Missing argument '{missing[len(rest)]}'.")
    if len(rest) > len(missing):
        raise click.UsageError(f"Got unexpected extra argument ({rest[len(missing)]}).")
    return [value if value is not None else rest.pop(0) for value in named.values()]


# fmt: off
model_option = click.option("-m", "--model", "model_", metavar="MODEL",
                            shell_complete=model_names, help="The same as the argument.")
scale_option = click.option("--scale", type=Factor(), metavar="N",
                            help="Which scale, for models that have several.")
strength_option = click.option(
    "--strength", metavar="0..1", callback=_strength, default="1", show_default=True,
    help="Mix with bicubic interpolation, if a model is too strong; 0.5: half of each.")
OVERWRITE = "--overwrite", "--force!"
json_option = click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")


@dataclass(frozen=True)
class EngineOptions:
    """Options for the engine, the device and the memory."""

    engine: Annotated[str, click.option(
        "--engine", metavar="auto|NAME", default="auto", show_default=True, shell_complete=_engines,
        help="auto: the fastest one installed. For names: srzoo plugin list engine.")]
    device: Annotated[str, click.option(
        "--device", type=Device(), metavar="auto|cpu|cuda[:N]|mps|gpu[:N]", default="auto",
        show_default=True, help="Device to compute on; see: srzoo devices.")]
    precision: Annotated[devices.Precision, click.option(
        "--precision", type=click.Choice(devices.PRECISIONS, case_sensitive=False), default="auto",
        show_default=True, help="Type of numbers to compute with; auto: fp32.")]
    memory: Annotated[int | None, click.option(
        "--memory", metavar="SIZE", callback=memory_option,
        help="Limit for the whole process, like 2GB.")]
    tile: Annotated[Any, click.option(
        "--tile", metavar="auto|N|off", callback=_tile, default="auto", show_default=True,
        help="Side of a tile in input pixels.")]

    def check(self) -> None:
        """Refuse unavailable settings before any work; imports no torch."""
        from ..exporting import engine

        engine.check(self.engine, self.device, self.precision)

    def describe(self, engines: Sequence[str]) -> dict[str, str]:
        """The engine, device and precision, for readers of figures; empty without models."""
        if not engines:
            return {}
        return {"engine": ", ".join(engines), "device": self.device, "precision": self.precision}


@dataclass(frozen=True)
class SizeOptions:
    """Options for the size and the strength."""

    scale: Annotated[str | None, click.option(
        "--scale", metavar="N", help="Factor, such as 4, 1.5 or 8. Default: the model's own.")]
    size: Annotated[str | None, click.option(
        "--size", metavar="WxH|SIDE=N", help="3840x2160, or width=, height=, long= or short=3840.")]
    strength: Annotated[float, strength_option]


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading picture files."""

    page: Annotated[int | str | None, click.option(
        "--page", "--frame", "page", metavar="N|all", callback=_page,
        help="Which page or frame of a file, counted from 1, or all of them.")]
    force_damaged: Annotated[bool, click.option(
        "--force-damaged", is_flag=True, help="Use the readable part of damaged files.")]
    max_pixels: Annotated[int | None, click.option(
        "--max-pixels", metavar="N", callback=_pixels,
        help="Refuse larger pictures. Default: 500M.")]

    def single_picture(self) -> ReadRequest:
        """The request for one picture.

        Raises:
            SrzooError: all pages are requested.
        """
        from .. import images

        if isinstance(self.page, str):
            raise SrzooError("a single picture cannot be all pages", "Give --page N")
        most = self.max_pixels or images.MAX_PIXELS
        return images.ReadRequest(most, self.page, self.force_damaged)


@dataclass(frozen=True)
class WriteOptions:
    """Options for the files of results."""

    format: Annotated[str | None, click.option(
        "--format", type=FormatName(), metavar="FORMAT",
        help="jpg, png, webp, tiff, avif, heic, jxl. Default: the ending of -o, or the input's.")]
    quality: Annotated[int | None, click.option(
        "--quality", type=click.IntRange(1, 100),
        help="For JPEG (default 95), WebP (90), AVIF and HEIC (85).")]
    strip: Annotated[bool, click.option(
        "--strip", is_flag=True, help="Remove EXIF, XMP and the like; the colour profile is kept.")]
    no_provenance: Annotated[bool, click.option(
        "--no-provenance", is_flag=True, help="Do not record the model in the XMP metadata.")]
    keep_times: Annotated[bool, click.option(
        "--keep-times", is_flag=True, help="Give results the modification times of their inputs.")]


@dataclass(frozen=True)
class ExistingOptions:
    """Options for results that already exist."""

    overwrite: Annotated[bool, click.option(
        "--overwrite", is_flag=True, help="Replace existing results; never an input.")]
    skip_existing: Annotated[bool, click.option(
        "--skip-existing", is_flag=True, help="Skip results that exist.")]


@dataclass(frozen=True)
class ReportOptions:
    """Options for the output of the command."""

    json_: Annotated[bool, click.option(
        "--json", "json_", is_flag=True, help="One JSON line per picture on stdout.")]
    verbose: Annotated[bool, click.option(
        "-v", "--verbose", is_flag=True, help="Print more, on stderr.")]
    quiet: Annotated[bool, click.option("-q", "--quiet", is_flag=True, help="Print errors only.")]

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.quiet and self.verbose:
            raise click.UsageError("--quiet and --verbose do not go together.")
