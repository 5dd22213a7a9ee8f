// The ELM of the package in the JavaScript engine: one line of JSON in, one line out, until the input ends.
//
// Arguments: the folder of the ELM, the folder of the package. A line is as for Judge.java; what comes back are the
// defines of the libraries that it names.
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const cql = require("cql-execution");
const fhir = require("cql-exec-fhir");

const [elm, pack] = process.argv.slice(2);
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const libraries = Object.fromEntries(
  fs.readdirSync(elm).map((name) => [path.basename(name, ".json"), read(path.join(elm, name))]),
);
const repository = new cql.Repository(libraries);
const sets = {};
for (const name of fs.readdirSync(pack).filter((one) => one.startsWith("ValueSet-"))) {
  const set = read(path.join(pack, name));
  const codes = (set.compose.include || []).flatMap((part) =>
    (part.concept || []).map((one) => ({ code: one.code, system: part.system })),
  );
  sets[set.url] = { [set.version]: codes };
}
const codes = new cql.CodeService(sets);
const made = {};

async function defines(library, asked) {
  made[library] ??= new cql.Library(libraries[library], repository);
  const source = fhir.PatientSource.FHIRv401();
  source.loadBundles([asked.bundle]);
  const executor = new cql.Executor(made[library], codes, asked.parameters);
  const [year, month, day] = asked.today.split("-").map(Number);
  const now = new cql.DateTime(year, month, day, 12, 0, 0, 0, 0);
  const results = (await executor.exec(source, now)).patientResults[asked.patient];
  const told = ([, value]) => value === null || value === undefined || typeof value === "boolean";
  return Object.fromEntries(Object.entries(results).filter(told).map(([name, value]) => [name, value ?? null]));
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    const said = { id: asked.id, defines: {} };
    const start = process.cpuUsage();
    try {
      for (const library of asked.defines) {
        said.defines[library] = await defines(library, asked);
      }
    } catch (error) {
      said.error = String(error.stack || error).slice(0, 600);
    }
    said.defines_ms = process.cpuUsage(start).user / 1000;
    console.log(JSON.stringify(said));
  }
})();
