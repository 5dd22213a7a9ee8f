// Text of any origin, shown as that text: signs that hide or reorder are written out, and Markdown
// is rendered by a library and sanitised by another.
import { marked } from "../vendor/marked.esm.js";
import "../vendor/purify.min.js";

const { DOMPurify } = globalThis;

// Control signs, marks of direction, and signs without width; not the line feed and the tab.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const TAGS = ["a", "br", "code", "del", "em", "hr", "h3", "h4", "h5", "h6", "li", "ol", "p", "pre",
  "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];

/** A value as text. Requests hold whatever was pasted: an object with a `toString` of its own has none
 * that can be called. */
function plain(value) {
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value ?? "");
}

/** `text` with unseen signs written as in JSON: \u202e. */
export function visible(text) {
  return plain(text).replace(UNSEEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value as indented JSON that shows what is in it. */
export function json(value) {
  return visible(JSON.stringify(value, null, 2));
}

/** GitHub Flavored Markdown as a fragment that can do nothing but be read. */
export function markdown(text) {
  const html = marked.parse(visible(text), { gfm: true });
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "start"],
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  return fragment;
}
