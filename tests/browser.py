"""Pages in a real browser: Chromium, driven by selenium, with what the pages complained of and asked for.

    @in_browser
    def test_ask(page: Page) -> None:
        page.open("http://127.0.0.1:8000/", width=375, scheme="dark")
        page.button("Make").click()
        page.until("document.images.length == 16")

Every test that uses `page` ends with the check that the console holds no error and that nobody else was asked for
anything. Where there is no browser, tests marked `in_browser` are skipped.
"""

import base64
import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no browser; install chromium and chromium-driver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
LOCAL = ("data", "blob", "about", "chrome", "chrome-untrusted", "devtools")  # schemes of addresses that leave nothing

# The nearest control of a kind whose label, title or text is the name.
NAMED = """
const [selector, name] = arguments;
const of = (e) => (e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent ?? "").trim()
  .replace(/\\s+/g, " ");
const all = [...document.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
return all.find((e) => of(e) === name) ?? all.find((e) => of(e).startsWith(name)) ?? null;
"""

SET = """
const [field, value] = arguments;
Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, value);
for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));
"""

DROP = """
const [target, files] = arguments, data = new DataTransfer();
for (const [name, type, content] of files)
  data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, {type}));
for (const kind of ["dragenter", "dragover", "drop"])
  target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, composed: true, dataTransfer: data}));
"""

SETTLED = """
const [patience, done] = arguments, quiet = 400;
const end = () => { observer.disconnect(); done(); };
setTimeout(end, patience * 1000);
let timer = setTimeout(end, quiet);
const observer = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(end, quiet); });
observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""

RULES = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => done(violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`)));
"""

# The contrast of every piece of text with what is behind it: its own colour over the backgrounds of its ancestors.
CONTRASTS = """
const parse = (text) => {  // rgb(r g b / a) from 0 to 255, or a mixed colour, color(srgb r g b / a), from 0 to 1
  const size = text.startsWith("color(srgb") ? 255 : 1, p = text.match(/[\\d.]+(?:e-?\\d+)?/g).map(Number);
  return [p[0] * size, p[1] * size, p[2] * size, p[3] ?? 1];
};
const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
const luminance = (color) => color.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92
  : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
const behind = (element) => !element ? [255, 255, 255, 1]
  : over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement));
const faded = (element) => element ? getComputedStyle(element).opacity * faded(element.parentElement) : 1;
const found = [];
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType == 3 && node.data.trim());
  if (!own || !element.getClientRects().length || element.tagName == "title") continue;
  const style = getComputedStyle(element), disc = element.previousElementSibling;  // a chart's number may lie on one
  const back = disc?.tagName == "circle" ? parse(getComputedStyle(disc).fill) : behind(element);
  const ink = parse(element instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [luminance(over([...ink.slice(0, 3), ink[3] * faded(element)], back)), luminance(back)];
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 120)]);
}
return found;
"""


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A browser without a window. profile: an empty folder. Skips the test if selenium is not there."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no browser driver; install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        driver.get("about:blank")  # for a browser begins with a page of its own, which asks its maker for things
        yield driver
    finally:
        driver.quit()


