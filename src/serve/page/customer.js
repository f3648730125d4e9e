// One customer: statistics, weeks, and every event.

import { inTurn, json } from "./ask.js";
import { Chart, el, facts, find, grouped, put, readWeeks, toCustomer, when } from "./show.js";

const PAGE = 50;
const KINDS = {
  "CUSTOMER NEW": "Customer",
  "CUSTOMER UPDATE": "Change",
  "SITE_VISIT NEW": "Visit",
  "IMAGE UPLOAD": "Image",
  "ORDER NEW": "Order",
  "ORDER UPDATE": "Order update",
};

function about(event, id) {
  const names = [event.last_name, event.adr_city, event.adr_state].filter(Boolean).join(", ");
  const camera = [event.camera_make, event.camera_model].filter(Boolean).join(" ");
  switch (event.type) {
    case "CUSTOMER":
      return [names];
    case "IMAGE":
      return [el("span", { class: "id" }, event.key), camera ? ` ${camera}` : ""];
    case "ORDER":
      if (event.customer_id !== id) {
        return [
          el("span", { class: "id" }, event.key),
          " went to ",
          el("a", { class: "id", href: toCustomer(event.customer_id) }, event.customer_id),
        ];
      }
      return [el("span", { class: "id" }, event.key)];
    default:
      return [el("span", { class: "id" }, event.key)];
  }
}

function line({ sequence, event }, id) {
  const amount = event.total_amount === undefined ? "" : grouped(String(event.total_amount).split(" ")[0]);
  return el(
    "tr",
    { "data-type": event.type },
    el("td", { class: "time" }, el("time", { datetime: event.event_time }, when(event.event_time))),
    el("td", { class: "kind" }, KINDS[`${event.type} ${event.verb}`] ?? `${event.type} ${event.verb}`),
    el("td", { class: "about" }, ...about(event, id)),
    el("td", { class: "number" }, amount),
    el("td", { class: "number wide" }, grouped(sequence)),
  );
}

export class CustomerPage {
  constructor(onProblem) {
    this.onProblem = onProblem;
    const paths = () => ({ data: `${this.path}/weeks`, image: `${this.path}/weeks.svg` });
    this.weeks = new Chart(find("#customer-weeks"), paths, readWeeks, "No visit and no order yet.");
    this.more = find("#events-more");
    this.more.addEventListener("click", () => this.readEvents());
  }

  get path() {
    return `/v1/customers/${encodeURIComponent(this.id)}`;
  }

  close() {
    this.open?.abort();
    this.id = undefined;
  }

  async show(id) {
    this.close();
    this.id = id;
    const { signal } = (this.open = new AbortController());
    const [name, note, body] = ["#customer-name", "#customer-note", "#customer-body"].map((one) => find(one));
    put(name, id);
    put(find("#customer-id"), "");
    put(note, "Loading");
    [note.hidden, body.hidden] = [false, true];
    find("#events tbody").replaceChildren();
    this.weeks.clear();
    name.focus({ preventScroll: true });
    scrollTo(0, 0);
    try {
      this.figures(await json(this.path, signal));
    } catch (problem) {
      if (signal.aborted) return;
      const unknown = problem.status === 404;
      put(note, unknown ? `No customer has the id “${id}”. Ids are compared letter by letter.` : `The customer cannot be shown: ${problem.message}.`);
      if (problem.isAboutToken) this.onProblem(problem);
      return;
    }
    [note.hidden, body.hidden] = [true, false];
    this.next = 0;
    await this.readEvents();
    if (!signal.aborted) await this.weeks.load();
  }

  figures(customer) {
    put(find("#customer-name"), customer.last_name || customer.customer_id);
    put(find("#customer-id"), customer.customer_id);
    document.title = `${customer.last_name || customer.customer_id} · ltvlog`;
    const optional = (number) => (number === null ? "–" : grouped(number));
    facts(find("#customer-figures"), [
      ["Lifetime value", grouped(customer.ltv)],
      ["Revenue", grouped(customer.revenue)],
      ["Orders", grouped(customer.orders)],
      ["Visits", grouped(customer.visits)],
      ["Revenue a visit", optional(customer.revenue_per_visit)],
      ["Visits a week", grouped(customer.visits_per_week)],
    ]);
    facts(find("#customer-facts"), [
      ["Place", [customer.adr_city, customer.adr_state].filter(Boolean).join(", ") || "–"],
      ["First event", `${when(customer.first_event)} UTC`],
      ["Last event", `${when(customer.last_event)} UTC`],
    ]);
  }

  async readEvents() {
    const [id, signal, from] = [this.id, this.open.signal, this.next];
    this.more.disabled = true;
    try {
      const page = await inTurn(() => json(`${this.path}/events?from=${from}&limit=${PAGE}`, signal));
      if (signal.aborted) return;
      const lines = page.events.map((record) => line(record, id));
      find("#events tbody").append(...lines);
      // Who asked for more by key goes on from there.
      if (from) lines[0]?.querySelector("a")?.focus();
      this.next = page.next;
      this.more.hidden = page.next === null;
      put(this.more, "Show more");
    } catch (problem) {
      if (signal.aborted) return;
      this.more.hidden = false;
      put(this.more, "Try again");
    } finally {
      this.more.disabled = false;
    }
  }

  /** Takes in what has happened since. */
  async refresh() {
    if (!this.id) return;
    const [id, { signal }] = [this.id, this.open];
    try {
      const customer = await json(this.path, signal);
      if (signal.aborted || this.id !== id || find("#customer-body").hidden) return;
      const known = find("#customer-figures").textContent + find("#customer-facts").textContent;
      this.figures(customer);
      if (known === find("#customer-figures").textContent + find("#customer-facts").textContent) return;
      await this.weeks.load();
    } catch {
      // The page says already that the server does not answer.
    }
  }
}
