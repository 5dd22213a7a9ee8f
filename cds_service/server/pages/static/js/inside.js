// What happens inside: reasons, answer, timing and curl, each in a tab.
import { html, nothing } from "../vendor/lit-html.js";
import { json, visible } from "./text.js";

export const SEEN = "Seen, not decisive"; // title of that part of the trace

const TABS = [
  ["why", "Why", why],
  ["answer", "Answer", answer],
  ["timing", "Timing", timing],
  ["curl", "curl", curl],
];

/** `on`: tab(id), copy(string). */
export function inside(state, on) {
  const [id, , draw] = TABS.find(([one]) => one === state.tab) ?? TABS[0];
  return html`
      <h2 id="inside-title">What happens inside</h2>
      <div role="tablist" aria-labelledby="inside-title" @keydown=${(event) => move(event, state, on)}>
        ${TABS.map(([one, label]) => html`
          <button type="button" role="tab" id="tab-${one}" aria-controls="tabpanel" aria-selected=${one === id}
            tabindex=${one === id ? 0 : -1} @click=${() => on.tab(one)}>${label}</button>`)}
      </div>
      <div role="tabpanel" id="tabpanel" aria-labelledby="tab-${id}" tabindex="0">${draw(state, on)}</div>`;
}

function move(event, state, on) {
  const at = TABS.findIndex(([id]) => id === state.tab);
  const last = TABS.length - 1;
  const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  on.tab(TABS[to][0]);
  document.getElementById(`tab-${TABS[to][0]}`).focus();
}

const block = (text, label) => html`<pre tabindex="0" role="region" aria-label=${label}><code>${text}</code></pre>`;

// --- why ---

function why({ result, error }) {
  if (error || !result) return html`<p class="hint">Nothing was decided.</p>`;
  return html`
    ${result.wrapped ? html`<p>A Bundle: it was wrapped into the call of an order sign. A Bundle without a draft order gets a total hip replacement.</p>` : nothing}
    ${result.notes.length ? html`<p>Tolerated in the request: ${visible(result.notes.join("; "))}.</p>` : nothing}
    ${result.trace.map((branch) => html`
      <details class="branch" ?open=${branch.decision !== null || branch.title === SEEN}>
        <summary>${visible(branch.title)}</summary>${nodes(branch.nodes)}
      </details>`)}`;
}

const nodes = (list) => html`<ul class="tree">${list.map((node) => html`
  <li>${visible(node.text)}${basis(node.basis)}${node.details.length ? nodes(node.details) : nothing}</li>`)}</ul>`;

const basis = (list) => list.map(([words, place]) => place
  ? html` <a class="basis" href="/evidence${place}">${words}</a>`
  : html` <span class="basis">${words}</span>`);

// --- the others ---

function answer({ result, error }) {
  if (error) return block(json(error.outcome ?? error.message), "Answer");
  return result ? block(json(result.answer), "Answer") : nothing;
}

function timing({ result }) {
  if (!result) return nothing;
  const total = result.stages.reduce((sum, stage) => sum + stage.ms, 0);
  const row = (name, ms) => html`
    <tr><th scope="row">${name}</th><td>${ms.toFixed(2)} ms</td>
      <td><meter min="0" max=${Math.max(total, 0.01)} value=${Math.min(ms, total)} aria-label="${name}, share of the service's time"></meter></td></tr>`;
  return html`
    <table class="timing">
      <caption>Time inside the service, by stage</caption>
      <thead><tr><th scope="col">Stage</th><th scope="col">Time</th><th scope="col">Share</th></tr></thead>
      <tbody>${result.stages.map((stage) => row(stage.name, stage.ms))}${row("all stages", total)}</tbody>
    </table>
    <p>From this page and back: ${result.roundTrip.toFixed(1)} ms.</p>`;
}

const LONGEST = 100_000; // signs of one argument: Linux takes 128 KiB

/** The call as a line for a shell; one that is too long for a line reads the file that is saved. */
export function curlOf({ text, request: parsed, result, anonymous, kit }) {
  const call = result?.wrapped ?? parsed;
  const body = quoted(visible(call ? JSON.stringify(call) : text));
  const token = anonymous ? "" : ' \\\n  -H "Authorization: Bearer $TOKEN"';
  const service = result?.service ?? kit.services[parsed?.hook] ?? kit.services["order-sign"];
  return `curl -sS ${location.origin}/cds-services/${service} \\\n` +
    `  -H 'Content-Type: application/json'${token} \\\n  --data-binary ${body.length > LONGEST ? "@request.json" : body}`;
}

function curl(state, on) {
  if (!state.text) return html`<p class="hint">There is no request to send.</p>`;
  const command = curlOf(state);
  return html`
    ${command.endsWith("@request.json") ? html`<p class="hint">This request is too long for a command line: save it first (Share…, Save as .json).</p>` : nothing}
    <p><button type="button" @click=${() => on.copy(command)}>Copy</button> <span role="status" id="copied"></span></p>
    ${block(command, "curl command")}`;
}

/** A string that a shell takes as it stands. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
