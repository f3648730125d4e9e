// Asking the server: answers, streams, and the token that goes with both.

const KEY = "ltvlog-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  keep: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Why there is no answer; status 0 if the server was not reached. */
export class Problem extends Error {
  constructor(status, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get isAboutToken() {
    return this.status === 401 || this.status === 403;
  }
}

export const sleep = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

async function fetched(path, accept, signal, more = {}) {
  const headers = { Accept: accept, ...more };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "the server does not answer");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const after = Number(response.headers.get("Retry-After")) || undefined;
  throw new Problem(response.status, problem.detail ?? response.statusText, after);
}

/** One answer. Whoever is told to come again does, a few times. */
async function answer(path, accept, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await fetched(path, accept, signal);
    } catch (problem) {
      if (!problem.retryAfter || tries === 4 || signal?.aborted) throw problem;
      await sleep(problem.retryAfter * 1000 * (1 + tries), signal);
    }
  }
}

export const json = async (path, signal) => (await answer(path, "application/json", signal)).json();
export const text = async (path, accept, signal) => (await answer(path, accept, signal)).text();

let turn = Promise.resolve();

/** One after the other: the server reads much of the log for few at a time. */
export function inTurn(work) {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

/** Takes a stream of server-sent events apart: `{event, id, data}`. */
async function* events(body, onBytes) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { event: "message", data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onBytes();
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
        event = { event: "message", data: [] };
        continue;
      }
      const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "data") event.data.push(text);
      else if (field === "event" || field === "id") event[field] = text;
    }
  }
}

const SILENCE_MS = 45_000;
const WAIT_MS_MAX = 15_000;

/**
 * Follows a stream for as long as `signal` lets it, and comes back after each failure, later each
 * time. `tell` is given "live", or "waiting" with the problem and for how long.
 */
export async function follow(path, signal, onEvent, tell) {
  let last;
  for (let tries = 0; !signal.aborted; tries += 1) {
    const connection = new AbortController();
    const close = () => connection.abort();
    signal.addEventListener("abort", close, { once: true });
    let timer = setTimeout(close, SILENCE_MS);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(close, SILENCE_MS);
    };
    let problem = new Problem(0, "the server ended the stream");
    try {
      const more = last === undefined ? {} : { "Last-Event-ID": last };
      const response = await fetched(path, "text/event-stream", connection.signal, more);
      tell("live");
      for await (const event of events(response.body, alive)) {
        tries = 0;
        last = event.id ?? last;
        onEvent(event);
      }
    } catch (error) {
      if (error instanceof Problem) problem = error;
      else if (!(error instanceof TypeError) && error.name !== "AbortError") throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", close);
    }
    if (signal.aborted) return;
    if (problem.isAboutToken) throw problem;
    const most = Math.min(WAIT_MS_MAX, 500 * 2 ** tries);
    const ms = (problem.retryAfter ?? 0) * 1000 + most * (0.5 + Math.random() / 2);
    tell("waiting", problem, ms);
    await sleep(ms, signal);
  }
}
