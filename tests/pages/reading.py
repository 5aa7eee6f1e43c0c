"""The blocks of a page of Markdown, and what a reader has at hand when he tries them."""

from __future__ import annotations

import os
import re
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from helpers import ROOT
from PIL import Image

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(r"<!-- (?P<word>not run|file): (?P<what>[^\n]+?) -->\n+ *$")
NEEDS_VENV = "<!-- needs: venv -->"
RUN = ("sh", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block: its line in the page, its language, and what a comment above it says."""

    line: int
    language: str
    code: str
    not_run: str = ""
    file: str = ""


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        comment = COMMENT.search(text[: fence.start()])
        said = {comment["word"].replace(" ", "_"): comment["what"]} if comment else {}
        indent = fence["indent"]
        code = "".join(line.removeprefix(indent) for line in fence["code"].splitlines(True))
        line = text.count("\n", 0, fence.start()) + 2
        found.append(Block(line, fence["language"], code, **said))
    return found


def lay_out(place: Path) -> None:
    """A reader's things: photos, a scan, an animation, and a few pictures to train on."""
    with Image.open(ROOT / "docs/pictures/dandelion.jpg") as image:
        photo = image.convert("RGB")
    photo.resize((440, 248)).save(place / "photo.jpg", quality=92)
    part = photo.crop((150, 60, 310, 180))
    part.save(place / "phone.jpg", quality=40)
    (place / "holiday/day-2").mkdir(parents=True)
    for at, name in enumerate(("a.jpg", "b.jpg", "day-2/c.jpg")):
        photo.crop((60 * at, 40, 60 * at + 120, 120)).save(place / "holiday" / name)
    part.save(place / "scan.tif", save_all=True, append_images=[part.rotate(180)])
    part.convert("P").save(place / "animation.gif", save_all=True, append_images=[part])
    with Image.open(ROOT / "docs/pictures/cat.png") as image:
        cat = image.convert("RGB")
    for name, source, count in (("train", photo, 16), ("valid", cat, 4)):
        (place / "data" / name).mkdir(parents=True)
        for at in range(count):
            left, top = 24 * at, 11 * at
            crop = source.crop((left, top, left + 128, top + 128))
            crop.save(place / "data" / name / f"{at:02}.png")
    benchmark = place / "data/benchmarks/Set5/HR"
    benchmark.mkdir(parents=True)
    for at, name in enumerate(("baby", "bird", "butterfly", "head", "woman")):
        photo.crop((80 * at, 90, 80 * at + 96, 186)).save(benchmark / f"{name}.png")


def own_venv(place: Path) -> Path:
    """A virtual environment in which all of this one's packages are found, and pip works."""
    venv.create(place, with_pip=True)
    (packages,) = place.glob("lib/python*/site-packages")
    known = [path for path in sys.path if path.endswith("site-packages")]
    # Their own .pth files count, too: an editable install of srzoo is one.
    lines = [f"import site; site.addsitedir({path!r})\n" for path in known]
    (packages / "others.pth").write_text("".join(lines), encoding="utf-8")
    for name in ("srzoo", "pytest"):
        script = place / "bin" / name
        script.write_text(
            f"#!{place}/bin/python\nimport runpy, sys\nsys.argv[0] = {name!r}\n"
            f"runpy.run_module({name!r}, run_name='__main__', alter_sys=False)\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
    return place / "bin"


def surroundings(binaries: Path, cache: Path) -> dict[str, str]:
    """The environment variables of a reader who has set none."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SRZOO_", "PYTEST_"))}
    path = os.pathsep.join([str(binaries), os.environ["PATH"]])
    # One thread for each page: as many pages run at the same time as there are cores.
    one = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return kept | {"PATH": path, "SRZOO_CACHE": str(cache)} | one
