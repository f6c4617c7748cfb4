"""The real TensorBoard shows our logs, in a headless Chromium without a network. Collected with tensorboard alone."""
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from browser import Browser, program
from training_log import STEPS, write_experiment

RUNS = ("rate_0.1", "rate_1")

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium on this machine: apt-get install chromium")


class TensorBoard:
    """A server for a folder of logs; a context manager."""

    def __init__(self, logdir, work_folder):
        self._log = pathlib.Path(work_folder, "tensorboard.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port",
                                              "0", "--host", "127.0.0.1"], stdout=log, stderr=log)
        self.url = self._wait_for(lambda: re.search(r"http://127\S+", self._log.read_text()))[0]
        self._wait_for(lambda: set(RUNS) <= set(self.get("data/runs")))

    def _wait_for(self, condition):
        for _ in range(600):
            found = condition()
            if found:
                return found
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"TensorBoard did not start:\n{self._log.read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        self._process.wait()

    def get(self, path, **query):
        """What a page of data says: parsed JSON, or text."""
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            text = answer.read().decode()
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return text


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(TensorBoard, a browser, the losses of each run)."""
    folder = tmp_path_factory.mktemp("logs")
    losses = write_experiment(str(folder))
    with TensorBoard(folder, tmp_path_factory.mktemp("work")) as board, Browser() as browser:
        yield board, browser, losses


def show(shown, page):
    board, browser, _ = shown
    browser.open("about:blank")
    browser.open(f"{board.url}#{page}")
    return browser


def test_curves_are_drawn(shown):
    board, _, losses = shown
    for run in RUNS:
        served = board.get("data/plugin/scalars/scalars", run=run, tag="loss")
        assert [(step, value) for _, step, value in served] == list(zip(STEPS, losses[run]))
    browser = show(shown, "scalars")
    browser.wait_for("deep('vz-line-chart2').length == 2")
    lines = browser.wait_for("(lines => lines.length >= 4 && lines)(deep('vz-line-chart2').map(chart => "
                             "deep('path.line, path', chart.shadowRoot || chart).map(path => path.getAttribute('d'))"
                             ".filter(d => d && d.split('L').length >= 20)).flat())")
    assert all(re.match(r"M[\d.-]+,[\d.-]+L", line) for line in lines)
    assert {"loss", "total"} <= set(re.findall(r"\w+", browser.evaluate(
        "deep('tf-scalar-card').map(card => card.tag).join(' ')")))


def test_images_appear(shown):
    browser = show(shown, "images")
    sizes = browser.wait_for("(all => all.length == 2 && all.every(s => s[0]) && all)"
                             "(deep('img').map(image => [image.naturalWidth, image.naturalHeight]))")
    assert sizes == [[32, 32]] * 2


def test_sounds_appear(shown):
    browser = show(shown, "audio")
    durations = browser.wait_for("(all => all.length == 2 && all.every(d => d) && all)"
                                 "(deep('audio').map(sound => sound.duration))")
    assert durations == pytest.approx([0.2] * 2)


@pytest.mark.parametrize("page, chart", [("histograms", "vz-histogram-timeseries"),
                                         ("distributions", "vz-distribution-chart")])
def test_histograms_appear(shown, page, chart):
    browser = show(shown, page)
    count = browser.wait_for(f"deep('{chart}').length == 2 && deep('{chart}').map(chart => deep('path', "
                             "chart.shadowRoot || chart).filter(path => (path.getAttribute('d') || '').length > 100)"
                             ".length).reduce((a, b) => a + b)")
    assert count >= 2 * len(RUNS)


def test_texts_appear(shown):
    browser = show(shown, "text")
    assert set(browser.wait_for("deep('strong').map(element => element.innerText)")) == {"classifier"}


def test_hyperparameters_appear(shown):
    _, _, losses = shown
    browser = show(shown, "hparams")
    rows = browser.wait_for("(rows => rows.includes('rate_1') && rows)(deep('vaadin-grid').map(grid => "
                            "deep('vaadin-grid-cell-content', grid).map(cell => cell.innerText.trim())).flat()"
                            ".filter(text => text))")
    numbers = [float(text) for text in rows if re.fullmatch(r"[\d.]+", text)]
    for run, rate in zip(RUNS, (0.1, 1.0)):
        assert run in rows and rate in numbers
        assert any(number == pytest.approx(losses[run][-1], rel=1e-4) for number in numbers)
    assert rows.count("sgd") == 2


def test_the_graph_is_drawn(shown):
    """Its scopes open, functions of branches and loops stand beside it, and nodes have colours by time of a run."""
    board, _, _ = shown
    browser = show(shown, "graphs&run=rate_0.1")
    names = set(browser.wait_for("(names => names.length > 10 && names)"
                                 "(deep('g.node').map(node => node.getAttribute('data-name')))"))
    assert {"x", "labels", "hidden", "output", "error", "train", "branch", "loop"} <= names
    for scope in ("hidden", "branch", "loop", "__function_library__loop"):
        browser.evaluate(f"deep('g.node').find(node => node.getAttribute('data-name') == '{scope}').querySelector("
                         "'.nodeshape rect').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
        browser.wait_for(f"deep('g.node').some(node => node.getAttribute('data-name').startsWith('{scope}/'))")
    inside = browser.evaluate("deep('g.node').map(node => node.getAttribute('data-name'))")
    assert {"hidden/weights", "hidden/MatMul", "branch/If", "loop/While"} <= set(inside)
    assert any(re.fullmatch(r"__function_library__loop/body_\d+", name) for name in inside)

    stats = board.get("data/plugin/graphs/run_metadata", run="rate_0.1", tag="step 60")
    assert 'node_name: "loop/While"' in stats and "all_end_rel_micros" in stats
    browser.evaluate("deep('paper-item').find(item => item.textContent.trim() == 'step 60').click()")
    browser.wait_for("!deep('#compute-time-radio-button')[0].disabled")
    browser.evaluate("deep('#compute-time-radio-button')[0].click()")
    browser.wait_for("deep('g.node').some(node => node.getAttribute('data-name') == 'loop' && "
                     "/^rgb/.test(node.querySelector('.nodecolortarget')?.style.fill))")


def test_nothing_is_fetched_from_outside(shown):
    """All that the pages need comes from TensorBoard itself."""
    board, browser, _ = shown
    show(shown, "graphs")
    browser.wait_for("deep('g.node').length > 10")
    names = browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert names and all(name.startswith((board.url, "data:", "blob:")) for name in names)
