// Showing: elements, numbers, times, charts. Data becomes text, never markup.

import { inTurn, json, text } from "./ask.js";

export const find = (selector, within = document) => within.querySelector(selector);

/** An element with attributes and children; strings become texts. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** Changes a text only if it is another one, so that nothing is announced or selected anew. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Digits in threes, and a minus that is as wide as they are. Works on text: no digit is lost. */
export function grouped(number) {
  const [whole, part] = String(number).split(".");
  const digits = whole.replace("-", "\u2212").replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? digits : `${digits}.${part}`;
}

export function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit ? value.toFixed(1) : grouped(value)} ${units[unit]}`;
}

/** 2017-05-17T20:12:17.003Z as 2017-05-17 20:12:17. */
export function when(instant) {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(instant ?? "");
  return parts ? `${parts[1]} ${parts[2]}` : String(instant ?? "–");
}

export const day = (instant) => when(instant).slice(0, 10);

export const toCustomer = (id) => `#/customers/${encodeURIComponent(id)}`;

/** Terms and what is said of them. */
export function facts(list, pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null);
  const terms = [...list.children];
  shown.forEach(([term, value], n) => {
    const pair = terms[n] ?? list.appendChild(el("div", {}, el("dt"), el("dd")));
    put(pair.firstChild, term);
    put(pair.lastChild, value);
  });
  terms.slice(shown.length).forEach((pair) => pair.remove());
}

export function table(columns, rows) {
  const cell = (name, text, n) => el(name, { class: n ? "number" : undefined, scope: name === "th" ? "col" : undefined }, text);
  const head = el("thead", {}, el("tr", {}, ...columns.map((text, n) => cell("th", text, n))));
  const body = rows.map((row) => el("tr", {}, ...row.map((text, n) => cell("td", text, n))));
  return el("table", {}, head, el("tbody", {}, ...body));
}

/**
 * A figure with a chart that the server draws, and a table of the same. `paths` gives what to ask
 * for, `read` makes of the answer `{columns, rows}`, without rows if there is nothing to draw.
 */
export class Chart {
  constructor(figure, paths, read, nothing) {
    Object.assign(this, { figure, paths, read, nothing, plot: find(".plot", figure), width: 0 });
    new ResizeObserver(() => this.resized()).observe(this.plot);
  }

  resized() {
    const width = this.plot.clientWidth;
    if (!this.width || !width || Math.abs(width - this.width) < 16) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), 200);
  }

  say(word, again) {
    this.plot.replaceChildren(el("p", { class: "blank" }, word));
    if (again) {
      const button = el("button", { type: "button" }, "Try again");
      button.addEventListener("click", () => this.load());
      this.plot.firstChild.append(" ", button);
    }
  }

  clear() {
    this.loading?.abort();
    this.plot.replaceChildren();
    find("details", this.figure).hidden = true;
  }

  async load() {
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const isFirst = !this.plot.firstChild;
    if (isFirst) this.say("Loading");
    this.width = this.plot.clientWidth;
    const width = Math.min(2000, Math.max(240, Math.floor(this.width)));
    const { data, image } = this.paths();
    try {
      const { columns, rows } = this.read(await inTurn(() => json(data, signal)));
      const drawn = rows.length
        ? await inTurn(() => text(`${image}?width=${width}`, "image/svg+xml", signal))
        : undefined;
      if (signal.aborted) return;
      find("details", this.figure).hidden = !rows.length;
      find(".scroll", this.figure).replaceChildren(table(columns, rows));
      if (drawn) this.draw(drawn);
      else this.say(this.nothing);
    } catch (problem) {
      if (signal.aborted) return;
      find("details", this.figure).hidden = true;
      this.say(`The chart cannot be drawn: ${problem.message}.`, true);
    }
  }

  draw(drawn) {
    const { documentElement } = new DOMParser().parseFromString(drawn, "image/svg+xml");
    if (documentElement.localName !== "svg") throw new Error("the answer is no image");
    this.plot.replaceChildren(document.importNode(documentElement, true));
  }
}

/** What /v1/weeks and /v1/customers/{id}/weeks tell, newest first. */
export const readWeeks = ({ currency, weeks }) => ({
  columns: ["Week of", `Revenue, ${currency}`, "Orders", "Visits"],
  rows: weeks
    .map((week) => [week.first_day, grouped(week.revenue), grouped(week.orders), grouped(week.visits)])
    .reverse(),
});
