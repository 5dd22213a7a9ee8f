// The playground: holds what is shown, asks the service, draws again.
import { html, nothing, render } from "../vendor/lit-html.js";
import * as api from "./api.js";
import { cards } from "./cards.js";
import { controls } from "./controls.js";
import { ageOf, nameOfOrder, nameOfPatient, ordersOf, patientOf, withActions } from "./edit.js";
import { SEEN, inside, refusal } from "./inside.js";
import { json, visible } from "./text.js";

const TYPING_PAUSE = 300; // milliseconds
const root = document.getElementById("app");

const state = {
  kit: null, // samples, facts, orders
  sample: null, // id of the sample, null for an own request
  text: "", // what is sent
  request: null, // the same as an object, null when it is no JSON
  result: null, // answer, trace, stages
  error: null,
  done: new Map(), // what was done with a card, by its uuid
  tab: "why",
  anonymous: root.dataset.anonymous === "yes",
};

const draw = () => render(page(), root);

// --- what is drawn ---

function page() {
  return html`<div class="playground">${controls(state, on)}
    <div class="stage">${ehr()}${inside(state, on)}</div></div>`;
}

function ehr() {
  return html`
    <section class="panel ehr" aria-labelledby="ehr-title">
      <h2 id="ehr-title" tabindex="-1">What the clinician sees</h2>
      ${state.request ? banner(state.result?.wrapped ?? state.request) : nothing}
      <p role="status" class="said">${said()}</p>
      ${state.error ? refusal(state.error) : nothing}
      ${state.result && !state.result.answer.cards.length ? silence() : nothing}
      ${cards(state, on)}
    </section>`;
}

function banner(request) {
  const patient = patientOf(request);
  const age = ageOf(request, state.kit.today);
  return html`
    <div class="banner">
      <p><strong>${visible(nameOfPatient(request))}</strong> · ${age === null ? "age not known" : `${age} years`} · ${visible(patient.gender ?? "sex not known")}</p>
      <ul aria-label="To sign">${ordersOf(request).map((order) => html`<li>${visible(nameOfOrder(order))}</li>`)}</ul>
    </div>`;
}

function said() {
  const { result, error } = state;
  if (error) return "The service refused this request.";
  if (!result) return "…";
  const count = result.answer.cards.length;
  const time = `answered in ${result.stages.reduce((sum, stage) => sum + stage.ms, 0).toFixed(1)} ms`;
  return `${count === 0 ? "No card" : count === 1 ? "One card" : `${count} cards`}, ${time}`;
}

function silence() {
  const { trace } = state.result;
  const reasons = trace.filter((branch) => branch.decision === "silence").map(({ nodes }) => because(nodes));
  const seen = trace.find((branch) => branch.title === SEEN)?.nodes ?? [];
  return html`
    <div class="box silence">
      <p><strong>Silence.</strong> The clinician signs undisturbed.</p>
      ${reasons.map((reason) => html`<p>Why: ${visible(reason)}</p>`)}
      ${seen.length ? html`<p>Seen, but not decisive: ${visible(seen.map(named).join("; "))}.</p>` : nothing}
    </div>`;
}

/** A finding without its role: "non-factor: osteoporosis". */
const named = ({ text }) => text.slice(text.indexOf(": ") + 1).trim();

const BECAUSE = "because ";
const because = (nodes) => {
  const found = nodes.find((node) => node.text.startsWith(BECAUSE));
  return found ? `${found.text.slice(BECAUSE.length)}.` : nodes[0].text;
};

// --- what can be done ---

const on = {
  async sample(id) {
    const text = await api.sample(id).catch(fail);
    if (text === undefined) return;
    state.sample = id;
    history.replaceState(null, "", `?sample=${encodeURIComponent(id)}`);
    await send(text);
  },
  request: (request) => send(json(request)),
  async file(input) {
    const [file] = input.files;
    input.value = "";
    if (file) own(await file.text());
  },
  own() {
    on.tab("request");
    const area = document.getElementById("request-text");
    area.focus();
    area.select();
  },
  text(text) {
    clearTimeout(on.typing);
    on.typing = setTimeout(() => own(text), TYPING_PAUSE);
  },
  tab(id) {
    state.tab = id;
    draw();
  },
  async copy(text) {
    const message = await navigator.clipboard.writeText(text).then(() => "Copied.", () => "Select the text and copy it.");
    document.getElementById("copied").textContent = message;
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
    await send(json(withActions(state.result.wrapped ?? state.request, suggestion.actions)));
    focus("#ehr-title");
  },
};

/** Where the keyboard goes when what it was on is gone. */
const focus = (selector) => document.querySelector(selector)?.focus();

function own(text) {
  state.sample = null;
  history.replaceState(null, "", location.pathname);
  return send(visible(text));
}

// --- calls ---

let under_way = new AbortController();

async function send(text) {
  clearTimeout(on.typing);
  under_way.abort();
  under_way = new AbortController();
  const { signal } = under_way;
  state.text = text;
  state.request = parsed(text);
  draw();
  try {
    const result = await api.answer(text, signal);
    if (result.wrapped) state.request = result.wrapped;
    Object.assign(state, { result, error: null, done: new Map() });
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(state, { result: null, error });
  }
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
  done.answer = `HTTP ${status}\n\n${json(body)}`;
  draw();
}

function fail(error) {
  Object.assign(state, { result: null, error });
  draw();
}

// --- start ---

try {
  state.kit = await api.kit();
  const wanted = new URLSearchParams(location.search).get("sample");
  const known = state.kit.samples.map((sample) => sample.id);
  await on.sample(known.includes(wanted) ? wanted : known[0]);
} catch (error) {
  render(refusal(error), root);
}
