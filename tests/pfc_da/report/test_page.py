"""The report, read as a reader's browser reads it: a synthetic run folder rendered in headless Chromium."""

import csv
import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pfc_da.analysis.figures import choices, reward, style, units
from pfc_da.analysis.figures.panel import Panel, draw_svg, write_figures
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError, plural
from pfc_da.report import units as report_units
from pfc_da.report.html import asset, doi_link, text, value
from pfc_da.report.page import write_report
from pfc_da.report.panels import THEMED
from pfc_da.report.summary import QUICK
from pfc_da.report.units import unit_browser
from pfc_da.storage.manifest import Manifest, format_manifest, read_manifest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=2000"
).split()
OURS = "learning_curve within_session raster matching history selectivity controls".split()
HOSTILE = '<img src=x onerror="console.error(1)">$</script>'


SELECTIVITY = """
variable|fraction|low|high|reference|ref_low|ref_high
last_choice|.61|.52|.70|.40||
last_reward|.72|.66|.79|||
last_interaction|.38|.30|.47|||
object_value|.49|.41|.60|.58|.51|.65
<img src=x $|.20|.10|.30|||
"""
CONTROLS = """
condition|estimate|low|high|chance
frozen|.430|.420|.440|.376
hidden_reset|.374|.360|.388|.376
no_reward_input|.377|.365|.390|.376
no_action_input|.400|.385|.410|.376
untrained|.370|.350|.390|.376
"""
STATISTICS = f"""
key|condition|estimate|low|high|interval|n|n_of|units
reward_per_trial|frozen|.4312|.4251|.4383|95 % t over animals|2|animals|reward per trial
matching_slope||.64|.58|.70|95 % t over animals|2|animals|1
fraction_selective|object_value|.49|.41|.60|95 % t over animals|2|animals|fraction of units
fraction_selective|last_choice|.61|.52|.70|95 % t over animals|2|animals|fraction of units
history_reward|lag_1|.90|.82|.98|95 % t over animals|2|animals|log odds
reward_no_reward_input||.377|.365|.390|95 % t over animals|2|animals|reward per trial
firing_rate|{HOSTILE}|4.91||||2|animals|Hz
"""
TSUTSUI = "published|Tsutsui et al. 2016|10.1038/ncomms12554|abstract"
LAU = "unverified|Lau & Glimcher|10.1901/jeab.2005.110-04|text"
PLANTED = "recorded|planted sessions|10.1000/xyz-9|recomputed"
HOSTILE_SOURCE = f"recorded|{HOSTILE}|javascript:alert(1)|{HOSTILE}"
COMPARISON = f"""
key|condition|simulated|sim_low|sim_high|reference|ref_low|ref_high|kind|source|doi|locator|ref_n|verdict|why
reward_per_trial|frozen|.4312|.4251|.4383|.431|||derived|fixed chooser knowing p0||this package||inside|
matching_slope||.64|.58|.70|.80|.75|.86|{PLANTED}|40|outside|no baiting
matching_slope||.64|.58|.70|.60|.50|.70|{LAU}|2|not comparable|memory
fraction_selective|object_value|.49|.41|.60|.58|.51|.65|{TSUTSUI}|205|inside|
fraction_selective|last_choice|.61|.52|.70|.40|||{TSUTSUI}|205|outside|
firing_rate|{HOSTILE}|4.91|||3.2|2.8|3.7|{HOSTILE_SOURCE}|30|not comparable|no n
cv2|||||.9|.8|1|{PLANTED}|9|not comparable|this run holds no such number
"""


def table(bars: str) -> pd.DataFrame:
    """Return the table written with bars between its columns."""
    return pd.read_csv(io.StringIO(bars), sep="|", quoting=csv.QUOTE_NONE)


def make_panels(tables: dict[str, pd.DataFrame]) -> list[Panel]:
    """Return the panels of `run_tables`, with statistics of two animals where a panel shows some."""
    fields = {"estimate": 0.5, "low": 0.4, "high": 0.6, "interval": "95 % t over animals", "n": 2}
    shown = Statistic(key="history_reward", n_of="animals", units="1", **fields)
    makers = {
        "learning_curve": reward.make_learning_panel,
        "within_session": reward.make_within_session_panel,
        "raster": choices.make_raster_panel,
        "matching": lambda table: choices.make_matching_panel(table, shown),
        "history": lambda table: choices.make_history_panel(table, [shown]),
        "selectivity": lambda table: units.make_selectivity_panel(table, [shown]),
        "controls": lambda table: reward.make_controls_panel(table, [shown]),
    }
    return [makers[name](table) for name, table in tables.items() if name in makers]


def draw(name: str, table: pd.DataFrame) -> str:
    (panel,) = make_panels({name: table})
    return draw_svg(panel)


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    others = {name: table for name, table in tables.items() if name not in OURS}
    write_figures(make_panels(tables), folder, tables=others)


