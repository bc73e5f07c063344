"""The screen's own light follows the supervisors' slider, where there is one."""

from pathlib import Path

import pytest

from edge_agent.hardware.backlight import Backlight


def light(folder: Path, name: str = "10-0045", highest: str = "31") -> Path:
    one = folder / name
    one.mkdir(parents=True)
    (one / "max_brightness").write_text(f"{highest}\n")
    (one / "brightness").write_text("31\n")
    return one / "brightness"


@pytest.mark.parametrize(
    ("percent", "written"), [(100, "31"), (50, "16"), (20, "6"), (1, "1"), (0, "1")]
)
def test_the_light_is_set_in_its_own_steps_and_never_dark(
    tmp_path: Path, percent: int, written: str
) -> None:
    brightness = light(tmp_path)
    assert Backlight(str(tmp_path)).set(percent)
    assert brightness.read_text() == written


def test_two_screens_are_both_set_and_one_that_is_broken_hinders_none(tmp_path: Path) -> None:
    good, broken = light(tmp_path, "a", "255"), light(tmp_path, "b", "many")
    assert Backlight(str(tmp_path)).set(40)
    assert (good.read_text(), broken.read_text()) == ("102", "31\n")


def test_where_there_is_none_the_page_is_told(tmp_path: Path) -> None:
    assert not Backlight(str(tmp_path)).set(50)
    assert not Backlight(str(tmp_path / "nowhere")).set(50)
    brightness = light(tmp_path)
    assert not Backlight("off").set(50)
    assert brightness.read_text() == "31\n"
    brightness.unlink()
    brightness.mkdir()  # can't be written
    assert not Backlight(str(tmp_path)).set(50)
