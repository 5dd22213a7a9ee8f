// The facts of the request that can be changed with one click.
import { html, nothing } from "../vendor/lit-html.js";
import * as edit from "./edit.js";

const EGFR_START = 85;
const WIDE = matchMedia("(min-width: 60rem)").matches; // on a phone the card comes first

/** `on.request(object)` takes a changed request. */
export function controls(state, on) {
  return state.request
    ? facts(state, on)
    : html`<p class="hint">Once the request can be read, its facts can be changed here.</p>`;
}

function facts({ request, kit }, on) {
  const chosen = edit.whichOrder(request, kit.orders);
  return html`
    <details class="facts" ?open=${WIDE}>
    <summary>Change the facts</summary>
    <div class="triple">
      <label>Order<select id="order" @change=${(event) => on.request(edit.setOrders(request, kit.orders[event.target.value].resources))}>
        <option value="-1" .selected=${chosen < 0} ?hidden=${chosen >= 0}>As in the request</option>
        ${kit.orders.map((order, n) => html`<option value=${n} .selected=${n === chosen}>${order.label}</option>`)}
      </select></label>
      ${person(request, kit, on)}
    </div>
    <fieldset>
      <legend>On record</legend>
      <div class="chips">${kit.facts.map((fact) => chip(request, fact, on))}</div>
    </fieldset>
    ${egfr(request, kit, on)}
    </details>`;
}

const chip = (request, fact, on) => html`
  <label class="chip"><input type="checkbox" name=${fact.id} .checked=${edit.hasFact(request, fact)}
    @change=${(event) => on.request(edit.setFact(request, fact, event.target.checked))}>${fact.label}</label>`;

function egfr(request, kit, on) {
  const value = edit.egfrOf(request, kit.egfrCodes);
  const set = (to) => on.request(edit.setEgfr(request, to, kit.egfr, kit.egfrCodes), { push: false });
  return html`
    <fieldset>
      <legend>Kidney function</legend>
      <div class="egfr">
        <label class="chip"><input type="checkbox" name="egfr-known" .checked=${value !== null}
          @change=${(event) => set(event.target.checked ? EGFR_START : null)}>measured</label>
        <input id="egfr" type="range" min="5" max="120" step="1" aria-label="eGFR" .value=${String(value ?? EGFR_START)}
          ?disabled=${value === null} @input=${(event) => set(Number(event.target.value))}>
        <output for="egfr">${value === null ? "eGFR not known" : `${value} mL/min/1.73 m²`}</output>
      </div>
    </fieldset>`;
}

function person(request, kit, on) {
  const age = edit.ageOf(request, kit.today);
  const sex = edit.patientOf(request).gender;
  return html`
    <label>Age<input id="age" type="number" min="0" max="110" .value=${String(age ?? "")}
      @change=${(event) => event.target.value && on.request(edit.setAge(request, Number(event.target.value), kit.today))}></label>
    <label>Sex<select id="sex" @change=${(event) => on.request(edit.setPatient(request, { gender: event.target.value }))}>
      ${sex ? nothing : html`<option value="" selected>not known</option>`}
      ${["female", "male", "other", "unknown"].map((one) => html`<option value=${one} .selected=${one === sex}>${one}</option>`)}
    </select></label>`;
}
