// The editor of the request: a plain text field at once, CodeMirror when it has been loaded.
const TOO_LARGE = 1_500_000; // signs: more is sent and not shown, so that the page stays usable
const HIDDEN = (text) => `${(text.length / 1e6).toFixed(1)} million signs: too much to show here.\n` +
  "What was pasted or opened is what was sent. Paste something smaller to go on.\n";

/** `host` is an empty element. `onText` gets what a person changed, after each change. */
export class Editor {
  constructor(host, { label, onText }) {
    this.host = host;
    this.label = label;
    this.onText = onText;
    this.area = document.createElement("textarea");
    Object.assign(this.area, { id: "request-text", spellcheck: false, autocapitalize: "off" });
    this.area.setAttribute("aria-label", label);
    this.area.addEventListener("input", () => onText(this.area.value));
    host.append(this.area);
  }

  /** Shows a text; where it is there already, cursor and undo stay as they are. */
  set(text) {
    const shown = text.length > TOO_LARGE ? HIDDEN(text) : text;
    if (!this.view) this.area.value = shown;
    else if (this.view.state.doc.toString() !== shown) {
      this.quiet = true;
      this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: shown }, selection: { anchor: 0 } });
      this.quiet = false;
    }
  }

  focus() {
    if (!this.view) {
      this.area.focus();
      this.area.select();
      return;
    }
    this.view.focus();
    this.view.dispatch({ selection: { anchor: 0, head: this.view.state.doc.length } });
  }

  /** Marks where an error is: `line 3 column 7`, or a path such as `context.patientId`. */
  mark(place, message) {
    this.marked = place ? [place, message] : null;
    if (!this.view) return;
    const found = place ? this.whereIs(place) : null;
    this.view.dispatch(this.cm.setDiagnostics(this.view.state, found ? [{ ...found, severity: "error", message }] : []));
    if (found) this.centre(found.from);
  }

  /** Scrolls the editor and nothing else: on a phone the page would leave what it says of the error. */
  centre(at) {
    this.view.requestMeasure({
      read: (view) => view.lineBlockAt(at).top - view.scrollDOM.clientHeight / 2,
      write: (top, { scrollDOM }) => { scrollDOM.scrollTop = top; },
    });
  }

  whereIs(place) {
    const { doc } = this.view.state;
    const [, line, column] = /^line (\d+) column (\d+)$/.exec(place) ?? [];
    if (line) {
      const at = doc.line(Math.min(Number(line), doc.lines));
      const from = Math.min(at.from + Number(column) - 1, at.to);
      return { from: Math.min(from, Math.max(at.to - 1, at.from)), to: Math.max(from, at.to) };
    }
    return memberAt(this.cm.syntaxTree(this.view.state).topNode, doc, place);
  }

  /** Loads CodeMirror and puts it in the place of the text field. It lives in a shadow root: there
   * its style sheets are constructed, which the content security policy lets through. */
  async grow() {
    [this.cm, { RESOURCES, TYPES }] = await Promise.all([import("../vendor/codemirror.min.js"), import("./completion.js")]);
    const root = this.host.shadowRoot ?? this.host.attachShadow({ mode: "open" });
    const text = this.area.value;
    const had = document.activeElement === this.area ? this.area.selectionStart : null;
    this.view = new this.cm.EditorView({ parent: root, root, doc: text, extensions: this.extensions() });
    this.area.remove();
    if (had !== null) {
      this.view.focus();
      this.view.dispatch({ selection: { anchor: Math.min(had, text.length) } });
    }
    if (this.marked) this.mark(...this.marked);
  }

  extensions() {
    const cm = this.cm;
    return [
      cm.lineNumbers(), cm.foldGutter(), cm.history(), cm.drawSelection(), cm.bracketMatching(),
      cm.indentOnInput(), cm.json(), cm.lintGutter(), cm.EditorView.lineWrapping,
      cm.syntaxHighlighting(colours(cm)), cm.EditorView.theme(THEME),
      cm.autocompletion({ override: [(context) => complete(context, cm.syntaxTree)], icons: false }),
      cm.keymap.of([...cm.completionKeymap, ...cm.defaultKeymap, ...cm.historyKeymap, ...cm.foldKeymap]),
      cm.EditorView.contentAttributes.of({ id: "request-text", tabindex: "0", "aria-label": this.label, "aria-multiline": "true" }),
      cm.EditorView.domEventHandlers({ paste: (event) => this.pasted(event) }),
      cm.EditorView.updateListener.of((update) => {
        if (update.docChanged && !this.quiet) this.onText(update.state.doc.toString());
      }),
    ];
  }

  /** What is too large to show goes past the editor. */
  pasted(event) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text.length <= TOO_LARGE) return false;
    event.preventDefault();
    this.onText(text);
    this.set(text);
    return true;
  }
}

