// Sends a call of the reference to this service, and shows status and answer as text.
import { json, visible } from "./text.js";

const token = document.getElementById("token");
document.getElementById("token-form").addEventListener("submit", (event) => event.preventDefault());

/** The answer as text: JSON indented, anything else as it came. */
function shown(text) {
  try {
    return json(JSON.parse(text));
  } catch {
    return visible(text);
  }
}

async function send(form) {
  const method = form.dataset.method;
  const address = form.elements.address?.value ?? form.getAttribute("action");
  if (!address.startsWith("/") || address.startsWith("//")) throw new Error("an address begins with one /");
  const headers = token.value ? { Authorization: `Bearer ${token.value}` } : {};
  const body = form.elements.body?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const began = performance.now();
  const answer = await fetch(address, { method, headers, body, credentials: "omit", cache: "no-store", redirect: "error" });
  const text = await answer.text();
  return { said: `${answer.status} ${answer.statusText}, ${Math.round(performance.now() - began)} ms`, text };
}

async function tried(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const output = form.querySelector("output");
  form.querySelector("pre")?.remove();
  output.textContent = "sent";
  try {
    const { said, text } = await send(form);
    output.textContent = said;
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    pre.textContent = text ? shown(text) : "no content";
    form.append(pre);
  } catch (error) {
    output.textContent = `not answered: ${error.message}`;
  }
}

for (const form of document.querySelectorAll("form.try")) form.addEventListener("submit", tried);
