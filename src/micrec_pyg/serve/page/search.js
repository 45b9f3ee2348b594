// A field with suggestions: arrow keys choose, Enter takes, Escape closes.

import { fill, h } from "./dom.js";

const PAUSE_MS = 150;

/**
 * Let a text field suggest what it may mean.
 * @param {HTMLInputElement} input  with aria-controls
 * @param {object} given
 * @param {(q: string, signal: AbortSignal) => Promise<object[]>} given.find
 *   the suggestions: {label, more, hint, value}
 * @param {(value: any) => void} given.take  gets the value that was chosen
 */
export function suggest(input, { find, take }) {
  new Suggestions(input, find, take);
}

class Suggestions {
  constructor(input, find, take) {
    this.input = input;
    this.list = document.getElementById(input.getAttribute("aria-controls"));
    this.find = find;
    this.take = take;
    this.found = [];
    this.chosen = -1;
    this.asking = new AbortController();
    input.addEventListener("input", () => this.later());
    input.addEventListener("focus", () => this.later());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    // else the field would lose the focus, and the list close, before the click
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  async ask() {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const found = await this.find(this.input.value.trim(), signal);
      if (!signal.aborted) this.show(found);
    } catch (error) {
      if (!signal.aborted) this.say(error.message);
    }
  }

  show(found) {
    if (document.activeElement !== this.input) return;
    if (!found.length) {
      this.say("Nothing fits.");
      return;
    }
    this.found = found;
    const options = found.map(({ label, more, hint }, place) =>
      h(
        "li",
        { role: "option", id: `${this.list.id}-${place}`, "aria-selected": "false",
          onclick: () => this.accept(place) },
        h("span", {}, label, more ? h("small", {}, more) : null),
        hint ? h("small", {}, hint) : null,
      ),
    );
    fill(this.list, ...options);
    this.open();
    this.choose(0);
  }

  say(sentence) {
    if (document.activeElement !== this.input) return;
    this.found = [];
    this.chosen = -1;
    fill(this.list, h("li", { role: "option", "aria-disabled": "true" }, sentence));
    this.input.removeAttribute("aria-activedescendant");
    this.open();
  }

  open() {
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  close() {
    clearTimeout(this.timer);
    this.asking.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  choose(place) {
    this.chosen = place;
    [...this.list.children].forEach((option, each) => {
      option.setAttribute("aria-selected", String(each === place));
    });
    this.input.setAttribute("aria-activedescendant", `${this.list.id}-${place}`);
    this.list.children[place].scrollIntoView({ block: "nearest" });
  }

  accept(place) {
    const { value } = this.found[place];
    this.input.value = "";
    this.close();
    this.take(value);
  }

  key(event) {
    const open = !this.list.hidden && this.found.length > 0;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && open) {
      const size = this.found.length;
      this.choose((this.chosen + step + size) % size);
    } else if (event.key === "Enter" && open) {
      this.accept(this.chosen);
    } else if (step || event.key === "Enter") {
      this.ask();
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
  }
}
