// A request in the language of the project's test cases (tests/cases/README.md).
import { ageOf, ordersOf, patientOf } from "./edit.js";

const PARTS = {
  conditions: "conditions", procedures: "procedures", medications: "medications",
  medicationStatements: "statements", allergies: "allergies", observations: "observations",
  familyHistory: "family", serviceRequests: "planned",
};
const DATES = { conditions: ["onset", "onsetDateTime"], procedures: ["on", "performedDateTime"], observations: ["on", "effectiveDateTime"] };

const list = (value) => (Array.isArray(value) ? value : []);
const plain = (words) => String(words ?? "").replace(/[|\s]+/g, " ").trim();

/** A YAML scalar in double quotes: what JSON writes is YAML. */
const quoted = (value) => JSON.stringify(value);

let short = {}; // of the code systems, by their URI
let today = "";

/** A day as one that moves with the calendar of the cases; a year or a month as it is. */
function ago(date) {
  const days = Math.round((Date.parse(today) - Date.parse(date)) / 86_400_000);
  if (date.length < 10 || Number.isNaN(days)) return date;
  return days === 0 ? "today" : days > 0 ? `${days} days ago` : `in ${-days} days`;
}

function coding({ system, code, display }) {
  const name = short[system] ?? (system ? `system=${system}` : "nosystem");
  return [name, String(code).replaceAll(" ", "~"), plain(display)].filter(Boolean).join(" ");
}

function head(resource, lost) {
  const concept = resource.code ?? resource.medicationCodeableConcept ?? resource.vaccineCode ?? resource.medication?.concept ?? {};
  const codings = list(concept.coding).filter((one) => one?.code);
  if (!codings.length && !concept.text) lost.push(`${resource.resourceType}: neither a code nor words`);
  if (!codings.length) return [`text ${plain(concept.text) || "nothing"}`];
  const [first, ...more] = codings;
  const written = concept.text && concept.text !== first.display ? [`text "${plain(concept.text).replaceAll('"', "'")}"`] : [];
  return [coding(first), ...written, ...more.map((one) => `also ${coding(one)}`)];
}

function line(part, resource, lost) {
  const said = head(resource, lost);
  const [word, member] = DATES[part] ?? [];
  if (resource[member]) said.push(`${word} ${ago(String(resource[member]).slice(0, 10))}`);
  const status = resource.clinicalStatus?.coding?.[0]?.code ?? (part === "planned" ? null : resource.status);
  if (status && !["active", "final", "completed", "draft"].includes(status)) said.push(status);
  const verified = resource.verificationStatus?.coding?.[0]?.code;
  if (verified && verified !== "confirmed") said.push(verified);
  if (typeof resource.valueQuantity?.value === "number") {
    said.push(`= ${resource.valueQuantity.value} ${resource.valueQuantity.code ?? resource.valueQuantity.unit ?? ""}`.trim());
  }
  if (resource.dosageInstruction?.length) {
    const [dosage] = resource.dosageInstruction;
    dosage.text ? said.push(`sig ${plain(dosage.text)}`) : lost.push(`${resource.resourceType}: its dosage`);
  }
  for (const member of ["bodySite", "reasonCode", "stage", "reaction", "component", "contained"]) {
    if (resource[member]) lost.push(`${resource.resourceType}: ${member}`);
  }
  return quoted(said.join(" | "));
}

function chart(request, lost) {
  return Object.entries(request.prefetch ?? {}).flatMap(([name, value]) => {
    if (name === "patient") return [];
    if (!PARTS[name]) return lost.push(`prefetch ${name}`) && [];
    if (value?.resourceType === "OperationOutcome") return [];
    const found = list(value?.entry).map((entry) => entry?.resource).filter((one) => one && typeof one === "object");
    const lines = found.flatMap((one) => {
      return [`        - ${line(PARTS[name], one, lost)}`];
    });
    return lines.length ? [`      ${PARTS[name]}:`, ...lines] : [];
  });
}

/** What was not sent, sent as null, or failed: an input that the case does not name is sent empty. */
function sent(request) {
  const told = { missing: [], null: [], failed: [] };
  const names = { ...PARTS };
  delete names.medicationStatements; // sent only where a case names it
  for (const [name, part] of Object.entries(names)) {
    const value = request.prefetch?.[name];
    if (value === undefined) told.missing.push(name);
    else if (value === null) told.null.push(name);
    else if (value.resourceType === "OperationOutcome") told.failed.push(name);
  }
  return Object.entries(told).filter(([, found]) => found.length)
    .map(([word, found]) => `    ${quoted(word)}: [${found.join(", ")}]`);
}

function expected({ result, error }) {
  if (error) return [`      status: ${error.status}`, `      says: [${quoted(error.place ?? "")}]`];
  const told = result?.answer.cards.map((card) => ({ indicator: card.indicator, ...Object.values(card.extension ?? {})[0] })) ?? [];
  if (!told.length) {
    const row = Object.values(result?.answer.extension ?? {})[0]?.silent?.[0]?.row ?? "none";
    return [`      silence: {row: ${quoted(row)}}`];
  }
  const cards = told.map(({ indicator, row, card }) => `{indicator: ${indicator}, row: ${quoted(row)}, card: ${card}}`);
  return cards.length === 1 ? [`      card: ${cards[0]}`] : ["      cards:", ...cards.map((one) => `        - ${one}`)];
}

/** A case of tests/cases with what was answered as what is expected: cards, silence, or a refusal. What the language cannot say,
 * or this page does not write, stands in a comment: a case that says less must not look whole. */
export function caseOf(request, answered, kit) {
  short = kit.systems;
  today = kit.today;
  const lost = [];
  const patient = patientOf(request);
  const age = ageOf(request, today);
  const who = [
    age === null ? "" : `age: ${age}`,
    patient.gender ? `sex: ${patient.gender}` : "",
  ].filter(Boolean).join(", ");
  const orders = ordersOf(request).map((order) => line("orders", order, lost));
  const inside = chart(request, lost);
  if (request.hook !== "order-sign") lost.push(`the hook ${request.hook}: a case is an order-sign call`);
  return [
    "# Written by the playground. Say what is right under expect: it holds what was answered.",
    ...[...new Set(lost)].map((one) => `# Left out, add it by hand: ${plain(one)}`),
    "theme: From the playground",
    "about: One case.",
    "cases:",
    "  - id: from-the-playground",
    "    title: One line, for people",
    "    why: The reason, with its source in square brackets.",
    `    patient: {${who}}`,
    `    orders: [${orders.join(", ")}]`,
    "    chart:", ...inside,
    "      labs: none",
    ...sent(request),
    "    expect:",
    ...expected(answered),
    "",
  ].join("\n");
}
