// The page: what is shown when, how far the server is, and whether it answers.

import { Problem, follow, inTurn, json, sleep, token } from "./ask.js";
import { Board } from "./board.js";
import { CustomerPage } from "./customer.js";
import { Chart, bytes, facts, find, grouped, put, readWeeks, toCustomer, when } from "./show.js";

const STATUS_MS = 1_000;
const CHARTS_MS = 10_000;
const RATE_MS = 10_000;

const board = new Board();
const customer = new CustomerPage((problem) => needToken(problem));
const charts = [
  new Chart(find("#weeks-chart"), () => ({ data: "/v1/weeks", image: "/v1/charts/weeks.svg" }), readWeeks, "No visit and no order yet."),
  new Chart(
    find("#distribution-chart"),
    () => ({ data: "/v1/distribution", image: "/v1/charts/distribution.svg" }),
    readDistribution,
    "No customer yet.",
  ),
];
let running;
let samples = [];
let drawn = { at: 0, end: undefined };

function readDistribution({ currency, negative, zero, bins, customers }) {
  const rows = bins.map((bin) => [`${grouped(bin.from)} to below ${grouped(bin.to)}`, grouped(bin.customers)]);
  if (zero) rows.unshift(["0", grouped(zero)]);
  if (negative) rows.unshift(["below 0", grouped(negative)]);
  return { columns: [`Lifetime value, ${currency}`, "Customers"], rows: customers ? rows : [] };
}

function tell(state, word) {
  const shown = find("#state");
  shown.dataset.state = state;
  put(shown, word);
}

function view() {
  const parts = /^#\/customers\/(.+)$/.exec(location.hash);
  try {
    return parts ? decodeURIComponent(parts[1]) : undefined;
  } catch {
    return parts[1];
  }
}

function route() {
  if (!running) return;
  const id = view();
  find("#home").hidden = id !== undefined;
  find("#customer").hidden = id === undefined;
  if (id !== undefined) {
    document.title = `${id} · ltvlog`;
    customer.show(id);
    return;
  }
  document.title = "ltvlog";
  customer.close();
  draw(true);
}

/** Draws what changed, not too often. */
async function draw(isDue) {
  const { end } = samples.at(-1) ?? {};
  if (!isDue && (end === drawn.end || Date.now() - drawn.at < CHARTS_MS)) return;
  drawn = { at: Date.now(), end };
  if (view() !== undefined) return customer.refresh();
  charts.forEach((chart) => chart.load());
  try {
    health(await inTurn(() => json("/v1/info")));
  } catch (problem) {
    word("bad", `The log cannot be looked at: ${problem.message}.`);
  }
}

function word(state, text) {
  find("#health-word").dataset.state = state;
  put(find("#health-word"), text);
}

function health(info) {
  const behind = info.checkpoint_end === null ? undefined : info.end - info.checkpoint_end;
  const count = info.segments.length;
  facts(find("#health"), [
    ["On the disk", `${grouped(info.synced_end)} of ${grouped(info.end)} events`],
    ["Last append", info.appended_at ? `${when(info.appended_at)} UTC` : "–"],
    ["First event", info.frame ? `${when(info.frame.first)} UTC` : "–"],
    ["Last event", info.frame ? `${when(info.frame.last)} UTC` : "–"],
    ["Segments", `${grouped(count)}, ${bytes(info.bytes.segments)}`],
    ["Keys", info.bytes.keys ? bytes(info.bytes.keys) : "none"],
    ["Checkpoint", behind === undefined ? "none" : `${grouped(behind)} events before the end, ${bytes(info.bytes.checkpoints)}`],
    ["Torn tail", info.torn_bytes ? `${grouped(info.torn_bytes)} bytes, cut when the log is next opened` : "none"],
    ["Log id", info.log_id],
  ]);
}

