"""The page: one file, safe whatever things are called; and driven in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import chromium
import numpy as np
import pytest
from helpers import drawn
from PIL import Image
from test_comparison import made

from srzoo.comparing import page
from srzoo.comparing.comparison import ComparedImage
from srzoo.images.rectangles import Rectangle

CROP = Rectangle(200, 120, 160, 160)
NASTY = "<img src=x onerror=\"document.title='bad'\">' &amp; {{script}} </script>"


def pictures_of(text):
    uris = re.findall(r'src="data:image/(\w+);base64,([^"]+)"', text)
    opened = [Image.open(io.BytesIO(base64.b64decode(data))) for _, data in uris]
    return [(kind, np.asarray(image.convert("RGB"))) for (kind, _), image in
            zip(uris, opened, strict=True)]  # fmt: skip


def test_the_page_holds_every_picture_without_loss():
    found = made(2, CROP)
    held = pictures_of(page.render(found))
    assert len(held) == 4
    for (kind, pixels), one in zip(held, found.pictures, strict=True):
        assert kind == "webp"
        assert (pixels == one.pixels).all()


def test_nothing_outside_is_asked_for():
    text = re.sub(r"data:image/\w+;base64,[\w+/=]+", "", page.render(made(2, CROP)))
    assert "://" not in text
    assert not re.search(r"@import|url\(|<link|src=\"(?!\")|fetch\(|import\(", text)
    assert "default-src 'none'" in text


def test_large_pictures_become_jpeg_and_the_page_says_so(monkeypatch):
    found = made(2, CROP)
    monkeypatch.setattr(page, "LOSSLESS", 1_000)
    text = page.render(found)
    held = pictures_of(text)
    assert [kind for kind, _ in held] == ["webp", "jpeg", "jpeg", "jpeg"]
    assert (held[0][1] == found.pictures[0].pixels).all()
    assert "JPEG of quality 95" in text
    # Colours are not halved in resolution: a red line of one pixel stays red.
    line = np.full((64, 64, 3), 255, np.uint8)
    line[:, 31] = (230, 20, 20)
    red = replace(found, pictures=(*found.pictures[:-1], ComparedImage("HR", None, line, {})))
    kept = pictures_of(page.render(red))[-1][1].astype(int)
    assert abs(kept - line).mean() < 3
    assert kept[30, 31, 0] - kept[30, 31, 1] > 150


def test_names_are_only_text():
    found = made(1, CROP, name=NASTY)
    nasty = replace(found.pictures[1], name=NASTY)
    text = page.render(replace(found, pictures=(found.pictures[0], nasty, found.pictures[2])))
    assert "<img src=x" not in text
    assert text.count("<script>") == text.count("</script>") == 1
    assert "{{script}} &lt;/script&gt;" in text
    assert "\udcff" not in page.render(made(1, CROP, name="a\udcff"))


def test_a_page_of_a_part_says_so():
    found = replace(made(1, CROP), result_size=(6000, 4000))
    assert "This page has 600 x 400 pixels of it." in page.render(found)


# In a browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = chromium.installed()
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    with chromium.Chromium(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page of four pictures that differ in every pixel; 1200 x 900, light."""

    def go(comparison=None, width=1200, height=900, ratio=1.0, touch=False):
        browser.size(width, height, ratio, touch)
        path = tmp_path / "page ü.html"
        path.write_text(page.render(comparison or told_apart()), encoding="utf-8")
        browser.open(path)
        bad = [event for event in browser.events
               if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]  # fmt: skip
        assert bad == []
        asked = [event["params"]["request"]["url"] for event in browser.events
                 if event["method"] == "Network.requestWillBeSent"]  # fmt: skip
        assert all(url.startswith(("file:", "data:")) for url in asked)
        return browser

    return go


COLOURS = {"LR": (200, 40, 40), "one": (40, 160, 40), "two": (40, 40, 200), "HR": (210, 200, 40)}


def told_apart(crop=CROP, size=(600, 400), mark=(CROP.x, CROP.y)):
    """LR, one, two and HR in four colours; each but LR has one white pixel."""
    base = made(2, crop, size=size)
    pictures = []
    for (name, colour), one in zip(COLOURS.items(), base.pictures, strict=True):
        pixels = np.empty_like(one.pixels)
        pixels[:] = colour
        if name != "LR":
            pixels[mark[1], mark[0]] = 255
        pictures.append(replace(one, name=name, pixels=pixels))
    return replace(base, pictures=tuple(pictures))


def box(browser, selector="#stage"):
    script = f"JSON.stringify(document.querySelector('{selector}').getBoundingClientRect())"
    return json.loads(browser.run(script))


def now(browser):
    return int(browser.run("document.getElementById('divider').getAttribute('aria-valuenow')"))


def seen(browser, share, row=0.25):
    """The name of the picture that is seen at a share of the stage's width."""
    screen, stage = browser.screen(), box(browser)
    ratio = screen.shape[1] / browser.run("innerWidth")
    y = round((stage["y"] + row * stage["height"]) * ratio)
    x = round((stage["x"] + share * stage["width"]) * ratio)
    colour = tuple(int(value) for value in screen[y, x])
    return next((name for name, c in COLOURS.items() if np.allclose(c, colour, atol=3)), colour)