const THEME = {
  "&": { height: "100%", fontSize: ".82rem", color: "var(--ink)", backgroundColor: "var(--sunk)" },
  "&.cm-focused": { outline: "none" }, // the frame around it shows the focus
  ".cm-scroller": { fontFamily: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace', lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "var(--sunk)", color: "var(--faint)", border: "none" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--chosen) !important" },
  ".cm-tooltip": { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: ".3rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-foldPlaceholder": { backgroundColor: "transparent", color: "var(--faint)", border: "1px solid var(--line)" },
  ".cm-matchingBracket": { backgroundColor: "transparent !important", outline: "1px solid var(--edge)" },
};

const colours = ({ HighlightStyle, tags }) => HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--json-name)" },
  { tag: tags.string, color: "var(--json-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--json-value)" },
]);

// --- where a path is ---

const text = (node, doc) => doc.sliceString(node.from, node.to);
const nameOf = (property, doc) => text(property.firstChild, doc).slice(1, -1);

/** The member that a path names, or the innermost one above it that is there. */
function memberAt(top, doc, place) {
  let node = top.firstChild, found = null;
  for (const step of place.match(/[^.[\]]+/g) ?? []) {
    const children = [];
    for (let child = node?.firstChild; child; child = child.nextSibling) children.push(child);
    const next = node?.name === "Array"
      ? children.filter((one) => !["[", "]", "⚠", ","].includes(one.name))[Number(step)]
      : children.find((one) => one.name === "Property" && nameOf(one, doc) === step);
    if (!next) break;
    found = next.name === "Property" ? next.firstChild : next;
    node = next.name === "Property" ? next.lastChild : next;
  }
  const { from, to } = found ?? { from: top.from, to: Math.min(top.from + 1, top.to) };
  return { from, to };
}

// --- completion ---

let RESOURCES = [], TYPES = {}; // of completion.js
const INSIDE = /"[^"\n]*$/;

/** The members that may stand here, or the values that this one may have. */
function complete(context, syntaxTree) {
  const before = context.matchBefore(INSIDE);
  if (!before && !context.explicit) return null;
  const { doc } = context.state;
  const node = syntaxTree(context.state).resolveInner(context.pos, -1);
  const property = around(node, "Property");
  const isValue = property && property.lastChild !== property.firstChild && property.lastChild.from < context.pos
    && property.lastChild.name !== "Object" && property.lastChild.name !== "Array";
  const holder = around(isValue ? property.parent : node, "Object");
  const members = TYPES[typeOf(holder, doc)] ?? {};
  const from = before ? before.from + 1 : context.pos;
  if (isValue) {
    const name = nameOf(property, doc);
    const values = name === "resourceType" && holder.parent.name !== "JsonText" ? RESOURCES : members[name]?.[1] ?? [];
    return { from, options: values.map((label) => ({ label, apply: closing(label) })) };
  }
  return { from, options: Object.keys(members).map((label) => ({ label, detail: members[label][0], apply: closing(label, ": ") })) };
}

/** Writes a word and the quote at its end, where there is none yet. */
const closing = (label, more = "") => (view, _, from, to) => {
  const { doc } = view.state;
  const end = doc.sliceString(to, to + 1) === '"' ? to + 1 : to;
  const follows = /^\s*:/.test(doc.sliceString(end, end + 20)) ? "" : more;
  const start = doc.sliceString(from - 1, from) === '"' ? from - 1 : from;
  const insert = `"${label}"${follows}`;
  view.dispatch({ changes: { from: start, to: end, insert }, selection: { anchor: start + insert.length } });
};

function around(node, name) {
  for (let one = node; one; one = one.parent) if (one.name === name) return one;
  return null;
}

/** The type of an object: what its `resourceType` says, else what its place in the whole says. */
function typeOf(object, doc) {
  if (!object) return "";
  for (const property of object.getChildren("Property")) {
    if (nameOf(property, doc) === "resourceType" && property.lastChild.name === "String") {
      return text(property.lastChild, doc).slice(1, -1);
    }
  }
  const property = around(object.parent, "Property");
  const outer = property && around(property.parent, "Object");
  return property ? TYPES[typeOf(outer, doc)]?.[nameOf(property, doc)]?.[0] ?? "?" : "";
}
