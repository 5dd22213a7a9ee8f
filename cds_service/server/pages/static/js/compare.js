// Two requests beside each other: what differs in them.

const MOST = 30;
const isObject = (value) => value !== null && typeof value === "object";
const shown = (value) => {
  if (value === undefined) return "not there";
  const text = JSON.stringify(value);
  return text.length > 90 ? `${text.slice(0, 88)} …` : text;
};

function* differences(before, after, path) {
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after)) {
    if (JSON.stringify(before) !== JSON.stringify(after)) yield { path, before: shown(before), after: shown(after) };
    return;
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const name of names) {
    const step = Array.isArray(before) ? `[${name}]` : path ? `.${name}` : name;
    yield* differences(before[name], after[name], path + step);
  }
}

/** The members in which two requests differ, each with both values in short; `more` were left out. */
export function compare(before, after) {
  const found = [], each = differences(before, after, "");
  let more = 0;
  for (const one of each) found.length < MOST ? found.push(one) : more++;
  return { found, more };
}