function showStatus(status) {
  const now = performance.now();
  samples = [...samples.filter(({ at }) => now - at <= RATE_MS), { at: now, end: status.end, applied: status.applied_end }];
  const [first, last] = [samples[0], samples.at(-1)];
  const rate = last.at > first.at ? ((last.end - first.end) * 1000) / (last.at - first.at) : undefined;
  const behind = status.synced_end - status.applied_end;
  const shown = {
    end: grouped(status.end),
    rate: rate === undefined ? "–" : `${grouped(rate && rate < 10 ? rate.toFixed(1) : Math.round(rate))} /s`,
    lag: behind ? `${grouped(behind)} events, ${status.lag_seconds.toFixed(1)} s` : "0.0 s",
    customers: grouped(status.customers),
    followers: grouped(status.followers),
  };
  for (const [name, text] of Object.entries(shown)) put(find(`#ends [data-of=${name}]`), text);
  if (!status.writable) word("bad", "No event is taken since a write failed. Look after the disk, then restart the server.");
  else if (!status.ready) word("waiting", "The log is being read; answers come once that is done.");
  else word("good", "Takes events, and answers.");
}

/** Asks again and again how far the server is. */
async function watch(signal) {
  while (!signal.aborted) {
    if (!document.hidden) {
      try {
        showStatus(await json("/v1/status", signal));
        draw(false);
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.isAboutToken) return needToken(problem);
        samples = [];
        for (const name of ["rate", "lag"]) put(find(`#ends [data-of=${name}]`), "–");
        word("waiting", "The server does not answer. What is shown is of before.");
      }
    }
    await sleep(STATUS_MS, signal);
  }
}

function live(signal) {
  const shown = (state, problem, ms) => {
    if (state === "live") return tell("live", "Live");
    const seconds = Math.max(1, Math.round(ms / 1000));
    tell("waiting", problem.status ? `Waiting: ${problem.message}` : `No answer; again in ${seconds} s`);
    board.say(`There is nothing to show: ${problem.message}.`);
  };
  const onEvent = ({ event, data }) => event === "top" && board.show(JSON.parse(data));
  follow(`/v1/top/live?x=${find("#board-x").value}`, signal, onEvent, shown).catch((problem) => {
    if (problem.isAboutToken) needToken(problem);
    else tell("waiting", `Stopped: ${problem.message}`);
  });
}

function needToken(problem) {
  stop();
  const why = problem.status === 403 || token.get() ? `The server says: ${problem.message}.` : "This server answers those who have a token that may read.";
  put(find("#entry-why"), why);
  tell("waiting", "Not signed in");
  find("#entry").hidden = false;
  find("#search").hidden = true;
  find("#entry-token").focus();
}

function stop() {
  running?.abort();
  running = undefined;
  customer.close();
  board.clear();
  samples = [];
  for (const id of ["#home", "#customer", "#entry"]) find(id).hidden = true;
}

async function start() {
  stop();
  const mine = (running = new AbortController());
  find("#forget").hidden = !token.get();
  find("#search").hidden = false;
  tell("waiting", "Connecting");
  for (let tries = 0; !mine.signal.aborted; tries += 1) {
    try {
      showStatus(await json("/v1/status", mine.signal));
      break;
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem instanceof Problem && problem.isAboutToken) return needToken(problem);
      tell("waiting", "No answer; trying again");
      await sleep(Math.min(15_000, 500 * 2 ** tries), mine.signal);
    }
  }
  if (mine.signal.aborted) return;
  route();
  followTop();
  watch(mine.signal);
}

let following;
function followTop() {
  following?.abort();
  following = new AbortController();
  running.signal.addEventListener("abort", () => following.abort(), { once: true });
  live(following.signal);
}

find("#board-x").addEventListener("change", followTop);
find("#search").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const to = toCustomer(find("#search-id").value.trim());
  if (location.hash === to) route();
  else location.hash = to;
});
find("#entry-form").addEventListener("submit", (submit) => {
  submit.preventDefault();
  token.keep(find("#entry-token").value.trim());
  find("#entry-token").value = "";
  start();
});
find("#forget").addEventListener("click", () => {
  token.forget();
  start();
});
addEventListener("hashchange", route);
start();
