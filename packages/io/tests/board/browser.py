"""A headless Chromium for tests, driven by its DevTools protocol over a pair of pipes: needs no package."""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOTHING_FROM_OUTSIDE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

# Elements that suit a CSS selector, those in shadow trees included, which `querySelectorAll` does not enter.
_DEEP = """
window.deep = (selector, root = document) => {
  const found = [...root.querySelectorAll(selector)];
  for (const element of root.querySelectorAll('*'))
    if (element.shadowRoot) found.push(...window.deep(selector, element.shadowRoot));
  return found;
};
"""


def program():
    """The path of Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page of a browser of its own; a context manager. `width` and `height` in pixels."""

    def __init__(self, width=1280, height=900):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--hide-scrollbars", "--remote-debugging-pipe", NOTHING_FROM_OUTSIDE,
             f"--user-data-dir={self._profile.name}", "about:blank"], close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=lambda: _as_3_and_4(commands, answers))
        os.close(commands), os.close(answers)
        self._number, self._rest, self._session = 0, b"", None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Page.addScriptToEvaluateOnNewDocument", source=_DEEP)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        os.close(self._commands)                       # ends it
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)
        self._profile.cleanup()

    def open(self, url):
        self._call("Page.enable")
        self._call("Page.navigate", url=url)

    def evaluate(self, expression):
        """The value of a JavaScript expression; `deep(selector)` gives elements of shadow trees too."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression, timeout_s=60):
        """The first value of an expression that is true in JavaScript's sense; TimeoutError after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            value = self.evaluate(f"document.readyState == 'complete' && window.deep && ({expression})")
            if value:
                return value
            time.sleep(0.2)
        raise TimeoutError(f"not within {timeout_s} s: {expression}; the page says:\n"
                           + str(self.evaluate("document.body.innerText"))[:2000])

    def screenshot(self):
        """The page as a PNG file."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_answer()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next_answer(self):
        while b"\0" not in self._rest:
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._rest += data
        answer, self._rest = self._rest.split(b"\0", 1)
        return json.loads(answer)


def _as_3_and_4(commands, answers):
    """Puts the pipes where Chromium looks for them."""
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (commands, answers)]
    for number, descriptor in enumerate(moved, 3):
        os.dup2(descriptor, number)
