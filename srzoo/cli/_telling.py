"""What ``srzoo upscale`` says: before, a line a picture, and a summary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ._output import as_json, peak_memory, printable

if TYPE_CHECKING:
    from ..batches.batch import Batch, Job
    from ..batches.making import Maker, Outcome
    from ..card import ModelFolder
    from ..exporting.engine import Choice

LONG = 10.0
"""Seconds from which a run is worth being told of before."""


class Teller:
    """Tells a person on stdout, or a script in JSON lines; trouble goes to stderr.

    Args:
        work: what is told of.
        json_: JSON lines.
        verbose: whether to tell what is not asked for.
    """

    def __init__(self, work: Batch, json_: bool, verbose: bool) -> None:
        self.work = work
        self.json = json_
        self.verbose = verbose
        self.piped = any(job.sink for job in work.jobs)
        self.start = time.perf_counter()
        self.count = {"done": 0, "done before": 0, "exists": 0}
        self.failed: list[Outcome] = []
        self.advised = False

    def engine(self, folder: ModelFolder, chosen: Choice) -> None:
        """Which engine it is and why; and that its first use takes longer."""
        if self.verbose:
            click.echo(f"engine: {chosen.name} ({printable(chosen.why)})", err=True)
        if chosen.prepares:
            click.echo(f"preparing {folder.name} for {chosen.name}, once ...", err=True)

    def before(self, maker: Maker) -> None:
        """The estimate, where it takes long; and how the first picture is cut."""
        from ..batches import forecast

        if self.verbose and self.work.todo:
            self._cut(maker, self.work.todo[0])
        found = forecast.of(self.work.todo, maker, always=self.verbose)
        if found and (self.verbose or found.seconds >= LONG):
            click.echo(str(found), err=True)
        if self.verbose and self.work.ledger:
            click.echo(f"ledger: {printable(self.work.ledger.path)}", err=True)

    def _cut(self, maker: Maker, job: Job) -> None:
        try:
            ready = maker.prepare(job)
            plans = maker.upscaler.plans(ready.route, format=job.format, streamed=ready.streamed)
        except Exception:  # noqa: BLE001
            return  # it will be told in its turn
        for plan in plans:
            height, width = plan.tile
            exact = "exact" if plan.exact else "blended"
            click.echo(
                f"x{plan.scale}: {plan.tiles} tile{'s' * (plan.tiles > 1)} of {width}x{height} with"
                f" {plan.margin or plan.edge} pixels more on each side ({exact}), at most"
                f" {plan.bytes / 1e9:.2f} GB",
                err=True,
            )

    def tell(self, outcome: Outcome) -> None:
        """What became of one picture, at once."""
        job = outcome.job
        if outcome.advice and not self.advised:
            self.advised = True
            click.echo(f"warning: {printable(job.source)}: {printable(outcome.advice)}", err=True)
        if outcome.problem:
            self.failed.append(outcome)
        else:
            self.count[job.kept or "done"] += 1
        if self.json:
            as_json(_facts(outcome), err=self.piped)
        elif outcome.before and outcome.after:
            route = f" ({outcome.route})" if outcome.route and _worth(outcome) else ""
            if self.verbose or not self.piped:
                click.echo(
                    f"{printable(job.target)}  {outcome.before[0]}x{outcome.before[1]} to"
                    f" {outcome.after[0]}x{outcome.after[1]}{route}  {outcome.seconds:.1f} s",
                    err=self.piped,
                )
            for note in outcome.notes:
                click.echo(f"  note: {printable(note)}", err=self.piped)
        elif job.kept and self.verbose:
            click.echo(f"{printable(job.target)}  {job.kept}", err=True)

    def summary(self) -> int:
        """How many there were of each kind, why those that failed did; gives the exit code."""
        left = [outcome for outcome in self.failed if not outcome.begun]
        if not (self.json or self.piped):
            done, links = self.count["done"], self.work.links
            results, failed = len(self.work.skipped), len(self.failed) - len(left)
            seconds = time.perf_counter() - self.start
            parts = [f"{done} picture{'' if done == 1 else 's'} in {seconds:.1f} s"]
            parts += [f"{failed} failed"] * bool(failed) + [f"{len(left)} not begun"] * bool(left)
            parts += [f"{n} done before" for n in [self.count["done before"]] if n]
            parts += [f"{n} skipped (they exist)" for n in [self.count["exists"]] if n]
            parts += [f"{results} left out (results of an earlier run)"] * bool(results)
            parts += [f"{len(links)} left out (linked folders)"] * bool(links)
            click.echo(f"{', '.join(parts)}, peak memory {peak_memory() / 1e9:.1f} GB")
        for outcome in self.failed:
            if outcome.begun:
                click.echo(f"failed: {printable(outcome.problem)}", err=True)
        if self.work.left:
            click.echo(printable(self.work.left), err=self.json or self.piped)
        if left:
            again = "Mend that, and give the same command again"
            click.echo(f"not begun for that reason: {len(left)} more. {again}.", err=True)
        return 1 if self.failed else 0


def _worth(outcome: Outcome) -> bool:
    """Whether a picture's way to its size says more than the sizes do."""
    return outcome.route is not None and (outcome.route.resized or len(outcome.route.passes) != 1)


def _facts(outcome: Outcome) -> dict[str, object]:
    job = outcome.job
    return {
        "input": str(job.source),
        "output": None if outcome.problem else str(job.target),
        "from": outcome.before,
        "to": outcome.after,
        "route": str(outcome.route) if outcome.route else None,
        "seconds": round(outcome.seconds, 3),
        "notes": outcome.notes,
        "skipped": job.kept,
        "error": str(outcome.problem) if outcome.problem else None,
    }
