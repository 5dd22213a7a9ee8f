// The left side: which request is tried, and the facts that can be changed in it.
import { html, nothing } from "../vendor/lit-html.js";
import * as edit from "./edit.js";

const EGFR_START = 85;
const WIDE = matchMedia("(min-width: 60rem)").matches; // on a phone the card comes first

/** `on` holds what to do: sample(id), request(object), file(File), own(). */
export function controls(state, on) {
  return html`
    <section class="panel setup" aria-labelledby="setup-title">
      <h2 id="setup-title">Patient and order</h2>
      ${samples(state, on)}
      <div class="row">
        <label class="button file">Open a file…
          <input type="file" accept=".json,application/json,application/fhir+json" @change=${(event) => on.file(event.target)}>
        </label>
        <button type="button" @click=${on.own}>Paste your own</button>
      </div>
      <p class="hint">A CDS Hooks request, or a FHIR Bundle of one patient.</p>
      ${state.request ? facts(state, on) : html`<p class="hint">The facts can be changed when the request is valid JSON.</p>`}
    </section>`;
}

function samples({ kit, sample }, on) {
  const groups = [...new Set(kit.samples.map((one) => one.group))];
  return html`
    <label for="sample">Sample patient</label>
    <select id="sample" @change=${(event) => on.sample(event.target.value)}>
      <option value="" ?selected=${!sample} ?hidden=${Boolean(sample)}>Your own request</option>
      ${groups.map((group) => html`
        <optgroup label=${group}>
          ${kit.samples.filter((one) => one.group === group).map((one) => html`
            <option value=${one.id} ?selected=${one.id === sample} .selected=${one.id === sample}>${one.title}</option>`)}
        </optgroup>`)}
    </select>`;
}

function facts({ request, kit }, on) {
  const chosen = edit.whichOrder(request, kit.orders);
  return html`
    <details class="facts" ?open=${WIDE}>
    <summary>Change the facts</summary>
    <label for="order">Order</label>
    <select id="order" @change=${(event) => on.request(edit.setOrders(request, kit.orders[event.target.value].resources))}>
      <option value="-1" .selected=${chosen < 0} ?hidden=${chosen >= 0}>As in the request</option>
      ${kit.orders.map((order, n) => html`<option value=${n} .selected=${n === chosen}>${order.label}</option>`)}
    </select>
    <fieldset>
      <legend>On record</legend>
      <div class="chips">${kit.facts.map((fact) => chip(request, fact, on))}</div>
    </fieldset>
    ${egfr(request, kit, on)}
    ${person(request, kit, on)}
    </details>`;
}

const chip = (request, fact, on) => html`
  <label class="chip"><input type="checkbox" name=${fact.id} .checked=${edit.hasFact(request, fact)}
    @change=${(event) => on.request(edit.setFact(request, fact, event.target.checked))}>${fact.label}</label>`;

function egfr(request, kit, on) {
  const value = edit.egfrOf(request, kit.egfrCodes);
  const set = (to) => on.request(edit.setEgfr(request, to, kit.egfr, kit.egfrCodes));
  return html`
    <fieldset>
      <legend>Kidney function</legend>
      <label class="chip"><input type="checkbox" name="egfr-known" .checked=${value !== null}
        @change=${(event) => set(event.target.checked ? EGFR_START : null)}>eGFR was measured</label>
      <label for="egfr">eGFR <output for="egfr">${value === null ? "not known" : `${value} mL/min/1.73 m²`}</output></label>
      <input id="egfr" type="range" min="5" max="120" step="1" .value=${String(value ?? EGFR_START)}
        ?disabled=${value === null} @input=${(event) => set(Number(event.target.value))}>
    </fieldset>`;
}

function person(request, kit, on) {
  const age = edit.ageOf(request, kit.today);
  const sex = edit.patientOf(request).gender;
  return html`
    <div class="pair">
      <div>
        <label for="age">Age</label>
        <input id="age" type="number" min="0" max="110" .value=${String(age ?? "")}
          @change=${(event) => event.target.value && on.request(edit.setAge(request, Number(event.target.value), kit.today))}>
      </div>
      <div>
        <label for="sex">Sex</label>
        <select id="sex" @change=${(event) => on.request(edit.setPatient(request, { gender: event.target.value }))}>
          ${sex ? nothing : html`<option value="" selected>not known</option>`}
          ${["female", "male", "other", "unknown"].map((one) => html`<option value=${one} .selected=${one === sex}>${one}</option>`)}
        </select>
      </div>
    </div>`;
}
