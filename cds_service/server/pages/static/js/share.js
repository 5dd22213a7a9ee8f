// What can be taken along: a link that holds all of it, the request as a file, a call, a test case.
import { html } from "../vendor/lit-html.js";
import { curlOf } from "./inside.js";
import { visible } from "./text.js";

/** `on`: copy. */
export function share(state, on) {
  const call = state.result?.wrapped ?? state.request;
  const answered = !state.pending && (state.result || state.error?.status);
  const kinds = [
    ["Copy the curl line", () => on.copy(curlOf(state), "shared"), !state.text],
    ["Save as .json", () => save("request.json", state.result?.wrapped ? JSON.stringify(call, null, 2) : state.text, "application/json"), !state.text],
    ["Save as test case", async () => {
      const loaded = await import("./caselines.js").catch(() => null);
      if (loaded) save("from-the-playground.yaml", visible(loaded.caseOf(call, state, state.kit)), "application/yaml");
      else document.getElementById("shared").textContent = "Not saved: the service cannot be reached.";
    }, !call || !answered],
  ];
  return html`
    <section class="panel under" id="panel-share" tabindex="-1" aria-label="Share">
      ${state.link ? html`
        <label for="link">Link to this page as it is</label>
        <div class="row"><input id="link" class="grow" readonly .value=${state.link} @focus=${(event) => event.target.select()}>
          <button type="button" class="first" @click=${() => on.copy(state.link, "shared")}>Copy the link</button></div>
        <p class="hint">${state.sample ? "The link names the sample. Its dates move with the calendar." : "The link holds the whole request behind its #, which browsers send to no server. Who gets the link can read it: no real patients."}</p>`
    : html`<p>${state.text ? "This request is too long for a link. Save it as a file and send that." : "There is no request to share."}</p>`}
      <div class="row">${kinds.map(([label, act, off]) => html`<button type="button" ?disabled=${off} @click=${act}>${label}</button>`)}
        <span role="status" id="shared"></span></div>
    </section>`;
}

function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