def divider_edge(browser):
    """Where on the screen, as a share of the stage, one picture ends and the next begins."""
    screen, stage = browser.screen(), box(browser)
    y = round(stage["y"] + 0.25 * stage["height"])
    line = screen[y, round(stage["x"]) : round(stage["x"] + stage["width"])].astype(int)
    left = np.flatnonzero((abs(line - COLOURS["one"]) <= 3).all(axis=1))
    right = np.flatnonzero((abs(line - COLOURS["two"]) <= 3).all(axis=1))
    assert left.max() < right.min()
    return (left.max() + right.min()) / 2 / len(line)


def test_the_divider_follows_the_mouse(opened):
    browser = opened()
    assert now(browser) == 50
    assert (seen(browser, 0.3), seen(browser, 0.7)) == ("one", "two")
    stage = box(browser)
    y = stage["y"] + stage["height"] / 2
    at = lambda share: stage["x"] + share * stage["width"]  # noqa: E731
    browser.mouse(("mousePressed", at(0.5), y), ("mouseMoved", at(0.6), y),
                  ("mouseMoved", at(0.8), y), ("mouseReleased", at(0.8), y))  # fmt: skip
    assert now(browser) == 80
    assert (seen(browser, 0.7), seen(browser, 0.9)) == ("one", "two")
    assert divider_edge(browser) == pytest.approx(0.8, abs=0.005)
    browser.mouse(("mouseMoved", at(0.2), y))  # the button is up: nothing moves
    assert now(browser) == 80
    browser.mouse(("mousePressed", at(0.8), y), ("mouseMoved", at(-0.5), y),
                  ("mouseReleased", at(-0.5), y))  # fmt: skip
    assert now(browser) == 0
    assert seen(browser, 0.1) == "two"


def test_the_divider_follows_a_finger(opened):
    browser = opened(width=390, height=844, ratio=2, touch=True)
    stage = box(browser)
    y = stage["y"] + stage["height"] / 2
    path = [[(stage["x"] + share * stage["width"], y)] for share in (0.5, 0.4, 0.25)]
    browser.touch(*path)
    assert now(browser) == 25
    assert (seen(browser, 0.15), seen(browser, 0.4)) == ("one", "two")
    assert browser.run("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_alone_is_enough(opened):
    browser = opened()
    for _ in range(20):
        browser.key("Tab")
        if browser.run("document.activeElement.id") == "divider":
            break
    assert browser.run("document.activeElement.matches(':focus-visible')")
    browser.key("ArrowRight")
    assert now(browser) == 51
    browser.key("ArrowRight", modifiers=8)
    browser.key("ArrowLeft")
    assert now(browser) == 60
    assert divider_edge(browser) == pytest.approx(0.6, abs=0.005)
    assert (seen(browser, 0.55), seen(browser, 0.65)) == ("one", "two")
    browser.key("End")
    assert (now(browser), seen(browser, 0.9)) == (100, "one")
    browser.key("Home")
    assert (now(browser), seen(browser, 0.1)) == (0, "two")
    said = browser.run("document.getElementById('divider').getAttribute('aria-valuetext')")
    assert said == "0 % one, the rest two"


def choose(browser, side, name):
    browser.run(
        f"(() => {{ const s = document.getElementById('{side}');"
        f" s.value = [...s.options].findIndex(o => o.text === '{name}');"
        " s.dispatchEvent(new Event('change')); })()"
    )


def test_any_two_pictures_can_be_compared(opened):
    browser = opened()
    names = list(COLOURS)
    for left, right in zip(names, names[1:] + names[:1], strict=True):
        choose(browser, "left", left)
        choose(browser, "right", right)
        assert (seen(browser, 0.3), seen(browser, 0.7)) == (left, right)
    browser.run("document.getElementById('swap').click()")
    assert (seen(browser, 0.3), seen(browser, 0.7)) == ("LR", "HR")
    choose(browser, "left", "one")
    assert browser.run("document.getElementById('left-tag').innerText").split() == [
        "one", "20.00", "dB", "/", "0.7000",
    ]  # fmt: skip


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_zoom_is_in_whole_pixels(opened, ratio):
    """The white pixel is a square of as many screen pixels as the zoom says, and no others."""
    crop = Rectangle(300, 200, 40, 40)
    browser = opened(told_apart(crop, mark=(320, 220)), ratio=ratio)
    for press in ("whole", "place", "in", "out", "out"):
        browser.run(f"document.getElementById('{press}').click()")
        zoom = int(browser.run("document.getElementById('zoom').value").rstrip("×"))
        browser.run("document.getElementById('divider').focus()")
        browser.key("Home")
        white = browser.screen()
        stage = box(browser)
        top, left = round((stage["y"] + 2) * ratio), round((stage["x"] + 60) * ratio)
        part = white[top : top + round((stage["height"] - 60) * ratio), left:]
        part = part[:, : round((stage["width"] - 120) * ratio)]
        rows, columns = np.nonzero((part == 255).all(axis=2))
        assert len(rows) == zoom**2, press
        assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == zoom


def test_pictures_move_together(opened):
    browser = opened(told_apart(Rectangle(300, 200, 40, 40)))
    stage = box(browser)
    transforms = "[...document.querySelectorAll('.layer img')].map(i => i.style.transform)"
    before = browser.run(transforms)
    x, y = stage["x"] + stage["width"] / 4, stage["y"] + stage["height"] / 4
    browser.mouse(("mousePressed", x, y), ("mouseMoved", x + 50, y + 30),
                  ("mouseReleased", x + 50, y + 30))  # fmt: skip
    after = browser.run(transforms)
    assert now(browser) == 50
    assert after[0] == after[1]
    numbers = [[float(n) for n in re.findall(r"-?[\d.]+", t[0])] for t in (before, after)]
    assert numbers[1] == [numbers[0][0] + 50, numbers[0][1] + 30]
    browser.key("ArrowLeft")
    assert browser.run(transforms)[0] == browser.run(transforms)[1] != after[0]
    zoom = browser.run("document.getElementById('zoom').value")
    browser.key("-")
    assert browser.run("document.getElementById('zoom').value") != zoom


def test_two_fingers_zoom(opened):
    browser = opened(width=390, height=844, ratio=1, touch=True)
    browser.run("document.getElementById('whole').click()")
    zoom = lambda: browser.run("document.getElementById('zoom').value")  # noqa: E731
    before, stage = zoom(), box(browser)
    y = stage["y"] + stage["height"] / 4
    browser.touch([(150, y), (200, y)], [(140, y), (210, y)], [(120, y), (250, y)])
    after = zoom()
    assert after != before
    browser.touch([(120, y), (250, y)], [(150, y), (200, y)])
    assert zoom() != after


def test_light_and_dark(opened, browser):
    def paper():
        return browser.screen()[4, 4].mean()

    opened()
    for scheme, dark in (("dark", True), ("light", False)):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.tell("Emulation.setEmulatedMedia", features=features)
        assert (paper() < 60) == dark
        assert (paper() > 200) == (not dark)


def test_every_control_has_a_name(opened):
    browser = opened()
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if node.get("role", {}).get("value") in
                ("button", "combobox", "slider", "image", "img")]  # fmt: skip
    names = [node["name"]["value"] for node in controls if not node.get("ignored")]
    assert all(names)
    assert {"Left", "Right", "Divider", "Zoom in", "Swap left and right", "HR: the crop"} <= set(
        names
    )


