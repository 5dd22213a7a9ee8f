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
  if (size > most) throw new Refused(413, { issue: [{ diagnostics: `body: more than ${most} bytes (${size}); it was not sent` }] });
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

/** No answer at all: offline, the service is down, or the way to it is broken. */
export class NoAnswer extends Error {
  constructor() {
    super(navigator.onLine === false
      ? "Nothing was sent. The request is still here, and is sent when you are online again."
      : "The service cannot be reached. The request is still here.");
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
