// The leaderboard: rows that keep their place in the document while customers move.

import { day, el, find, grouped, put, toCustomer, when } from "./show.js";

const MOVE_SHOWN_MS = 60_000;
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");

/** What an order event says, as lines of [term, text]. */
function reason({ sequence, event }) {
  if (!event) return [["Event", grouped(sequence)]];
  return [
    [`${event.type} ${event.verb}`, event.key],
    ["Amount", String(event.total_amount ?? "–").replace(/^-?[\d.]+/, grouped)],
    ["Customer", event.customer_id],
    ["Time", `${when(event.event_time)} UTC`],
    ["Sequence", grouped(sequence)],
  ];
}

class Row {
  constructor(id) {
    this.id = id;
    this.cells = Object.fromEntries(
      ["rank", "moved", "customer", "ltv", "revenue", "orders", "visits", "last"].map((name) => [name, el("td")]),
    );
    const { rank, moved, customer, ltv, revenue, orders, visits, last } = this.cells;
    for (const cell of [rank, ltv, revenue, orders, visits, last]) cell.classList.add("number");
    for (const cell of [revenue, orders, visits]) cell.classList.add("wide");
    moved.classList.add("moved");
    last.classList.add("last");
    ltv.classList.add("strong");
    this.name = el("a", { href: toCustomer(id) });
    this.shownId = el("span", { class: "id" }, id);
    customer.append(this.name, this.shownId);
    this.tip = el("dl", { class: "tip", role: "tooltip", id: `why-${crypto.getRandomValues(new Uint32Array(1))[0]}` });
    this.why = el("button", { type: "button", class: "why", "aria-describedby": this.tip.id });
    last.append(this.why, this.tip);
    const close = () => last.classList.add("closed");
    const open = () => last.classList.remove("closed");
    last.addEventListener("keydown", (key) => key.key === "Escape" && close());
    for (const name of ["pointerenter", "focusin", "click"]) last.addEventListener(name, open);
    this.element = el("tr", {}, ...Object.values(this.cells));
  }

  show(customer, cause) {
    const { rank, ltv, revenue, orders, visits } = this.cells;
    const changed = this.known !== undefined && this.known !== `${customer.ltv} ${cause?.sequence}`;
    this.known = `${customer.ltv} ${cause?.sequence}`;
    put(rank, String(customer.rank));
    put(this.name, customer.last_name || customer.customer_id);
    this.shownId.hidden = !customer.last_name;
    put(ltv, grouped(customer.ltv));
    put(revenue, grouped(customer.revenue));
    put(orders, grouped(customer.orders));
    put(visits, grouped(customer.visits));
    this.showCause(cause);
    return changed;
  }

  showCause(cause) {
    this.why.hidden = !cause;
    if (!cause || this.sequence === cause.sequence) return;
    this.sequence = cause.sequence;
    put(this.why, cause.event ? day(cause.event.event_time) : grouped(cause.sequence));
    const lines = reason(cause).map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text)));
    this.tip.replaceChildren(...lines);
  }

  move(from, to) {
    const { moved } = this.cells;
    const by = from - to;
    const text = from === null ? "new" : by > 0 ? `\u25b2 ${by}` : `\u25bc ${-by}`;
    const told = from === null ? "new here" : `${by > 0 ? "up" : "down"} from ${from}`;
    moved.replaceChildren(el("span", { "aria-hidden": "true" }, text), el("span", { class: "unseen" }, told));
    moved.dataset.way = from === null || by > 0 ? "up" : "down";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => moved.replaceChildren(), MOVE_SHOWN_MS);
  }
}

export class Board {
  constructor() {
    this.rows = new Map();
    this.body = find("#board tbody");
    this.empty = find("#board-empty");
    this.table = find("#board");
    this.clear();
  }

  clear() {
    this.rows.clear();
    this.body.replaceChildren();
    this.table.hidden = true;
    this.say("Loading");
  }

  /** Says why there is no table, if there is none. */
  say(word) {
    if (!this.table.hidden) return;
    this.empty.hidden = false;
    put(this.empty, word);
  }

  show({ top, last_orders: causes, moves }) {
    const before = new Map([...this.rows].map(([id, row]) => [id, row.element.offsetTop]));
    const focused = document.activeElement;
    const rows = new Map();
    const changed = new Set();
    top.customers.forEach((customer, n) => {
      const id = customer.customer_id;
      const row = this.rows.get(id) ?? new Row(id);
      if (row.show(customer, causes[n])) changed.add(id);
      rows.set(id, row);
      const here = this.body.children[n];
      if (here !== row.element) this.body.insertBefore(row.element, here ?? null);
    });
    for (const [id, row] of this.rows) if (!rows.has(id)) row.element.remove();
    this.rows = rows;
    // Whoever stands on a row that moved goes with it.
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus();
    this.table.hidden = !rows.size;
    this.empty.hidden = rows.size > 0;
    if (!rows.size) this.say("No customer yet. Append events with ltvlog append, or POST them to /v1/events.");
    this.note(top);
    this.tell(moves, top);
    this.animate(before, changed);
  }

  note({ currency, lifespan_years: years, frame }) {
    const weeks = frame ? `${grouped(frame.weeks)} weeks, ${day(frame.first)} to ${day(frame.last)}` : "";
    put(find("#board-note"), frame ? `Amounts in ${currency}. Lifetime value is 52 × revenue a week × ${years} years, over ${weeks}.` : "");
  }

  tell(moves, top) {
    const names = new Map(top.customers.map((one) => [one.customer_id, one.last_name || one.customer_id]));
    const told = [];
    for (const { customer_id: id, from, to } of moves) {
      if (to === null) continue;
      this.rows.get(id)?.move(from, to);
      if (from === null || to < from) told.push(`${names.get(id)} is number ${to}`);
    }
    if (told.length) put(find("#board-news"), `${told.slice(0, 3).join(", ")}.`);
  }

  animate(before, changed) {
    for (const [id, { element }] of this.rows) {
      if (changed.has(id)) {
        element.classList.remove("changed");
        requestAnimationFrame(() => element.classList.add("changed"));
      }
      const way = (before.get(id) ?? element.offsetTop) - element.offsetTop;
      if (way && !isCalm.matches) {
        element.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 250, easing: "ease-out" });
      }
    }
  }
}
