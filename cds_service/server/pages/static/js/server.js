// The form that reads a patient from a FHIR server which the user names.
import { html, nothing } from "../vendor/lit-html.js";
import { visible } from "./text.js";

const form = { said: null, busy: false };

/** `on`: request, panel. The page may call other hosts only where its policy allows it. */
export function server(state, on) {
  const { kit } = state;
  const submit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const draft = { resourceType: "Bundle", type: "collection", entry: kit.orders[Number(given.get("order"))].resources.map((resource) => ({ resource: ownedBy(resource, given.get("patient").trim()) })) };
    Object.assign(form, { busy: true, said: null });
    on.draw();
    try {
      const { readPatient } = await import("./fhir.js");
      const request = await readPatient({
        server: given.get("server").trim(), patient: given.get("patient").trim(), token: given.get("token").trim(),
        templates: kit.templates, draft,
      });
      Object.assign(form, { busy: false });
      if (state.panel === "server") on.panel("server");
      await on.request(request);
    } catch (error) {
      Object.assign(form, { busy: false, said: error.message });
      on.draw();
    }
  };
  return html`
    <section class="panel under" id="panel-server" tabindex="-1" aria-label="Read from a FHIR server">
      ${kit.readsServers ? nothing : html`<p class="box">This page may call the FHIR servers of CDS_FHIR_SERVERS only: ${kit.fhirServers.length ? kit.fhirServers.map((one) => html`<code>${one}</code> `) : "there are none"}. A playground on your own machine (<code>cds-service serve</code>) may call any.</p>`}
      <form @submit=${submit}>
        <div class="fields">
          <label class="grow">FHIR base URL<input name="server" type="url" required placeholder="where /Patient/… is" autocomplete="off" list="fhir-servers"></label>
          <datalist id="fhir-servers">${kit.fhirServers.map((one) => html`<option value=${one}></option>`)}</datalist>
          <label>Patient id<input name="patient" required autocomplete="off" pattern="[A-Za-z0-9._~\\-]{1,256}"></label>
          <label>Order to sign<select name="order">${kit.orders.map((one, n) => html`<option value=${n}>${one.label}</option>`)}</select></label>
          <label>Token, if it asks for one<input name="token" type="password" autocomplete="off"></label>
          <button type="submit" class="first" ?disabled=${form.busy}>${form.busy ? "Reading …" : "Read the patient"}</button>
        </div>
      </form>
      <p class="hint">Your browser reads it, not the service, with the prefetch templates of discovery. The token is forgotten with the page. Invented patients only: the request then stands in the address of this page.</p>
      <div role="status">${form.said ? html`<p class="box error">${visible(form.said)}</p>` : nothing}</div>
    </section>`;
}

/** The draft as one of this patient. */
function ownedBy(resource, patient) {
  const member = "patient" in resource ? "patient" : "subject";
  return { ...resource, [member]: { reference: `Patient/${patient}` } };
}
