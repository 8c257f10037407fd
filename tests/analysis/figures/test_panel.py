"""Panels and their files: what is written, what is said of intervals, which names are refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pfc_da.analysis.figures.panel import (
    Panel,
    describe_intervals,
    draw_panel,
    draw_svg,
    tabulate_panels,
    write_figures,
)
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError
from pfc_da.storage.tables import INDEX, read_table


def plot_line(numbers, ax):
    ax.plot(numbers["x"], numbers["mean"], label="a line")
    ax.legend()
    return ax


TABLE = pd.DataFrame(
    {"x": [0, 1, 2], "mean": [0.1, 0.2, 0.3], "low": [0.0, 0.1, np.nan], "high": [0.2, 0.3, np.nan]}
)
COUNTED = TABLE.assign(interval="95 % t over animals", n=[4, 5, 3], n_of="animals")
PANEL = Panel(name="line", table=COUNTED, title="A line", caption="A line, drawn.", plots=(plot_line,))
SHOWN = Statistic(
    key="x",
    estimate=1,
    low=0,
    high=2,
    interval="95 % t over animals",
    n=7,
    n_of="animals",
    units="1",
)


def test_a_panel_is_a_table_a_drawing_and_a_row_of_the_index(tmp_path):
    units = pd.DataFrame({"unit": [0]})
    other = dataclasses.replace(PANEL, name="other", wide=True, plots=(plot_line, plot_line))
    write_figures([PANEL, other], tmp_path, tables={"units": units})
    names = {"line.csv", "line.svg", "other.csv", "other.svg", "units.csv", "index.csv"}
    assert {file.name for file in tmp_path.iterdir()} == names
    assert (tmp_path / "line.svg").read_text() == draw_svg(PANEL)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "line.csv"), COUNTED)
    index = read_table(tmp_path / "index.csv", INDEX)
    assert index["name"].tolist() == ["line", "other"]
    assert index["wide"].tolist() == [0, 1] and index["drawn"].tolist() == [1, 1]
    assert (tmp_path / "other.svg").read_text().count("a line") == 2  # side by side


def test_an_empty_table_is_in_the_index_alone(tmp_path):
    write_figures([dataclasses.replace(PANEL, table=TABLE[:0])], tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["index.csv"]
    assert pd.read_csv(tmp_path / "index.csv")["drawn"].tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "95 % t over animals, n = 4 to 5 animals"),  # the third has no interval
        ({"table": COUNTED.assign(n=4)}, "95 % t over animals, n = 4 animals"),
        (
            {"table": COUNTED.assign(n_of=["animals", "simulations", "simulations"])},
            "95 % t over animals, n = 4 animals; 95 % t over animals, n = 5 simulations",
        ),
        ({"table": COUNTED.assign(low=np.nan)}, ""),
        ({"table": TABLE}, ""),
        ({"table": TABLE[["x", "mean"]], "interval": "95 % t over animals"}, ""),
        ({"table": TABLE, "statistics": [SHOWN]}, "95 % t over animals, n = 7 animals"),
        ({"table": TABLE, "statistics": [dataclasses.replace(SHOWN, low=np.nan)]}, ""),
        (
            {"table": TABLE.assign(n=2), "interval": "95 % t over sessions", "n_of": "sessions"},
            "95 % t over sessions, n = 2 sessions",
        ),
        ({"table": TABLE, "interval": "95 % t over sessions"}, "95 % t over sessions, n not given"),
    ],
)
def test_intervals_are_described_from_the_numbers_that_are_drawn(changes, said):
    panel = dataclasses.replace(PANEL, **changes)
    assert describe_intervals(panel) == said
    assert tabulate_panels([panel])["intervals"].tolist() == [said]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["line", "line"], "two tables of figures are called 'line'"),
        (["index"], "two tables of figures are called 'index'"),
        (["units"], "two tables of figures are called 'units'"),
        (["../line"], "a figure cannot be called '../line'; lower-case letters"),
        ([""], "a figure cannot be called ''"),
    ],
)
def test_names_that_would_overwrite_a_file_are_refused_before_anything_is_written(names, message, tmp_path):
    panels = [dataclasses.replace(PANEL, name=name) for name in names]
    with pytest.raises(InputError, match=message):
        write_figures(panels, tmp_path / "figures", tables={"units": TABLE})
    assert not (tmp_path / "figures").exists()


def test_a_panel_is_drawn_again_on_axes_of_the_reader(tmp_path):
    two = dataclasses.replace(PANEL, name="two", plots=(plot_line, plot_line))
    write_figures([PANEL, two], tmp_path)
    left, right = Figure().subplots(1, 2)
    assert draw_panel(tmp_path, "line", left) is left
    np.testing.assert_allclose(left.lines[0].get_xydata(), COUNTED[["x", "mean"]])
    draw_panel(tmp_path, "two", right)
    assert not right.lines and [len(part.lines) for part in right.child_axes] == [1, 1]
    boxes = [part.get_position() for part in right.child_axes]
    whole = right.get_position()
    assert whole.x0 == pytest.approx(boxes[0].x0) and whole.x1 == pytest.approx(boxes[1].x1)
    assert boxes[0].x1 < boxes[1].x0


def test_a_panel_that_cannot_be_drawn_again_is_refused(tmp_path):
    empty = dataclasses.replace(PANEL, name="empty", table=TABLE[:0])
    local = dataclasses.replace(PANEL, name="local", plots=(lambda numbers, ax: ax,))
    write_figures([PANEL, empty, local], tmp_path)
    ax = Figure().subplots()
    with pytest.raises(
        InputError, match="panel 'lime' is none of this run. Did you mean 'line'\\? There are: line, local"
    ):
        draw_panel(tmp_path, "lime", ax)
    with pytest.raises(InputError, match="panel 'empty' has no numbers in this run"):
        draw_panel(tmp_path, "empty", ax)
    with pytest.raises(InputError, match="no function '.*' to draw the panel with"):
        draw_panel(tmp_path, "local", ax)


@pytest.mark.parametrize(
    "function", ["os.remove", "pfc_da.errors.nearest", "absent.plot_line", "json.plot_line"]
)
def test_an_index_cannot_name_what_does_not_draw(tmp_path, function):
    write_figures([PANEL], tmp_path)
    index = pd.read_csv(tmp_path / "index.csv").assign(plots=function)
    index.to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(InputError, match=f"no function '{function}' to draw the panel with"):
        draw_panel(tmp_path, "line", Figure().subplots())
