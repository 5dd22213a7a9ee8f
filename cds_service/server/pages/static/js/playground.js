// The playground: holds what is shown, asks the service, draws again.
import { render } from "../vendor/lit-html.js";
import * as address from "./address.js";
import * as api from "./api.js";
import { bar } from "./bar.js";
import { controls } from "./controls.js";
import { withActions } from "./edit.js";
import { Editor } from "./editor.js";
import { inside } from "./inside.js";
import { refusal, seen } from "./seen.js";
import { json, visible } from "./text.js";

const TYPING_PAUSE = 300; // milliseconds
const PATIENCE = 300; // milliseconds that an answer may stand beside the request after it
const LARGEST_PARSED = 16_000_000; // signs of a text that the page itself looks into

const state = {
  kit: null, // samples, facts, orders
  sample: null, // id of the sample, null for an own request
  text: "", // what is sent
  request: null, // the same as an object, null when it is no JSON
  result: null, // answer, trace, stages
  answered: null, // the request that the result is of
  error: null,
  pending: false, // the result shown is of the request before
  kept: null, // a request to compare with: sample, text, request, result
  alone: false, // the address named one to compare with that cannot be had
  retry: null, // asks once more for what was asked last
  done: new Map(), // what was done with a card, by its uuid
  tab: "why",
  width: "", // of the pane in which cards are shown: "", "side" or "popup"
  typed: false, // the text is being typed: that is one step of the history
  panel: null, // "share", "server" or none
  anonymous: document.getElementById("app").dataset.anonymous === "yes",
};
let editor;
const first = new Map(); // the sample to begin with, on its way while the list of them is

// --- what is drawn ---

/** Draws one part. One that cannot be drawn shows that, and nothing of what stood there before. */
function part(id, template) {
  const root = document.getElementById(id);
  if (!root["_$litPart$"]) root.replaceChildren(); // what the page shows before its scripts run
  try {
    render(template(), root);
  } catch (error) {
    root.replaceChildren();
    delete root["_$litPart$"]; // lit-html begins anew
    render(refusal({ message: "This page cannot show it. Nothing of the patient before is shown in its place." }), root);
    reportError(error);
  }
}

function draw() {
  part("bar", () => bar(state, on));
  part("facts", () => controls(state, on));
  part("seen", () => seen(state, on));
  part("inside", () => inside(state, on));
  document.getElementById("app").toggleAttribute("data-ready", true);
}

// --- what can be done ---

const on = {
  sample: (id) => sample(id, { push: true }),
  request: (request, { push = true } = {}) => own(json(request), { push }),
  async file(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    const signal = begin();
    const text = file.size > state.kit.maxBytes ? api.tooLarge(file.size, state.kit.maxBytes)
      : await file.text().catch(() => new api.NotAsked("Not read", "This file cannot be read."));
    if (signal.aborted) return;
    if (!(text instanceof Error)) return own(text, { push: true });
    nothing(text);
    history.pushState(null, "", location.pathname + address.TOO_LONG); // no link leads back to it
  },
  own() {
    editor.focus();
    editor.host.scrollIntoView({ block: "nearest" });
  },
  typed(text) {
    clearTimeout(on.typing);
    on.typing = setTimeout(() => own(text, { push: !state.typed, typed: true }), TYPING_PAUSE);
  },
  tab(id) {
    state.tab = id;
    draw();
    remember();
  },
  width(width) {
    state.width = width;
    draw();
    remember();
  },
  panel(name) {
    state.panel = state.panel === name ? null : name;
    draw();
    if (state.panel) document.getElementById(`panel-${name}`)?.focus();
  },
  keep() {
    const { sample, text, request, result } = state;
    state.kept = state.kept ? null : { sample, text, request: result?.wrapped ?? request, result };
    state.alone = false;
    draw();
    remember({ push: true });
  },
  async copy(text, said = "copied") {
    const message = await navigator.clipboard.writeText(text).then(() => "Copied.", () => "Select the text and copy it.");
    document.getElementById(said).textContent = message;
  },
  accept: (card, suggestion) =>
    tell(card, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] }, suggestion.label, suggestion),
  override(card, { code, system, display }, comment) {
    const overrideReason = { reason: { code, system }, ...(comment ? { userComment: comment } : {}) };
    return tell(card, { outcome: "overridden", overrideReason }, display);
  },
  undo(card) {
    state.done.delete(card.uuid);
    draw();
    focus(`[data-card="${card.uuid}"]`);
  },
  async apply(suggestion) {
    await on.request(withActions(state.result.wrapped ?? state.request, suggestion.actions));
    focus("#seen-title");
  },
  again: () => state.retry(),
  draw: () => draw(),
};

/** Where the keyboard goes when what it was on is gone. */
const focus = (selector) => document.querySelector(selector)?.focus();

function own(text, { push, typed = false }) {
  state.sample = null;
  return send(text, { push, typed });
}

// --- the address ---

let written = 0;

/** Writes the state into the address: as a new step of the history, or over the last one. */
async function remember({ push = false } = {}) {
  if (state.error instanceof api.NotAsked) return; // the address is still that of what was asked for
  const turn = ++written;
  const fragment = await address.fragment(state);
  if (turn !== written) return;
  state.link = fragment === null ? null : new URL(fragment, location.origin + location.pathname).href;
  const to = fragment ?? address.TOO_LONG;
  if (to === location.hash) return;
  history[push ? "pushState" : "replaceState"](null, "", location.pathname + to);
  if (state.panel === "share") draw();
}

