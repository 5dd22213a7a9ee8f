// Reads one patient from a FHIR server, in the browser, into the call that an EHR would make.

const MOST_PAGES = 10;
const WAIT = 20_000; // milliseconds for one answer

/** Why nothing could be read, in words for who runs the server. */
export class Unread extends Error {}

/** The templates of discovery, read for one patient. `draft` is what is about to be signed; a token
 * lives only as long as this call. Throws Unread. */
export async function readPatient({ server, patient, token, templates, draft }) {
  const base = checked(server);
  const headers = { Accept: "application/fhir+json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const found = await Promise.all(Object.entries(templates).map(async ([name, template]) => {
    const address = `${base}/${template.replaceAll("{{context.patientId}}", encodeURIComponent(patient))}`;
    return [name, await whole(address, headers, name === "patient", base)];
  }));
  return {
    hook: "order-sign",
    hookInstance: crypto.randomUUID?.() ?? String(Date.now()),
    context: { userId: "Practitioner/playground", patientId: patient, draftOrders: draft },
    prefetch: Object.fromEntries(found),
  };
}

function checked(server) {
  let url;
  try {
    url = new URL(server);
  } catch {
    throw new Unread("The address of the server must be a whole one, from https on.");
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new Unread("The address must be that of the server alone, without user, query and fragment.");
  }
  return url.href.replace(/\/+$/, "");
}

/** A search with its further pages, or a resource. What a server refuses stands there as the
 * OperationOutcome that an EHR would send; a patient that cannot be read is an error. */
async function whole(address, headers, isPatient, base) {
  const first = await get(address, headers, base);
  if (!first.ok) {
    if (isPatient) throw new Unread(`The server answers HTTP ${first.status} to ${address}.`);
    const issue = [{ severity: "error", code: "processing", diagnostics: `HTTP ${first.status}` }];
    return { resourceType: "OperationOutcome", issue };
  }
  const entry = [...(first.body?.entry ?? [])];
  let next = linked(first.body);
  for (let page = 1; next && page < MOST_PAGES; page++) {
    if (new URL(next, address).origin !== new URL(base).origin) break; // a token goes nowhere else
    const more = await get(new URL(next, address).href, headers, base);
    if (!more.ok) break;
    entry.push(...(more.body?.entry ?? []));
    next = linked(more.body);
  }
  return isPatient || first.body?.resourceType !== "Bundle" ? first.body : { ...first.body, entry };
}

const linked = (bundle) => bundle?.link?.find?.((one) => one.relation === "next")?.url;

async function get(address, headers, base) {
  let response;
  try {
    response = await fetch(address, { headers, signal: AbortSignal.timeout(WAIT), credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    throw new Unread(await reason(error, base));
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body === null) throw new Unread(`What ${address} answers is no JSON: is it a FHIR server?`);
  return { ok: response.ok, status: response.status, body };
}

/** A browser does not say why a call to another host failed. One more call, whose answer it hides,
 * tells whether there is a server at all. */
async function reason(error, base) {
  if (error.name === "TimeoutError") return `${base} did not answer within ${WAIT / 1000} seconds.`;
  if (navigator.onLine === false) return "This computer is offline.";
  const there = await fetch(`${base}/metadata`, { mode: "no-cors", credentials: "omit", signal: AbortSignal.timeout(WAIT) })
    .then(() => true, () => false);
  if (!there) return `Nothing answers at ${base}, or this page may not call it: look at address, port and certificate.`;
  return `${base} answers, but does not let this page read it (CORS). It must send ` +
    `Access-Control-Allow-Origin: ${location.origin}, and for a token Access-Control-Allow-Headers: Authorization. ` +
    "HAPI has both when hapi.fhir.cors is on; a server that cannot: save the patient's $everything as a file and open that.";
}