def run_tables() -> dict[str, pd.DataFrame]:
    """Return the tables of the figures of a plausible run of two animals."""
    rng = np.random.default_rng(0)
    weights = [
        (kind, lag, scale * 0.6**lag)
        for kind, scale in (("reward", 1.5), ("choice", -0.7))
        for lag in range(1, 7)
    ]
    history = pd.DataFrame(weights, columns=["kind", "lag", "estimate"])
    return {
        "learning_curve": _learning_curve(rng),
        "within_session": _within_session(),
        "raster": pd.concat([_session(episode, p, rng) for episode, p in enumerate((0.08, 0.25, 0.41))]),
        "matching": _matching(rng),
        "history": history.assign(low=history["estimate"] - 0.08, high=history["estimate"] + 0.08),
        "selectivity": table(SELECTIVITY),
        "controls": table(CONTROLS),
        **_units(rng),
    }


def _learning_curve(rng) -> pd.DataFrame:
    updates = np.arange(0, 900, 15)
    curves = 0.43 - 0.13 * np.exp(-updates / 150) + rng.normal(0, 0.012, (2, len(updates)))
    rows = {"update": updates, "trials": updates * 6400}
    animals = [
        pd.DataFrame({"animal": a, **rows, "reward_per_trial": curve}) for a, curve in enumerate(curves)
    ]
    mean = pd.DataFrame({"animal": "mean", **rows, "reward_per_trial": curves.mean(0)})
    mean = mean.assign(low=curves.min(0), high=curves.max(0))
    return pd.concat([*animals, mean])


def _within_session() -> pd.DataFrame:
    trials = np.arange(100)
    lines = [
        pd.DataFrame({"trial": trials, "mean": level + rise * (1 - np.exp(-trials / 8)), "condition": name})
        for name, level, rise in (
            ("frozen", 0.34, 0.09),
            ("hidden_reset", 0.36, 0.005),
            ("untrained", 0.35, 0),
        )
    ]
    return pd.concat(lines).assign(
        low=lambda rows: rows["mean"] - 0.012, high=lambda rows: rows["mean"] + 0.012
    )


def _session(episode: int, p0: float, rng) -> pd.DataFrame:
    trials = np.arange(100)
    choice = (rng.random(100) > p0 * 2).astype(int)
    since = np.array([[trial % 4, (trial + 1) % 3] for trial in trials])
    p = 1 - (1 - np.array([p0, 0.5 - p0])) ** (since + 1)
    reward = (rng.random(100) < p[trials, choice]).astype(float)
    columns = {"trial": trials, "choice": choice, "reward": reward, "p_a": p[:, 0], "p_b": p[:, 1]}
    return pd.DataFrame(columns).assign(episode=episode)