def test_the_crops_are_the_same_place(opened):
    """Without the script too: what is drawn below the divider."""
    browser = opened()
    for name, colour in COLOURS.items():
        selector = f'figure[data-name="{name}"] .crop'
        browser.run(f"document.querySelector('{selector}').scrollIntoView()")
        place, screen = box(browser, selector), browser.screen()
        part = screen[round(place["y"]) :, round(place["x"]) :]
        part = part[: round(place["height"]), : round(place["width"])]
        assert (abs(part[-9, -9].astype(int) - colour) <= 3).all()
        if name != "LR":  # the white pixel is the crop's first: 320 / 160 = 2 pixels a side
            assert (part[:2, :2] == 255).all()
            assert (abs(part[3:40, 3:40].astype(int) - colour) <= 3).all()


def test_names_do_nothing_in_a_browser(opened):
    base = told_apart()
    nasty = replace(base, source=NASTY, pictures=(
        base.pictures[0], replace(base.pictures[1], name=NASTY), *base.pictures[2:]))  # fmt: skip
    browser = opened(nasty)
    assert browser.run("document.title").startswith("<img src=x")
    assert browser.run("document.querySelectorAll('img').length") == 6
    assert NASTY in browser.run("document.getElementById('left').innerText")


def test_large_pictures_are_shown_whole(opened):
    large = replace(told_apart(size=(2048, 1600)))
    browser = opened(large)
    browser.run("document.getElementById('whole').click()")
    assert browser.run("document.getElementById('zoom').value") == "1/3"
    assert seen(browser, 0.4) == "one"


def test_drawn_pictures_come_through(opened):
    """Real detail, both sides, pixel for pixel."""
    found = made(2, CROP)
    other = 255 - found.pictures[2].pixels
    found = replace(found, pictures=(*found.pictures[:2], replace(found.pictures[2],
                    name="other", pixels=other), found.pictures[3]))  # fmt: skip
    browser = opened(found)
    browser.run("document.getElementById('whole').click()")
    assert browser.run("document.getElementById('zoom').value") == "1×"
    stage, screen = box(browser), browser.screen()
    x = round(stage["x"] + 1) + round((browser.run("stage.clientWidth") - 600) / 2)
    y = round(stage["y"] + 1) + round((browser.run("stage.clientHeight") - 400) / 2)
    part = screen[y : y + 400, x : x + 600].astype(int)
    hr = np.asarray(drawn(600, 400))
    assert (abs(part[:150, :270] - hr[:150, :270]) <= 1).all()
    assert (abs(part[:150, 330:] - (255 - hr[:150, 330:].astype(int))) <= 1).all()