class Page:
    """A page in a browser.

    errors: lines of the console that are errors. requests: the addresses asked for. Both of all pages opened so far.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._excused: list[str] = []
        self._origins: set[tuple[str, str]] = set()
        for kind in ("browser", "performance"):
            driver.get_log(kind)  # of the page before

    def open(self, address: str, width: int = 1280, scheme: str = "light", height: int = 900) -> None:
        """Go to an address. width, height: of the window in CSS pixels. scheme: light or dark."""
        self._origins.add(urlsplit(address)[:2])
        self.resize(width, height)
        self.prefer(scheme)
        self.driver.get("about:blank")  # so that an address with another #… is loaded anew
        self.driver.get(address)

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window as large as this. Narrow ones are those of phones."""
        self._width = width
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str, *, still: bool = True, media: str = "") -> None:
        """Set what the person prefers: a colour scheme, and stillness, without which pictures of a page may be blurred.

        media: "print" shows the page as on paper.
        """
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce" if still else "no-preference"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, expression: str, *arguments: Any, seconds: float = 30) -> Any:
        """The value of an expression of JavaScript as soon as it is true. Fails if it stays false."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            return WebDriverWait(self.driver, seconds, 0.03).until(
                lambda _: self.run(f"return {expression}", *arguments)
            )
        except TimeoutException:
            self._gather()
            pytest.fail(f"Never true: {expression}\nThe console: {self.errors}\nThe page:\n{self.text}")

    def settle(self, patience: float = 20) -> None:
        """Wait until the page has not changed for a moment, and all its visible pictures are there.

        patience: largest number of seconds, for a page that never rests.
        """
        self.driver.set_script_timeout(patience + 10)
        self.driver.execute_async_script(SETTLED, patience)
        self.until("[...document.images].filter((e) => e.loading != 'lazy').every((image) => image.complete)")

    @property
    def text(self) -> str:
        """All text that is shown."""
        return str(self.run("return document.body.innerText"))

    def all(self, selector: str) -> Sequence[Any]:
        """The elements of a selector."""
        return list(self.driver.find_elements("css selector", selector))

    def named(self, selector: str, name: str, seconds: float = 30) -> Any:
        """The visible element of a selector whose label or text is the name, or at least begins with it."""
        return self.until(f"(() => {{{NAMED}}})(...arguments)", selector, name, seconds=seconds)

    def button(self, name: str) -> Any:
        """The button with this label."""
        return self.named("button, [role=button], summary, a, label.button", name)

    def field(self, name: str) -> Any:
        """The field of a form with this label."""
        return self.named("input, select, textarea", name)

    def set(self, field: Any, value: object) -> None:
        """Give a slider or another field a value, as a person's hand would."""
        self.run(SET, field, str(value))

    def press(self, *keys: str, within: Any = None) -> None:
        """Press keys one after another, by names such as "ArrowLeft" and "Tab", or characters."""
        from selenium.webdriver.common.keys import Keys

        names = {"arrow" + each: getattr(Keys, "ARROW_" + each.upper()) for each in ("left", "right", "up", "down")}
        for key in keys:
            (within or self.driver.switch_to.active_element).send_keys(
                names.get(key.lower()) or getattr(Keys, key.upper(), key)
            )

    def drop(self, selector: str, *files: Path, kind: str = "image/png") -> None:
        """Drop files onto the first element of a selector."""
        target = self.until("document.querySelector(arguments[0])", selector)
        contents = [(file.name, kind, base64.b64encode(file.read_bytes()).decode()) for file in files]
        self.run(DROP, target, contents)

    def picture(self, path: Path) -> Path:
        """The visible part of the page, saved as a PNG."""
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
        path.write_bytes(base64.b64decode(shot))
        return path

    def excuse(self, pattern: str) -> None:
        """Expect an error on the console that matches a regular expression."""
        self._excused.append(pattern)

    def allow(self, address: str) -> None:
        """Expect requests to the server of an address, beside those of the pages that were opened."""
        self._origins.add(urlsplit(address)[:2])

    def check(self) -> None:
        """Fail if the console holds an error, or if the page asked anybody but those who gave it."""
        self._gather()
        assert not [line for line in self.errors if not any(re.search(each, line) for each in self._excused)]
        assert not [address for address in self.requests if not self._own(address)]

    def check_layout(self, patience: float = 5) -> None:
        """Fail if the page is wider than its window.

        patience: largest number of seconds until its scripts have brought it into shape.
        """
        wide = (
            "const [most] = arguments; return document.documentElement.scrollWidth <= most ? []"
            ": [...document.querySelectorAll('body, body *')].filter((e) => e.getBoundingClientRect().right > most + 1)"
            ".map((e) => e.outerHTML.slice(0, 160))"
        )
        end = time.monotonic() + patience
        while (found := self.run(wide, self._width)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not found

    def check_access(self) -> None:
        """Fail if axe-core finds a serious fault that keeps people out. Skips the test where it is not installed."""
        if not AXE.exists():
            pytest.skip("no axe-core; install Node 20 or newer and run `npm ci`")
        self.run(AXE.read_text(encoding="utf-8"))
        assert self.driver.execute_async_script(RULES) == []

    def contrasts(self) -> list[tuple[float, str]]:
        """The contrast of every piece of text with what is behind it, and the element it is in."""
        return [(contrast, element) for contrast, element in self.run(CONTRASTS)]

    def _own(self, address: str) -> bool:
        parts = urlsplit(address)
        return parts.scheme in LOCAL or parts[:2] in self._origins

    def _gather(self) -> None:
        self.errors += [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]
        for line in self.driver.get_log("performance"):
            event = json.loads(line["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                self.requests.append(event["params"]["url"])


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The browser of a session."""
    with chromium(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    """A page that must in the end have no errors and have asked nobody else for anything."""
    page = Page(driver)
    yield page
    page.check()
    driver.get("about:blank")