def _matching(rng) -> pd.DataFrame:
    income = rng.uniform(-2.5, 2.5, 120)
    choice = 0.64 * income + rng.normal(0, 0.25, 120)
    table = pd.DataFrame({"log_income_ratio": income, "log_choice_ratio": choice})
    table["income_fraction"], table["choice_fraction"] = (1 / (1 + np.exp(-x)) for x in (income, choice))
    table.loc[0, "log_income_ratio"] = np.inf  # a session in which one side never paid
    fit = {"slope": 0.64, "slope_low": 0.58, "slope_high": 0.7, "bias": 0.02}
    return table.assign(animal=np.arange(120) % 2, episode=np.arange(120) // 2, **fit)


TIMES = {"cue": (-0.1, 0.0, 0.1, 0.2, 0.3, 0.4), "choice": (-0.2, -0.1, 0.0, 0.1)}
GROUPS = [*(("value", name) for name in ("low", "middle", "high")), ("choice", "A"), ("choice", "B")]


def _units(rng, animals: int = 2) -> dict[str, pd.DataFrame]:
    """Eight units an animal; unit 5 of animal 1 has planted numbers that the tests look for."""
    units, activity, spikes = [], [], []
    for animal in range(animals):
        for unit in range(8):
            level = rng.gamma(2, 2.5)
            p = {
                "p_last_choice": rng.random(),
                "p_last_reward": rng.random() ** 4,
                "p_object_value": rng.random() ** 3,
            }
            about = {"animal": animal, "unit": unit, "is_excitatory": unit < 6, "tau": 0.1 * 1.6**unit}
            latency = {"latency_choice_s": -0.15, "latency_object_value_s": np.nan}
            units.append({**about, "mean_rate_hz": level, **p, **latency})
            for event, times in TIMES.items():
                for index, (kind, group) in enumerate(GROUPS):
                    for place, time in enumerate(times):
                        rate = level * (1 + 0.25 * index * place / 6) + rng.normal(0, 0.1)
                        activity.append((animal, unit, event, kind, group, time, rate, 0.04 * level))
            spikes += [(animal, unit, trial, f"{-50 + unit} {100 + 50 * trial}") for trial in range(4)]
    columns = "animal unit event group_kind group time_s mean_hz sem_hz".split()
    units, activity = pd.DataFrame(units), pd.DataFrame(activity, columns=columns)
    planted = (units["animal"] == 1) & (units["unit"] == 5)
    units.loc[planted, ["tau", "mean_rate_hz", "p_last_choice"]] = [1.23, 4.56, 0.0004]
    mark = (activity["animal"] == 1) & (activity["unit"] == 5) & (activity["group"] == "high")
    mark &= (activity["event"] == "cue") & (activity["time_s"] == 0.1)
    activity.loc[mark, ["mean_hz", "sem_hz"]] = [17.25, 0.75]
    value, choice = ["low", "high", "low", ""], ["B", "A", "A", "B"]
    trial = {
        "trial": range(4),
        "value": value,
        "choice": choice,
        "cue_s": 0.0,
        "choice_s": [0.1, 0.2, 0.3, 0.4],
    }
    trials = pd.concat([pd.DataFrame({"animal": animal, **trial}) for animal in range(animals)])
    listed = pd.DataFrame(spikes, columns=["animal", "unit", "trial", "spikes_ms"])
    return {"units": units, "unit_activity": activity, "unit_trials": trials, "unit_spikes": listed}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run folder with its report."""
    return build_run(tmp_path_factory.mktemp("runs") / "run")


def build_run(folder: Path) -> Path:
    """Write a run folder as `pfc-da run` leaves it before its last stage, and its report."""
    config = {"network": "rate", "rule": "three-factor", "animals": 2, "note": HOSTILE}
    manifest = {"status": "running", "paradigm": "monkey_juice", "seed": 0, "animals": 2}
    manifest |= {"config": config, "versions": {"python": "3.11.2"}, "commit": "0123abc"}
    manifest |= {"wall_s": 101.5, "cpu_s": 180.25, "stages": {"train": "x", "replay": "x", "compare": "x"}}
    folder.mkdir()
    (folder / "manifest.json").write_text(format_manifest(Manifest(**manifest)))
    names = {"paradigm": "monkey_juice", "network": "rate", "rule": "three-factor"}
    table(STATISTICS).assign(**names).to_csv(folder / "statistics.csv", index=False)
    table(COMPARISON).assign(ref_n_of="units").to_csv(folder / "comparison.csv", index=False)
    write(run_tables(), folder / "figures")
    write_report(folder)
    return folder


def browse(page: str, folder: Path, *, fragment: str = "", script: str = "") -> tuple[str, str]:
    """Return the DOM after all scripts and what the console said; `script` runs last, as a reader's hand."""
    file = folder / "page.html"
    file.write_text(page + f"<script>{script}</script>", encoding="utf-8")
    own = [f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *own, file.as_uri() + fragment],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def copy_of(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def page_of(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def body_rows(dom: str, name: str) -> list[str]:
    body = re.search(rf'id="{name}".*?<tbody[^>]*>(.*?)</tbody>', dom, re.DOTALL)
    assert body, f"no table {name}"
    return re.findall(r"<tr.*?</tr>", body[1], re.DOTALL)


@pytest.fixture(scope="module")
def opened(run, tmp_path_factory) -> tuple[str, str]:
    """The page as it opens: its DOM and what the console said."""
    return browse(page_of(run), tmp_path_factory.mktemp("opened"))


@pytest.fixture(scope="module")
def planted(run, tmp_path_factory) -> tuple[str, str]:
    """The page opened at the unit with planted numbers."""
    return browse(page_of(run), tmp_path_factory.mktemp("planted"), fragment="#animal=1&unit=5")


@needs_browser
def test_page_shows_everything_and_the_console_is_silent(opened):
    dom, console = opened
    assert console == ""
    assert len(body_rows(dom, "comparison-table")) == 5  # six comparisons of five statistics
    assert "1 more reference, for which this run holds no number" in dom
    assert len(body_rows(dom, "statistics-table")) == 7
    assert "5 of 5 rows" in dom
    assert set(re.findall(r'<figure id="figure-(\w+)"', dom)) == set(OURS)
    assert "rate network, trained by three-factor; 2 animals; seed 0" in dom
    assert 'class="banner"' not in dom  # all stages before the report are done
    assert "<b>0.431</b> <span>[0.425, 0.438]" in dom
    units = run_tables()["units"].query("animal == 0").sort_values("mean_rate_hz")
    assert f"Animal 0, unit {units['unit'].iloc[-1]}, " in dom  # the most active is shown first


@needs_browser
def test_nothing_is_loaded_from_outside_and_no_text_of_data_becomes_markup(opened):
    dom, _ = opened
    addresses = re.findall(r'<[^>]*?\b(?:src|href)="([^"#][^"]*)"', dom)
    assert addresses, "the DOI links at least"
    assert all(address.startswith("https://doi.org/10.") for address in addresses)
    assert "<img" not in dom
    assert "&lt;img src=x onerror=" in dom  # it is shown, as text
    assert not re.search(r"@import|url\(\s*['\"]?http", dom)


@needs_browser
def test_a_noisy_page_would_be_heard_and_an_outside_load_is_blocked(run, tmp_path):
    load = "document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}));"
    _, console = browse(page_of(run), tmp_path, script=load + "console.error('planted')")
    assert "planted" in console
    assert "example.org" in console and "Content Security Policy" in console


@needs_browser
def test_unit_browser_follows_the_address(planted):
    dom, console = planted
    assert console == ""
    assert "Animal 1, unit 5, excitatory" in dom
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>([^<]*)</dd>", dom))
    assert facts["type"] == "E (excitatory)"
    assert (facts["time constant"], facts["mean rate"]) == ("1.23 s", "4.56 Hz")
    assert facts["p, last choice"] == "&lt; .001"
    assert re.search(r"value: high</th>(<td>[^<]*</td>){2}<td>17.25 ± 0.75</td>", dom)  # third bin
    assert facts["choice coded"] == "from \u22120.15 s to the choice"
    assert facts["object value coded"] == "not before the choice"
    lines = re.findall(r'<polyline class="line" points="([^"]*)"', dom)
    assert [len(line.split()) for line in lines] == [6] * 5  # three terciles, two choices, six bins


def drawings(dom: str) -> list[str]:
    """The drawings of the unit that is shown, one a kind of group."""
    return re.findall(
        r"<svg.*?</svg>", re.search(r'<div id="unit-plots">(.*?)</div>', dom, re.DOTALL)[1], re.DOTALL
    )


def read_spikes(svg: str, event: str, series: str) -> list[float]:
    """Times of the spikes of one group, by the line at the event and the axis, which ends half a bin after the last one."""
    zero = float(re.search(r'<line class="event" x1="([\d.]+)"', svg)[1])
    end = float(re.search(r'<line class="axis" x1="[\d.]+" x2="([\d.]+)"', svg)[1])
    slope = (TIMES[event][-1] + 0.05) / (end - zero)
    path = re.search(rf'class="series {series}">.*?class="spikes" d="([^"]*)"', svg, re.DOTALL)[1]
    return [slope * (float(at) - zero) for at in re.findall(r"M([\d.]+) ", path)]


@needs_browser
def test_rasters_show_the_spikes_of_their_trials_at_their_times(run, planted, tmp_path):
    """Unit 5 fires 45 ms before the cue and 100 ms + 50 ms times the number of the trial after it."""
    _, by_choice = drawings(planted[0])
    np.testing.assert_allclose(
        read_spikes(by_choice, "cue", "choice-0"), [-0.045, 0.15, -0.045, 0.2], atol=1e-3
    )
    np.testing.assert_allclose(
        read_spikes(by_choice, "cue", "choice-1"), [-0.045, 0.1, -0.045, 0.25], atol=1e-3
    )
    script = """
    const event = document.getElementById("unit-event");
    event.value = "choice"; event.dispatchEvent(new Event("change"));
    """
    dom, console = browse(page_of(run), tmp_path, fragment="#animal=1&unit=5", script=script)
    assert console == "" and "time from choice (s)" in dom and "time from cue (s)" not in dom
    by_value, by_choice = drawings(dom)
    # choices are 100, 200, 300 and 400 ms after the cue; drawn are 250 ms before them to 150 ms after
    np.testing.assert_allclose(read_spikes(by_choice, "choice", "choice-0"), [-0.245, -0.05, -0.1], atol=1e-3)
    np.testing.assert_allclose(read_spikes(by_choice, "choice", "choice-1"), [-0.145, 0.0, -0.15], atol=1e-3)
    assert (
        by_value.count("<circle") == 3 - 1
    )  # the cue of three trials with a value, one of them 300 ms before


@needs_browser
def test_drawn_heights_are_the_numbers(planted):
    """The planted 17.25 ± 0.75 Hz, read back from the drawing by the scale of its own tick labels."""
    (svg, *_) = drawings(planted[0])
    ticks = re.findall(r'<text x="39" y="([\d.]+)" text-anchor="end">([\d.]+)</text>', svg)
    y, rate = np.array(ticks, float).T
    slope, offset = np.polyfit(y - 4, rate, 1)  # labels sit 4 px below their tick
    high = re.search(r'class="series value-2">.*?points="([^"]*)".*?points="([^"]*)"', svg, re.DOTALL)
    band, line = (np.array([pair.split(",") for pair in points.split()], float) for points in high.groups())
    heights = [slope * height + offset for height in (line[2, 1], band[2, 1], band[9, 1])]
    np.testing.assert_allclose(heights, [17.25, 18.0, 16.5], atol=0.01)


@needs_browser
def test_arrow_keys_move_between_units_and_animals(run, tmp_path):
    script = """
    const press = (key) => {
      const event = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
      document.getElementById("unit-unit").dispatchEvent(event);
      return document.getElementById("unit-name").textContent + location.hash;
    };
    document.getElementById("unit-order").value = "number";
    document.getElementById("unit-order").dispatchEvent(new Event("change"));
    document.getElementById("unit-unit").value = "5";
    const ways = ["Right", "Left", "Left", "Down", "Down", "Up"];
    document.body.dataset.seen = ways.map((way) => press(`Arrow${way}`)).join("|");
    """
    dom, _ = browse(page_of(run), tmp_path, fragment="#animal=0&unit=5", script=script)
    seen = re.search(r'data-seen="([^"]*)"', dom)[1].replace("&amp;", "&").split("|")
    assert seen == [
        "Animal 0, unit 6, inhibitory#animal=0&unit=6",
        "Animal 0, unit 5, excitatory#animal=0&unit=5",
        "Animal 0, unit 4, excitatory#animal=0&unit=4",
        "Animal 1, unit 4, excitatory#animal=1&unit=4",
        "Animal 1, unit 4, excitatory#animal=1&unit=4",  # there is no third animal
        "Animal 0, unit 4, excitatory#animal=0&unit=4",
    ]


@needs_browser
def test_table_sorts_by_number_and_filters_by_text_and_verdict(run, tmp_path):
    script = """
    const rows = () => [...document.querySelectorAll("#comparison-table tbody tr")];
    const order = () => rows().map((row) => row.cells[1].dataset.sort).join();
    const head = document.querySelectorAll("#comparison-table thead th")[1];
    const click = () => { head.firstChild.click(); return `${head.getAttribute("aria-sort")}:${order()}`; };
    const clicks = [click(), click()];
    const [box, verdict] = ["filter-text", "filter-verdict"].map((id) => document.getElementById(id));
    box.value = "TSUTSUI selective"; box.dispatchEvent(new Event("input"));
    const shown = () => rows().filter((row) => row.offsetHeight).map((row) => row.dataset.key).join();
    const some = shown();
    verdict.value = "outside"; verdict.dispatchEvent(new Event("change"));
    const count = document.getElementById("filter-count").textContent;
    document.body.dataset.seen = [...clicks, some, shown(), count].join("|");
    """
    dom, _ = browse(page_of(run), tmp_path, script=script)
    assert re.search(r'data-seen="([^"]*)"', dom)[1].split("|") == [
        "ascending:0.4312,0.49,0.61,0.64,4.91",
        "descending:4.91,0.64,0.61,0.49,0.4312",
        "fraction_selective last_choice,fraction_selective object_value",
        "fraction_selective last_choice",
        "1 of 5 rows",
    ]


@needs_browser
def test_page_is_no_wider_than_the_screen(run, tmp_path):
    """Chromium has no window of 390 px here, so the page is laid out in frames of that width."""
    frames = "".join(
        f'<iframe style="border:0;height:900px;width:{width}px" srcdoc="{text(page_of(run))}"></iframe>'
        for width in (1280, 768, 390)
    )
    script = """
    onload = () => {
      const frames = [...document.querySelectorAll("iframe")];
      const roots = frames.map((frame) => frame.contentDocument.documentElement);
      document.body.dataset.seen = roots.map((root) => `${root.clientWidth}:${root.scrollWidth}`).join();
    };
    """
    dom, _ = browse(frames, tmp_path, script=script)
    sizes = [pair.split(":") for pair in re.search(r'data-seen="([^"]*)"', dom)[1].split(",")]
    assert all(0 < int(wide) <= int(client) for client, wide in sizes), sizes
    assert int(sizes[-1][0]) > 350  # the narrow frame was laid out at all


def test_references_of_one_statistic_stand_side_by_side(run):
    row = next(
        row for row in body_rows(page_of(run), "comparison-table") if 'data-key="matching_slope' in row
    )
    cells = dict(re.findall(r'data-label="([^"]+)"[^>]*>(.*?)</td>', row, re.DOTALL))
    assert "<b>0.64</b> <span>[0.58, 0.70]" in cells["simulated"] and "n = 2 animals" in cells["simulated"]
    assert "<b>0.80</b> <span>[0.75, 0.86]" in cells["recorded"] and "n = 40 units" in cells["recorded"]
    assert "unverified" in cells["published"] and ">doi:10.1901/jeab.2005.110-04</a>" in cells["published"]
    assert cells["ideal observer"] == ""
    assert "outside (recorded)" in cells["verdict"] and "not comparable (unverified)" in cells["verdict"]


def test_neurons_stand_beside_recorded_areas_and_their_panels_are_missed_by_nobody(run, tmp_path):
    before = body_rows(page_of(run), "comparison-table")
    run = copy_of(run, tmp_path)
    statistics, comparison = (pd.read_csv(run / f"{name}.csv") for name in ("statistics", "comparison"))
    of_neurons = statistics.iloc[:2].assign(key="cv", condition=["DLPFC", "neurons"], n=7)
    (run / "replays/spiking").mkdir(parents=True)
    of_neurons.to_csv(run / "replays/spiking/statistics.csv", index=False)
    areas = comparison.iloc[:1].assign(key="cv", condition="DLPFC", kind="recorded")
    areas.to_csv(run / "replays/spiking/comparison.csv", index=False)
    page = write_report(run).read_text(encoding="utf-8")
    added = [row for row in body_rows(page, "comparison-table") if 'data-key="cv' in row]
    assert len(body_rows(page, "comparison-table")) == len(before) + 1
    assert len(added) == 1 and "DLPFC" in added[0] and "n = 7 animals" in added[0]
    assert f"{len(statistics)} rows, as in statistics.csv" in page
    assert "spiking_share" not in page


def test_misses_lead_the_page(run):
    listed = re.search(r'id="misses">(.*?)</div>', page_of(run), re.DOTALL)[1]
    assert len(re.findall("<li>", listed)) == 2 and "fraction selective, last choice" in listed


def test_claims_in_words_are_counted_apart(run, tmp_path):
    run = copy_of(run, tmp_path)
    comparison = pd.read_csv(run / "comparison.csv")
    comparison["verdict"] = [
        "claim holds",
        "claim fails",
        "claim open",
        "inside",
        "outside",
        "open",
        "not comparable",
    ]
    comparison.to_csv(run / "comparison.csv", index=False)
    page = write_report(run).read_text(encoding="utf-8")
    reported = re.findall(
        r"<dt>(Inside their reference|Claims that hold)</dt><dd>(.*?)<small>(.*?)</small>", page
    )
    assert reported == [
        ("Inside their reference", "1 of 3", "1 outside, 1 open; 1 more are not comparable"),
        ("Claims that hold", "1 of 3", "1 fail; 1 are open; a claim is a sign or a range in words"),
    ]
    assert len(re.findall("<li>", re.search(r'id="misses">(.*?)</div>', page, re.DOTALL)[1])) == 2


def test_a_quick_run_whose_animals_did_not_learn_says_so_before_any_number(run, tmp_path):
    run = copy_of(run, tmp_path)
    rows = [(animal, key, "", 0.4) for animal in (0, 1) for key in ("reward_per_trial", "reward_untrained")]
    rows += [(animal, "fraction_learned", "", 0.0) for animal in (0, 1)]
    columns = ["animal", "key", "condition", "estimate"]
    pd.DataFrame(rows, columns=columns).to_csv(run / "statistics_by_animal.csv", index=False)
    statistics = pd.read_csv(run / "statistics.csv")
    chance = statistics.iloc[:1].assign(key="reward_chance", estimate=0.375)
    pd.concat([statistics, chance]).to_csv(run / "statistics.csv", index=False)
    manifest = read_manifest(run)
    quick = manifest.model_copy(update={"config": manifest.config | {"quick": True}})
    (run / "manifest.json").write_text(format_manifest(quick))
    page = write_report(run).read_text(encoding="utf-8")
    first, second = re.findall(r'<p class="banner">(.*?)</p>', page)
    assert first == "2 of 2 animals did not learn: reward 0.400 a trial, untrained 0.400, chance 0.375."
    assert second == QUICK and page.index(second) < page.index('class="tiles"')
    assert "Inside their reference" not in page and 'id="misses"' not in page


def test_what_a_run_does_not_have_is_named_as_left_out(run, tmp_path):
    run = copy_of(run, tmp_path)
    for name in ("figures/matching.csv", "figures/units.csv", "comparison.csv", "statistics.csv"):
        (run / name).unlink()
    page = write_report(run).read_text(encoding="utf-8")
    assert "<li>Matching: this run has no figures/matching.csv.</li>" in page
    assert "Left out: this run has no figures/units.csv with figures/unit_activity.csv." in page
    assert "Left out: this run has no rows in comparison.csv." in page
    assert "Left out: this run has no rows in statistics.csv." in page
    assert 'id="figure-matching"' not in page and 'id="figure-raster"' in page


def test_a_run_without_an_index_of_figures_says_so(run, tmp_path):
    run = copy_of(run, tmp_path)
    (run / "figures" / "index.csv").unlink()
    page = write_report(run).read_text(encoding="utf-8")
    assert "Left out: this run has no figures/index.csv." in page and "<figure" not in page


def test_a_panel_without_numbers_is_named_as_left_out(run, tmp_path):
    run, tables = copy_of(run, tmp_path), run_tables()
    write(tables | {"history": tables["history"][:0]}, run / "figures")
    page = write_report(run).read_text(encoding="utf-8")
    assert "<li>Effects of past rewards and choices: this run has no numbers for it.</li>" in page
    assert 'id="figure-history"' not in page and 'id="figure-raster"' in page


def test_the_drawings_of_the_page_are_those_of_the_run_folder(run, tmp_path):
    """Nothing is drawn for the report: what the folder holds is shown."""
    run = copy_of(run, tmp_path)
    file = run / "figures" / "history.svg"
    file.write_text(file.read_text().replace("lag (trials back)", "a label of the file"))
    assert "a label of the file" in write_report(run).read_text(encoding="utf-8")


def test_panels_of_a_spiking_replay_come_last(run, tmp_path):
    run = copy_of(run, tmp_path)
    panel = dataclasses.replace(make_panels(run_tables())[0], name="spiking_share", title="Neurons")
    write_figures([panel], run / "replays" / "spiking" / "figures")
    names = re.findall(r'<figure id="figure-(\w+)"', write_report(run).read_text(encoding="utf-8"))
    assert names == [*(name for name in run_tables() if name in OURS), "spiking_share"]


def test_an_unfinished_run_says_so(run, tmp_path):
    run = copy_of(run, tmp_path)
    manifest = read_manifest(run).model_copy(update={"status": "interrupted", "stages": {"train": "x"}})
    (run / "manifest.json").write_text(format_manifest(manifest))
    assert "This run is <strong>interrupted</strong>" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("comparison.csv", 'key,condition\n"open', r"comparison\.csv is damaged: .*left as it is"),
        ("figures/index.csv", "", r"index\.csv is damaged: .*left as it is"),
        (
            "figures/index.csv",
            "name,title\n",
            r"index\.csv is damaged: it lacks the column\(s\) caption, int",
        ),
        ("figures/history.svg", "", r"history\.svg is damaged: .*left as it is"),
        (
            "figures/history.svg",
            "<svg><script>1</script></svg>",
            r"history\.svg is damaged: it holds a script",
        ),
        ("figures/history.svg", "<svg><g onload='1'/></svg>", r"history\.svg is damaged: it holds a script"),
        ("figures/history.svg", "<svg><g></svg>", r"history\.svg is damaged: .*left as it is"),
        (
            "figures/units.csv",
            "animal,unit\n",
            r"units\.csv is damaged: it lacks the column\(s\) is_excitatory",
        ),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(run, tmp_path, name, content, message):
    run = copy_of(run, tmp_path)
    before = page_of(run)
    (run / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
    assert (run / name).read_text() == content and page_of(run) == before


def test_not_a_run_folder(tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder"):
        write_report(tmp_path)


def test_figures_are_editable_text_with_their_numbers_beside(run):
    numbers = run_tables()
    for name in OURS:
        svg = ET.parse(run / "figures" / f"{name}.svg")
        assert svg.findall(".//{http://www.w3.org/2000/svg}text"), name
        pd.testing.assert_frame_equal(
            pd.read_csv(run / "figures" / f"{name}.csv").astype(str),
            pd.read_csv(io.StringIO(numbers[name].to_csv(index=False))).astype(str),
        )
        assert draw(name, numbers[name]) == (run / "figures" / f"{name}.svg").read_text(), (
            "same numbers, same bytes"
        )


def test_intervals_and_published_values_are_drawn_where_the_table_has_them():
    numbers = table(SELECTIVITY)
    (panel,) = make_panels({"selectivity": numbers})
    ax = panel.plots[0](panel.table, Figure().subplots())
    segments = [segment for bars in ax.collections for segment in bars.get_segments() if len(segment)]
    drawn = {tuple(np.round(segment[:, 0], 6)) for segment in segments}
    assert set(zip(numbers["low"], numbers["high"], strict=True)) <= drawn
    assert (0.51, 0.65) in drawn
    diamonds = next(line for line in ax.lines if line.get_marker() == "D")
    np.testing.assert_allclose(
        np.asarray(diamonds.get_xdata(), float), [0.4, 0.58]
    )  # only the two that were published


def test_matching_line_and_band_are_the_fit_in_the_table():
    (panel,) = make_panels({"matching": run_tables()["matching"]})
    ax = panel.plots[1](panel.table, Figure().subplots())
    x, y = next(line for line in ax.lines if "slope" in line.get_label()).get_data()
    np.testing.assert_allclose(y, 0.02 + 0.64 * x)
    edges = ax.collections[-1].get_paths()[0].vertices
    at_end = edges[np.isclose(edges[:, 0], x[-1]), 1]
    np.testing.assert_allclose([at_end.min(), at_end.max()], 0.02 + np.array([0.58, 0.7]) * x[-1])


def test_raster_puts_every_choice_and_reward_in_its_place():
    numbers = run_tables()["raster"].query("episode == 1")
    (panel,) = make_panels({"raster": numbers})
    ax = panel.plots[0](panel.table, Figure().subplots())
    dots = {line.get_color(): line.get_xdata() for line in ax.lines if line.get_marker() == "."}
    for action, color in ((0, style.BLUE), (1, style.VERMILLION)):
        paid = numbers[(numbers["choice"] == action) & (numbers["reward"] > 0)]
        np.testing.assert_array_equal(dots[color], paid["trial"])
    ticks = sum(len(bars.get_segments()) for bars in ax.collections)
    assert ticks == 100 + 2  # one a trial, and the two frame lines


@pytest.mark.parametrize("name", OURS)
def test_one_animal_without_intervals_is_drawn(name):
    """Of one animal there is no interval; a side never paid leaves no finite log ratio."""
    numbers = run_tables()[name]
    for column in ("low", "high", "slope", "slope_low", "slope_high", "reference", "log_income_ratio"):
        if column in numbers:
            numbers[column] = np.nan
    assert "nan" not in "".join(ET.fromstring(draw(name, numbers)).itertext())


def test_a_caption_repeats_what_its_table_says_of_the_intervals(run, tmp_path):
    run = copy_of(run, tmp_path)
    numbers = run_tables()["within_session"].assign(
        interval="95 % bootstrap over sessions", n=40, n_of="sessions"
    )
    write({"within_session": numbers}, run / "figures")
    page = write_report(run).read_text(encoding="utf-8")
    caption = re.search(r'id="figure-within_session".*?<figcaption>(.*?)</figcaption>', page, re.DOTALL)[1]
    assert "Intervals: 95 % bootstrap over sessions, n = 40 sessions." in caption


def test_many_sessions_do_not_make_a_page_of_megabytes():
    many = pd.concat([run_tables()["matching"]] * 60)
    assert len(draw("matching", many)) < 400_000


def test_units_beyond_the_budget_are_dropped_aloud(monkeypatch):
    tables = _units(np.random.default_rng(1), animals=3)
    whole = unit_browser(*tables.values())
    assert "more animal" not in whole
    monkeypatch.setattr(report_units, "BUDGET", 5000)
    page = unit_browser(*tables.values())
    kept = json.loads(re.search(r'id="units-data">(.*?)</script>', page, re.DOTALL)[1])["animals"]
    assert 1 <= len(kept) < 3 and f"{plural(3 - len(kept), 'more animal')} in" in page


def test_every_colour_of_the_drawings_follows_the_theme():
    source = Path(style.__file__).read_text(encoding="utf-8")
    css = asset("report.css")
    assert set(re.findall(r"#[0-9a-f]{6}", source)) == set(THEMED)
    for name in THEMED.values():
        assert css.count(f"--{name}:") >= 2, f"{name} needs a light and a dark value"


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.64, 0.58, 0.7), "<b>0.64</b> <span>[0.58, 0.70]</span>"),
        ((0.4, np.nan, np.nan), "<b>0.4</b>"),
        ((-0.4312, -0.5, 0.25), "<b>\u22120.431</b> <span>[\u22120.500, 0.250]</span>"),
        ((1234.5, 1200, 1300), "<b>1234</b> <span>[1200, 1300]</span>"),
        ((np.nan, np.nan, np.nan), "<b>–</b>"),
        ((np.nan, -np.inf, 1.0), "<b>–</b> <span>[\u2212∞, 1]</span>"),
    ],
)
def test_numbers_have_as_many_decimals_as_their_interval(numbers, shown):
    assert value(*numbers) == f'<span class="number">{shown}</span>'


def test_only_a_doi_becomes_a_link():
    assert doi_link("10.1038/ncomms12554").startswith('<a href="https://doi.org/10.1038/ncomms12554"')
    assert "<a" not in doi_link("javascript:alert(1)") + doi_link('10.1/"><img') + doi_link(np.nan)


def test_text_is_escaped_and_nothing_is_empty():
    assert text(HOSTILE) == "&lt;img src=x onerror=&quot;console.error(1)&quot;&gt;$&lt;/script&gt;"
    assert text(np.nan) == text(None) == ""


def test_importing_the_report_loads_neither_torch_nor_matplotlib():
    code = "import sys, pfc_da.report.page; print({'torch', 'brian2', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
