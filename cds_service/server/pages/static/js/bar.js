// The line above both panels: which request is tried, where it comes from, and where it goes.
import { html, nothing } from "../vendor/lit-html.js";

const parts = {}; // what is opened, loaded when it is
async function opened(name, on) {
  parts[name] = () => nothing; // asked for once
  parts[name] = await import(`./${name}.js`).then((loaded) => loaded[name], () => unloaded(name, on));
  on.draw();
  document.getElementById(`panel-${name}`)?.focus();
}

const unloaded = (name, on) => () => html`
  <div class="box error" role="alert" id="panel-${name}" tabindex="-1">
    <p>This part of the page cannot be loaded: the service cannot be reached.</p>
    <p><button type="button" @click=${() => opened(name, on)}>Try again</button></p>
  </div>`;

/** `on`: sample, file, own, panel, keep. */
export function bar(state, on) {
  const toggle = (name, label) => html`<button type="button" aria-expanded=${state.panel === name}
    aria-controls="panel-${name}" @click=${() => on.panel(name)}>${label}</button>`;
  return html`
    <div class="choose">
      ${samples(state, on)}
      <div class="actions">
        <label class="button file">Open a file…
          <input type="file" accept=".json,application/json,application/fhir+json" @change=${(event) => on.file(event.target)}>
        </label>
        <button type="button" @click=${on.own}>Paste your own</button>
        ${toggle("server", "FHIR server…")}
        <span class="gap"></span>
        <button type="button" aria-pressed=${Boolean(state.kept)} ?disabled=${!state.result && !state.kept} @click=${on.keep}>Compare</button>
        ${toggle("share", "Share…")}
      </div>
    </div>
    ${state.kept ? html`<p class="hint">The answer on the left stays. Change the request or choose another one, and see both. <em>Compare</em> again ends it.</p>` : nothing}
    ${state.alone ? html`<p class="hint" role="status">This link shows two requests beside each other. One of them cannot be had any more: the other is shown alone.</p>` : nothing}
    ${state.panel ? parts[state.panel]?.(state, on) ?? (opened(state.panel, on), nothing) : nothing}`;
}

function samples({ kit, sample }, on) {
  const groups = [...new Set(kit.samples.map((one) => one.group))];
  return html`
    <div class="sample">
    <label for="sample">Sample patient</label>
    <select id="sample" @change=${(event) => on.sample(event.target.value)}>
      <option value="" .selected=${!sample} ?hidden=${Boolean(sample)}>Your own request</option>
      ${groups.map((group) => html`
        <optgroup label=${group}>
          ${kit.samples.filter((one) => one.group === group).map((one) => html`
            <option value=${one.id} ?selected=${one.id === sample} .selected=${one.id === sample}>${one.title}</option>`)}
        </optgroup>`)}
    </select>
    </div>`;
}
