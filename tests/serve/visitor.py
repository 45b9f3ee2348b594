"""Somebody who looks at the page with a headless Chromium."""

import json
from typing import Any

from browser import Browser

DESK = 1200
"""Pixels that a window is wide."""


class Visitor:
    """Somebody who looks at the page, and complains about nothing."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.browser, self.site = browser, site

    def open(self, search: str, width: int = DESK, *, dark: bool = False) -> None:
        self.browser.open(f"{self.site}{search}", width=width, height=900, dark=dark)
        self.browser.wait_for("document.documentElement.dataset.ready === 'yes'")

    def ask(self, script: str) -> Any:
        return self.browser.ask(script)

    def items(self, place: int = 0) -> list[str]:
        cards = f"document.querySelectorAll('.list')[{place}].querySelectorAll('.card')"
        return self.ask(f"[...{cards}].map(card => card.dataset.item)")

    def texts(self, selector: str) -> list[str]:
        every = f"document.querySelectorAll({json.dumps(selector)})"
        return self.ask(f"[...{every}].map(each => each.textContent.trim())")

    def changes(self, script: str, *, of: str = "#lists ol") -> None:
        """Do something, and wait for the lists that follow."""
        self.ask(f"document.querySelector('{of}').dataset.old = 'yes', 0")
        self.ask(f"{script}, 0")
        self.browser.wait_for(
            "!document.querySelector('#lists [data-old]')"
            " && document.querySelector('#lists').ariaBusy === 'false'"
        )

    def types(self, field: str, text: str) -> None:
        self.ask(f"document.getElementById('{field}').focus()")
        self.browser.call("Input.insertText", text=text)

    def presses(self, key: str) -> None:
        code = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "/": 191}[key]
        press = {"key": key, "windowsVirtualKeyCode": code}
        self.browser.call("Input.dispatchKeyEvent", type="rawKeyDown", **press)
        self.browser.call("Input.dispatchKeyEvent", type="keyUp", **press)

    def is_content(self) -> None:
        assert self.browser.complaints() == []
        requests = self.browser.requests()
        assert all(address.startswith(self.site) for address in requests)
