"""``srzoo doctor`` and ``srzoo devices``: what they tell, what they hide, and what is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from srzoo.common import devices, files
from srzoo.plugins import kinds
from srzoo.upkeep import doctor
from srzoo.upkeep.doctor import EngineStatus

ONE = "torch" if find_spec("torch") else "numpy"


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Only one engine is tried, and the cache is a folder of the test's."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    one = EngineStatus(ONE, ("cpu",), ("fp32",), "2")
    monkeypatch.setattr(doctor, "engines", lambda: [one])


def test_a_sound_installation(srzoo_cli, quick):
    result = srzoo_cli("doctor")
    assert result.code == 0, result.out
    assert result.out.endswith("nothing is broken\n")
    assert "srzoo " in result.out
    assert f"{ONE}: right, " in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_json(srzoo_cli, quick):
    told = json.loads(srzoo_cli("doctor", "--json").out)
    assert {"srzoo", "Python", "numpy", "click", "pillow"} <= told["versions"].keys()
    assert told["devices"][-1]["name"] == "cpu"
    assert told["memory"]["machine"] > told["memory"]["free"] > 0
    assert told["engines"][0]["seconds"] > 0
    assert told["problems"] == []


def test_nothing_private_is_told(srzoo_cli, quick, monkeypatch, tmp_path):
    home = tmp_path / "home of somebody"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name, value in {
        "HF_TOKEN": "hf_aBcDeFgHiJkLmNoP", "HUGGING_FACE_HUB_TOKEN": "t0k3n-of-mine",
        "HF_ENDPOINT": "https://me:pa55@hub.example/x", "SRZOO_CACHE": f"{home}/cache",
        "SRZOO_DATA": "/data", "OMP_NUM_THREADS": "2", "SRZOO_API_KEY": "0123456789",
        "HF_HOME": f"{home}", "UNRELATED_SECRET": "unrelated",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for arguments in (("doctor",), ("doctor", "--json")):
        told = srzoo_cli(*arguments).out
        for private in ("somebody", "aBcDeF", "t0k3n", "pa55", "0123456789", "unrelated"):
            assert private not in told
        for public in ("HF_TOKEN", "(set, not shown)", "~/cache", "/data", "***@hub.example"):
            assert public in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/x", "~/x"), ("in /home/ann: no", "in ~: no"), ("/home/anna/x", "/home/anna/x"),
        ("/srv/home/ann/x", "/srv/home/ann/x"),
        ("https://a:b@c.d/", "https://***@c.d/"), ("hf_0123456789", "hf_***"),
    ],
)  # fmt: skip
def test_masks(monkeypatch, text, shown):
    monkeypatch.setattr(doctor, "_homes", lambda: ["/home/ann"])
    assert doctor.masked(text) == shown


def test_no_home_is_no_trouble(monkeypatch):
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert doctor.masked("/a/b") == "/a/b"


def test_what_is_broken(srzoo_cli, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "file/cache"))
    found = [
        EngineStatus("torhc", ("cpu",), ("fp32",)),
        EngineStatus("gone", (), (), missing="pip install it"),
    ]
    monkeypatch.setattr(doctor, "engines", lambda: found)
    kinds.blocks.register("odd", lambda channels: None)
    try:
        result = srzoo_cli("doctor")
    finally:
        kinds.blocks.unregister("odd")
    assert result.code == 1
    told = " ".join(result.out.split())
    assert "broken: engine torhc: no engine is called 'torhc'. Did you mean torch" in told
    assert "file/cache cannot be written" in told
    assert "broken: block odd (this process): has no docstring" in told
    assert "gone" in told
    assert "broken: engine gone" not in told
    assert "nothing is broken" not in told


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.kill(os.getpid(), 9)", "no message (exit code -9)"),
        ("import sys; sys.exit('no good')", "no good (exit code 1)"),
        ("raise ValueError('odd')", "ValueError: odd (exit code 1)"),
        ("print('wrong')", "wrong (exit code 0)"),
        ("import time; time.sleep(9)", "it returned no answer"),
    ],
)  # fmt: skip
def test_an_engine_that_fails_does_not_take_the_doctor_along(monkeypatch, code, says):
    run = subprocess.run
    monkeypatch.setattr(doctor, "PATIENCE", 2.0)
    monkeypatch.setattr(
        subprocess, "run", lambda command, **options: run([command[0], "-c", code], **options)
    )
    assert says in doctor.try_engine(EngineStatus("torch", (), ())).problem


def test_every_installed_engine_works(monkeypatch):
    names = [one.name for one in doctor.engines() if not one.missing]
    assert ONE in names
    assert files.cache()  # where their exports are kept
    one = next(one for one in doctor.engines() if one.name == ONE)
    assert doctor.try_engine(one).problem == ""


def test_devices(srzoo_cli):
    result = srzoo_cli("devices")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    told = json.loads(srzoo_cli("devices", "--json").out)
    assert told["devices"][-1]["name"] == "cpu"
    assert told["machine"]["cores"] >= 1
    assert {"torch", "mnn"} <= {one["name"] for one in told["engines"]}


def test_devices_on_a_processor_alone_import_no_torch():
    if devices.gpu_count():
        pytest.skip("torch is asked about the cards")
    code = (
        "import sys\nfrom srzoo.cli import main\n"
        "try: main(['devices'])\nexcept SystemExit as stop: code = stop.code\n"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
