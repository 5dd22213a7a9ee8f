// Reads and changes single facts of a CDS Hooks request. Every change gives a new request.

const YEAR = /^(\d{4})-(\d\d)-(\d\d)/;

// --- reading ---

// Own requests may hold anything: what is no list or no object is passed over.
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const objects = (value) => (Array.isArray(value) ? value.filter(isObject) : []);
const object = (value) => (isObject(value) ? value : {});

// A value that is no text, or an object with a `toString` that cannot be called, is no word.
const word = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

const resourcesOf = (bundle) =>
  objects(object(bundle).entry).map((entry) => entry.resource).filter(isObject);

const codings = (resource) =>
  [resource.code, resource.medicationCodeableConcept, object(resource.medication).concept]
    .flatMap((concept) => objects(object(concept).coding));

const key = (coding) => `${word(coding.system)}|${word(coding.code)}`;

const NOT_SO = ["refuted", "entered-in-error"];
const isRefuted = (resource) =>
  objects(object(resource.verificationStatus).coding).some(({ code }) => NOT_SO.includes(code));

const says = (resource, fact) => {
  const wanted = codings(fact.resource).map(key);
  return !isRefuted(resource) && codings(resource).some((coding) => wanted.includes(key(coding)));
};

/** Whether the request holds this fact. */
export const hasFact = (request, fact) =>
  resourcesOf(object(request.prefetch)[fact.input]).some((resource) => says(resource, fact));

export const patientOf = (request) => object(object(request.prefetch).patient);

/** The patient's name in one line, "Patient" without one. */
export function nameOfPatient(request) {
  const [name = {}] = objects(patientOf(request).name);
  return [name.given, name.family].flat().map(word).filter(Boolean).join(" ") || "Patient";
}

/** Age in whole years on a day (ISO), null when it is not known. */
export function ageOf(request, today) {
  const [, year, month, day] = YEAR.exec(word(patientOf(request).birthDate)) ?? [];
  if (!year) return null;
  const had = `${month}-${day}` <= today.slice(5);
  return Number(today.slice(0, 4)) - Number(year) - (had ? 0 : 1);
}

/** The newest eGFR of the request, null without one. */
export function egfrOf(request, codes) {
  const found = egfrs(request, codes).map((resource) => object(resource.valueQuantity).value);
  return found.find((value) => typeof value === "number") ?? null;
}

const egfrs = (request, codes) =>
  resourcesOf(object(request.prefetch).observations)
    .filter((resource) => codings(resource).some((coding) => codes.includes(coding.code)))
    .sort((a, b) => word(b.effectiveDateTime).localeCompare(word(a.effectiveDateTime)));

export const ordersOf = (request) => resourcesOf(object(request.context).draftOrders);

export const nameOfOrder = (order) => {
  const { code, medicationCodeableConcept, medication, vaccineCode } = order;
  const concept = object(code ?? medicationCodeableConcept ?? object(medication).concept ?? vaccineCode);
  return object(concept.concept ?? concept).text ?? codings(order)[0]?.display ?? order.resourceType ?? "order";
};

const orderKey = (orders) => orders.map((order) => codings(order).map(key).join()).join(";");

/** Which of the orders to choose from the request holds, -1 for another one. */
export const whichOrder = (request, choices) => {
  const present = orderKey(ordersOf(request));
  return choices.findIndex((choice) => orderKey(choice.resources) === present);
};

// --- changing ---

function changed(request, change) {
  const copy = structuredClone(request);
  change(copy);
  return copy;
}

const bundle = (resources) => ({
  resourceType: "Bundle",
  type: "collection",
  ...(resources.length ? { entry: resources.map((resource) => ({ resource })) } : {}),
});

const patientId = (request) => word(object(request.context).patientId).replace(/^Patient\//, "");

/** The resource as one of this request's patient. */
function own(resource, request) {
  const member = "patient" in resource ? "patient" : "subject";
  return { ...structuredClone(resource), [member]: { reference: `Patient/${patientId(request)}` } };
}

function replace(request, input, keep, more) {
  request.prefetch = object(request.prefetch);
  const kept = resourcesOf(request.prefetch[input]).filter(keep);
  request.prefetch[input] = bundle([...kept, ...more]);
}

export const setFact = (request, fact, on) =>
  changed(request, (copy) => {
    const more = on ? [own(fact.resource, copy)] : [];
    replace(copy, fact.input, (resource) => !says(resource, fact), more);
  });

export const setPatient = (request, members) =>
  changed(request, (copy) => {
    const patient = { resourceType: "Patient", id: patientId(copy), ...patientOf(copy), ...members };
    copy.prefetch = { ...object(copy.prefetch), patient };
  });

export const setAge = (request, age, today) =>
  setPatient(request, { birthDate: `${Number(today.slice(0, 4)) - age}-01-01` });

export const setEgfr = (request, value, template, codes) =>
  changed(request, (copy) => {
    const old = egfrs(copy, codes);
    const result = own(template, copy);
    if (value !== null) result.valueQuantity.value = value;
    replace(copy, "observations", (resource) => !old.includes(resource), value === null ? [] : [result]);
  });

export const setOrders = (request, resources) =>
  changed(request, (copy) => {
    copy.context.draftOrders = bundle(resources.map((resource) => own(resource, copy)));
    if (copy.context.selections) copy.context.selections = resources.map((order) => `${word(order.resourceType)}/${word(order.id)}`);
  });

/** The request after the actions of a suggestion were carried out on its draft orders. */
export function withActions(request, actions) {
  const gone = actions.filter((a) => a.type === "delete").map((a) => a.resourceId);
  const added = actions.filter((a) => a.type === "create").map((a, n) => ({ ...a.resource, id: `accepted-${n + 1}` }));
  const kept = ordersOf(request).filter((order) => !gone.includes(`${word(order.resourceType)}/${word(order.id)}`));
  return changed(request, (copy) => {
    copy.context.draftOrders = bundle([...kept, ...added]);
  });
}
