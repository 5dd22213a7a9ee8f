// What the clinician sees: patient and orders, why, and the cards; or the silence, or the error.
import { html, nothing } from "../vendor/lit-html.js";
import { cards } from "./cards.js";
import { ageOf, nameOfOrder, nameOfPatient, ordersOf, patientOf } from "./edit.js";
import { SEEN } from "./inside.js";
import { visible } from "./text.js";

const WIDTHS = [["", "Fits the window"], ["side", "Side pane, 400 px"], ["popup", "Pop-up, 640 px"]];

/** `on`: width, again, and what `cards` needs. */
export function seen(state, on) {
  return html`
    <div class="title">
      <h2 id="seen-title" tabindex="-1">What the clinician sees</h2>
      <label class="pane">Pane <select id="width" @change=${(event) => on.width(event.target.value)}>
        ${WIDTHS.map(([id, label]) => html`<option value=${id} .selected=${id === state.width}>${label}</option>`)}
      </select></label>
    </div>
    <p role="status" class="said" id="said">${said(state)}</p>
    ${state.kept ? beside(state, on) : one(state, on)}`;
}

const one = (state, on) => html`
  <div class="pane-${state.width || "full"}${state.pending ? " stale" : ""}" ?inert=${state.pending} aria-busy=${state.pending}>
    ${state.answered ? banner(state.answered, state.kit) : nothing}
    ${state.error ? refusal(state.error, state.kit && on.again) : nothing}
    ${state.pending && !state.result && !state.error ? html`<div class="waiting"><span></span><span></span><span></span></div>` : nothing}
    ${state.result ? why(state.result) : nothing}
    ${state.result && !state.result.answer.cards.length ? silence(state.result) : nothing}
    ${cards(state, on)}
  </div>`;

let compare; // loaded when it is needed first

function beside(state, on) {
  const { kept } = state;
  if (!compare) {
    import("./compare.js").then((loaded) => ({ compare } = loaded)).then(on.draw, () => {}); // the next drawing asks again
    return html`<p class="hint">The comparison is not loaded yet.</p>${one(state, on)}`;
  }
  const { found, more } = compare(kept.request, state.answered ?? state.request);
  const frozen = { ...state, frozen: true, result: kept.result, answered: kept.request, error: null, pending: false, done: new Map() };
  return html`
    <div class="pair-of-answers">
      <section aria-labelledby="kept-title"><h3 id="kept-title">Before</h3><div inert>${one(frozen, on)}</div></section>
      <section aria-labelledby="now-title"><h3 id="now-title">Now</h3>${one(state, on)}</section>
    </div>
    <h3>What differs in the requests</h3>
    ${found.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Differences"><table class="differences">
      <thead><tr><th scope="col">Member</th><th scope="col">Before</th><th scope="col">Now</th></tr></thead>
      <tbody>${found.map((each) => html`<tr><th scope="row"><code>${visible(each.path)}</code></th><td><code>${visible(each.before)}</code></td><td><code>${visible(each.after)}</code></td></tr>`)}</tbody>
    </table></div>${more ? html`<p class="hint">and ${more} more</p>` : nothing}` : html`<p>Nothing.</p>`}`;
}

function banner(request, kit) {
  const patient = patientOf(request);
  const age = ageOf(request, kit.today);
  return html`
    <div class="banner">
      <p><strong>${visible(nameOfPatient(request))}</strong> · ${age === null ? "age not known" : `${age} years`} · ${visible(patient.gender ?? "sex not known")}</p>
      <ul aria-label="To sign">${ordersOf(request).map((order) => html`<li>${visible(nameOfOrder(order))}</li>`)}</ul>
    </div>`;
}

function said({ result, error, pending }) {
  if (pending) return "Asking the service …";
  if (error) return error.status ? "The service refused this request." : `${error.title ?? "No answer"}.`;
  if (!result) return "…";
  const { cards: found } = result.answer;
  const time = `answered in ${result.stages.reduce((sum, stage) => sum + stage.ms, 0).toFixed(1)} ms`;
  const count = found.length === 0 ? "No card" : found.length === 1 ? "One card" : `${found.length} cards`;
  const told = found.map((card) => `${card.indicator}: ${visible(card.summary)}`).join(" ");
  return html`${count}, ${time}<span class="unseen">. ${told || visible(result.silence)}</span>`;
}

const DECIDES = /^(genetic|suspected|factor|family|undecided|unconfirmed|mention|prophylaxis)/;

/** What decided, in one line above the card, with the row and the rule on the evidence pages. */
function why({ trace }) {
  const branches = trace.filter((branch) => branch.decision === "card");
  const rows = [...new Map(branches.flatMap(({ nodes }) => nodes.slice(0, 1)).map((node) => [node.text, node])).values()];
  const found = new Map(branches.flatMap(({ nodes }) => nodes).filter(({ text }) => DECIDES.test(text)).map((node) => [node.text, node]));
  if (!rows.length) return nothing;
  return html`<p class="because"><strong>Because</strong> ${[...found.values()].map((node, n) => html`${n ? "; " : ""}${linked(named(node), node.basis)}`)}
    ${rows.map((node) => html`<span class="row-of">${linked(node.text.split(":")[0], node.basis)}</span>`)}</p>`;
}

const linked = (words, [[, place] = []] = []) => place ? html`<a href="/evidence${place}">${visible(words)}</a>` : visible(words);

function silence({ silence: sentence, trace }) {
  const found = trace.find((branch) => branch.title === SEEN)?.nodes ?? [];
  const row = trace.find((branch) => branch.decision === "silence")?.nodes[0];
  return html`
    <div class="box silence">
      <p><strong>Silence.</strong> The clinician signs undisturbed.</p>
      <p>${visible(sentence)} ${row?.text.startsWith("row ") ? linked(row.text.split(":")[0], row.basis) : nothing}</p>
      ${found.length ? html`<p>Seen, but not decisive: ${visible(found.map(named).join("; "))}.</p>` : nothing}
    </div>`;
}

/** A finding without its role: "non-factor: osteoporosis". */
const named = ({ text }) => text.slice(text.indexOf(": ") + 1).trim();

const HELP = {
  412: "The EHR gets this status, and the clinician sees nothing: an integrator has to mend it. A client can be registered to get a card that says so instead (unread = \"card\").",
  429: "Wait a moment, then try again.",
  503: "The service is busy, or does not know yet what it needs. Try again.",
};

/** An error with its place. `again` tries once more. */
export function refusal(error, again) {
  const offline = !error.status && navigator.onLine === false;
  return html`
    <div class="box error" role="alert">
      <p><strong>${error.status ? `Refused with HTTP ${error.status}` : error.title ?? (offline ? "You are offline" : "No answer")}</strong></p>
      ${error.place ? html`<p>Place: <code>${visible(error.place)}</code></p>` : nothing}
      <p>${visible(error.message)}</p>
      ${HELP[error.status] ? html`<p class="hint">${HELP[error.status]}</p>` : nothing}
      ${again && !error.place && !error.title && error.status !== 412 ? html`<p><button type="button" @click=${() => again()}>Try again</button></p>` : nothing}
    </div>`;
}