/** Shows what the address names. Where that cannot be had nothing else stands in its place. */
async function restore() {
  const signal = begin();
  written++; // an address that is still being packed is that of a request before
  let wanted;
  try {
    wanted = await address.read(location);
  } catch {
    if (!signal.aborted) nothing(new api.NotAsked("Cut link", "This link is cut or was changed: what it held cannot be read. Ask for it again, or choose a sample."));
    return;
  }
  const beside = await kept(wanted.beside);
  if (signal.aborted) return;
  state.tab = ["request", null].includes(wanted.tab) ? "why" : wanted.tab;
  state.width = wanted.width ?? "";
  state.kept = beside;
  state.alone = isNamed(wanted.beside) && !beside;
  if (wanted.tooLong) return nothing(new api.NotAsked("Not in the address", "The request that stood here is too long for an address, and nothing is stored. Open its file again, or choose a sample."));
  if (wanted.text !== null) return own(wanted.text, {});
  const known = state.kit.samples.map((one) => one.id);
  if (wanted.sample && !known.includes(wanted.sample)) {
    return nothing(new api.NotAsked("No such sample", `There is no sample patient "${wanted.sample}". Choose another one.`));
  }
  return sample(wanted.sample ?? known[0], {});
}

const isNamed = ({ sample, text }) => Boolean(sample) || text !== null;

async function kept({ sample, text }) {
  if (!isNamed({ sample, text })) return null;
  try {
    text ??= await api.sample(sample);
    const result = await api.answer(text);
    return { sample, text, request: result.wrapped ?? parsed(text), result };
  } catch {
    return null; // the request beside it is shown alone
  }
}

// --- calls ---

let under_way = new AbortController();

/** Ends whatever was asked before. The signal tells when something else is asked in its turn. */
function begin() {
  clearTimeout(on.typing);
  under_way.abort();
  under_way = new AbortController();
  return under_way.signal;
}

/** Asks for a sample and sends it. While it is not here, no request of before stands under its name. */
async function sample(id, { push }) {
  const signal = begin();
  Object.assign(state, { sample: id, pending: true, retry: () => sample(id, {}) });
  draw();
  const clear = setTimeout(() => signal.aborted || nothing(null, { pending: true }), PATIENCE);
  const asked = first.get(id);
  first.clear();
  const text = (await asked) ?? (await api.sample(id).catch((error) => error));
  clearTimeout(clear);
  if (signal.aborted) return;
  if (!(text instanceof Error)) return send(text, { push });
  nothing(text);
  remember({ push });
}

async function send(given, { push, typed = false }) {
  const text = visible(given.replace(/\r\n?/g, "\n")); // to JSON that is the same
  const signal = begin();
  const large = text.length > LARGEST_PARSED;
  Object.assign(state, { text, typed, request: large ? null : parsed(text), pending: true, retry: () => send(text, {}) });
  editor.set(text);
  draw();
  remember({ push });
  // What was answered before never stands beside this request for longer than a blink.
  const clear = setTimeout(() => forget(), PATIENCE);
  try {
    const result = await api.answer(text, signal, state.kit.maxBytes);
    if (result.wrapped) state.request = result.wrapped;
    Object.assign(state, { result, answered: state.request, error: null, done: new Map() });
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof api.NotAsked) return nothing(error);
    Object.assign(state, { result: null, answered: null, error });
  } finally {
    clearTimeout(clear);
  }
  state.pending = false;
  draw();
  editor.mark(state.error?.place ?? null, state.error?.message);
}

function forget() {
  Object.assign(state, { result: null, answered: null, error: null, done: new Map() });
  draw();
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value?.context === "object" && value.context && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

async function tell(card, outcome, label, suggestion = null) {
  const { service } = state.result;
  const call = { feedback: [{ card: card.uuid, ...outcome, outcomeTimestamp: new Date().toISOString() }] };
  const done = { outcome: outcome.outcome, label, suggestion, service, call, answer: "…" };
  state.done.set(card.uuid, done);
  draw();
  focus(`#done-${CSS.escape(card.uuid)}`);
  const { status, body } = await api.feedback(service, call).catch((error) => ({ status: error.status, body: error.outcome }));
  done.answer = status ? `HTTP ${status}\n\n${json(body)}` : "No answer: the service cannot be reached.";
  draw();
}

/** Shows an error, and no request: not the one before either, which nobody asked for now. */
function nothing(error, { pending = false } = {}) {
  if (error instanceof api.NotAsked) state.sample = null;
  Object.assign(state, { text: "", request: null, result: null, answered: null, done: new Map(), link: null, pending, error });
  editor.set("");
  editor.mark(null);
  draw();
}

// --- start ---

/** The sample that the address names, or the first one: asked for before anything tells which exist. */
function soon() {
  const said = new URLSearchParams(location.hash.slice(1) || location.search);
  return said.has("r") ? null : said.get("sample") ?? document.getElementById("app").dataset.first;
}

async function start() {
  const early = soon();
  if (early) first.set(early, api.sample(early).catch(() => undefined));
  try {
    state.kit = await api.kit();
  } catch (error) {
    part("seen", () => refusal(error, start));
    return;
  }
  editor ??= new Editor(document.getElementById("editor"), { label: "Request as JSON", onText: on.typed });
  await restore();
  await editor.grow().catch(() => {}); // the plain text field stays
  editor.mark(state.error?.place ?? null, state.error?.message);
}

addEventListener("popstate", () => state.kit && restore());
addEventListener("online", () => (state.kit ? state.error instanceof api.NoAnswer && on.again() : start()));
await start();
