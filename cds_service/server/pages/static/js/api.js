// Calls of the service.

/** Where an answer comes from is always this service. Throws Refused. */
export async function kit() {
  return (await send("/playground/kit")).body;
}

/** The JSON text of a sample. */
export async function sample(id) {
  return JSON.stringify((await send(`/playground/samples/${encodeURIComponent(id)}`)).body, null, 2);
}

/** Answer, trace and timing for the text of a request or Bundle. */
export async function answer(text, signal, most = Infinity) {
  const { size } = new Blob([text]);
  if (size > most) throw tooLarge(size, most);
  const started = performance.now();
  const { body } = await send("/playground/answer?order=hip", { text, signal });
  return { ...body, roundTrip: performance.now() - started };
}

/** What the feedback endpoint would answer. */
export async function feedback(service, body) {
  const text = JSON.stringify(body);
  return send(`/playground/feedback/${encodeURIComponent(service)}`, { text });
}

/** An answer other than 200, with the place and the reason that its OperationOutcome names. */
export class Refused extends Error {
  constructor(status, outcome) {
    const [issue = {}] = outcome?.issue ?? [];
    const said = issue.diagnostics ?? "no reason given";
    const [, where, why] = /^([\w.[\]-]+|line \d+ column \d+): (.*)$/s.exec(said) ?? [];
    super(why ?? said);
    this.status = status;
    this.place = issue.expression?.[0] ?? where ?? null;
    this.outcome = outcome;
  }
}

/** Nothing was asked, and asking again would change nothing. `title` says so in two or three words. */
export class NotAsked extends Error {
  constructor(title, message) {
    super(message);
    Object.assign(this, { title, status: null, place: null });
  }
}

/** The error of a request that is larger than the service takes; sizes in bytes. */
export const tooLarge = (size, most) =>
  new NotAsked("Too large: not sent", `This is more than ${most} bytes (${size}). A real call of this size is refused with HTTP 413.`);

/** No answer at all: offline, the service is down, or the way to it is broken. */
export class NoAnswer extends Error {
  constructor() {
    super(navigator.onLine === false
      ? "Nothing was sent. This page asks again by itself when you are online."
      : "The service cannot be reached, or the way to it is broken.");
    this.status = null;
    this.place = null;
  }
}

async function send(address, { text, signal } = {}) {
  const options = text === undefined
    ? {}
    : { method: "POST", body: text, headers: { "Content-Type": "application/json" } };
  const response = await fetch(address, { ...options, signal }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new NoAnswer();
  });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body);
  return { status: response.status, body };
}
