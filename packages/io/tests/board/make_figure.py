#!/usr/bin/env python3
"""Makes docs/figures/tensorboard.png: four pages of TensorBoard with the log of training_log.py, side by side.

    packages/io/tests/board/make_figure.py docs/figures/tensorboard.png     with tensorboard, Pillow and a Chromium
"""
import io
import sys
import tempfile
import time

import PIL.Image
from browser import Browser
from test_pages import TensorBoard
from training_log import write_experiment

PAGES = {"scalars": "deep('vz-line-chart2').length == 2", "graphs&run=rate_0.1": "deep('g.node').length > 10",
         "histograms": "deep('vz-histogram-timeseries').length == 2", "hparams": "deep('vaadin-grid').length"}
WIDTH, HEIGHT = 1280, 720


def main(path):
    figure = PIL.Image.new("RGB", (2 * WIDTH, 2 * HEIGHT))
    with tempfile.TemporaryDirectory() as logs, tempfile.TemporaryDirectory() as work:
        write_experiment(logs)
        with TensorBoard(logs, work) as board, Browser(WIDTH, HEIGHT) as browser:
            for k, (page, is_ready) in enumerate(PAGES.items()):
                browser.open("about:blank")
                browser.open(f"{board.url}#{page}")
                browser.wait_for(is_ready)
                time.sleep(5)                              # what moves comes to rest
                shot = PIL.Image.open(io.BytesIO(browser.screenshot()))
                figure.paste(shot, (k % 2 * WIDTH, k // 2 * HEIGHT))
    figure = figure.resize((1920, 1080), PIL.Image.Resampling.LANCZOS)
    figure.quantize(64, dither=PIL.Image.Dither.NONE).save(path, optimize=True)


main(sys.argv[1])
