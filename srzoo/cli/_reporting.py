"""The output of ``srzoo upscale``: the tiling, a line per picture, and a summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ..common import memory
from ..common.amounts import duration
from ._console import as_json, in_options, printable, progress_bars, to_stderr

if TYPE_CHECKING:
    from ..batches.batch import Batch
    from ..batches.job import Job
    from ..batches.one_picture import PictureMaker, PictureOutcome
    from ..common.progress import Progress
    from ..exporting.engine import Choice
    from ..models.folder import ModelFolder
    from ..upscaling.sizing import Route
    from ._options import ReportOptions

LONG_RUN = 10.0
"""Duration in seconds from which a run is forecast first."""


class BatchReporter:
    """Reports to a person on stdout, or to a script in JSON lines; problems go to stderr.

    Args:
        batch: the pictures.
        reporting: the options for the output.
        dry: report what would be made.
    """

    def __init__(self, batch: Batch, reporting: ReportOptions, *, dry: bool = False) -> None:
        self.batch = batch
        self.json = reporting.json_
        self.verbose = reporting.verbose
        self.quiet = reporting.quiet
        self.dry = dry
        self.piped = any(job.sink for job in batch.jobs)
        self.start = time.perf_counter()
        self.seconds = 0.0
        self.count = {"done": 0, "done before": 0, "exists": 0}
        self.failed: list[PictureOutcome] = []
        self.warned = False

    def note(self, text: str) -> None:
        """Print a note on the whole run."""
        if not self.quiet:
            to_stderr(f"note: {text}")

    def engine(self, folder: ModelFolder, chosen: Choice, work: int | None = None) -> None:
        """Report the engine and the reason; and, if it is used, that its first use takes longer."""
        if self.verbose:
            to_stderr(f"engine: {chosen.name} ({chosen.why})")
        if chosen.prepares and work != 0 and not self.quiet:
            to_stderr(f"preparing {folder.name} for {chosen.name}, once ...")

    def report_plan(self, maker: PictureMaker) -> None:
        """Print the forecast if the run is long, and the tiles of the first picture."""
        from ..batches import forecast

        if self.quiet:
            return
        if self.verbose and self.batch.pending:
            self._print_tiling(maker, self.batch.pending[0])
        found = forecast.forecast(self.batch.pending, maker, always=self.verbose)
        if found and (self.verbose or found.seconds >= LONG_RUN):
            to_stderr(found)
        if self.verbose and self.batch.ledger:
            to_stderr(f"ledger: {self.batch.ledger.path}")

    def _print_tiling(self, maker: PictureMaker, job: Job) -> None:
        try:
            plans = maker.prepare_ahead(job).plans
        except Exception:  # noqa: BLE001
            return  # an error is reported with its picture
        for plan in plans:
            height, width = plan.tile
            exact = "exact" if plan.exact else "blended"
            to_stderr(
                f"x{plan.scale}: {plan.tiles} tile{'s' * (plan.tiles > 1)} of {width}x{height} with"
                f" {plan.margin or plan.edge} pixels more on each side ({exact}), at most"
                f" {plan.bytes / 1e9:.2f} GB"
            )

    def report(self, outcome: PictureOutcome) -> None:
        """Report the outcome of one picture."""
        job = outcome.job
        self.seconds += outcome.seconds
        if outcome.advice and not (self.warned or self.quiet):
            self.warned = True
            to_stderr(f"warning: {job.source}: {outcome.advice}")
        if outcome.problem:
            self.failed.append(outcome)
            for traceback in getattr(outcome.problem, "__notes__", ()):  # with --debug
                click.echo(traceback, err=True)
        else:
            self.count[job.skip_reason or "done"] += 1
        if self.json:
            as_json(_facts(outcome) | ({"dry_run": True} if self.dry else {}), err=self.piped)
        elif self.quiet:
            return
        elif outcome.route:
            if self.verbose or self.dry or not self.piped:
                sizes = self._sizes(outcome.route, outcome.seconds)
                click.echo(f"{printable(job.target)}  {sizes}", err=self.piped)
            for note in outcome.notes:
                click.echo(f"  note: {printable(note)}", err=self.piped)
        elif job.skip_reason and (self.verbose or self.dry):
            click.echo(f"{printable(job.target)}  {job.skip_reason}", err=not self.dry)

    def _sizes(self, route: Route, seconds: float) -> str:
        sizes = "{}x{} to {}x{}".format(*route.source, *route.size)
        # Only if the route contains more than the sizes.
        passes = f" ({route})" if route.resized or len(route.passes) != 1 else ""
        return f"{sizes}{passes}  {'about ' if self.dry else ''}{seconds:.1f} s"

    def summary(self) -> int:
        """Print the counts and the failures; return the exit code."""
        left = [outcome for outcome in self.failed if not outcome.begun]
        if not (self.json or self.piped or self.quiet):
            click.echo(self._summary_line(len(self.failed) - len(left), len(left)))
        fails = "would fail" if self.dry else "failed"
        for outcome in self.failed:
            if outcome.begun:
                to_stderr(f"{fails}: {in_options(outcome.problem)}")
        if self.batch.ignored and not self.quiet:
            click.echo(printable(self.batch.ignored), err=self.json or self.piped)
        if left:
            again = "Fix that, and run the same command again"
            to_stderr(f"not started for that reason: {len(left)} more. {again}.")
        return 1 if self.failed else 0

    def _summary_line(self, failed: int, left: int) -> str:
        """The counts in a line."""
        done, links, results = self.count["done"], len(self.batch.links), len(self.batch.results)
        many = f"{done} picture{'' if done == 1 else 's'}"
        if self.dry:
            parts = [f"{many} would be made in about {duration(self.seconds)}"]
        else:
            parts = [f"{many} in {time.perf_counter() - self.start:.1f} s"]
        for count, what in (
            (failed, "would fail" if self.dry else "failed"),
            (left, "not begun"),
            (self.count["done before"], "done before"),
            (self.count["exists"], "skipped (they exist)"),
            (results, "left out (results of an earlier run)"),
            (links, "left out (linked folders)"),
        ):
            parts += [f"{count} {what}"] * bool(count)
        if self.dry:
            return f"{', '.join(parts)}; nothing is written"
        return f"{', '.join(parts)}, peak memory {memory.peak() / 1e9:.1f} GB"


def _facts(outcome: PictureOutcome) -> dict[str, object]:
    job = outcome.job
    return {
        "input": str(job.source),
        "page": job.page,
        "output": None if outcome.problem else str(job.target),
        "from": outcome.route and outcome.route.source,
        "to": outcome.route and outcome.route.size,
        "route": outcome.route and str(outcome.route),
        "seconds": round(outcome.seconds, 3),
        "notes": outcome.notes,
        "skipped": job.skip_reason,
        "error": in_options(outcome.problem) if outcome.problem else None,
    }


@contextmanager
def picture_bars(jobs: int) -> Generator[Callable[[Job], Progress] | None]:
    """Bars for pictures, tiles of the current one, and time left; None without a terminal."""
    with progress_bars("{task.description}", 24, "done", "left") as bars:
        if bars is None:
            yield None
            return
        overall = bars.add_task("pictures", total=jobs, visible=jobs > 1)
        current = bars.add_task("", total=None)
        started = False

        def begin(job: Job) -> Progress:
            nonlocal started
            if started:
                bars.advance(overall)
            started = True
            name = job.source.name
            label = printable(name if len(name) <= 30 else f"{name[:27]}...")
            bars.reset(current, description=label, total=None)
            return lambda done, total: bars.update(current, completed=done, total=total)

        yield begin
