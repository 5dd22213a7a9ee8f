// What the playground's editor needs of CodeMirror 6; scripts/vendor-web bundles it with esbuild.
export { EditorState, Compartment } from "@codemirror/state";
export {
  EditorView, keymap, lineNumbers, highlightActiveLine, drawSelection, placeholder,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export {
  HighlightStyle, bracketMatching, codeFolding, foldGutter, foldKeymap, indentOnInput,
  syntaxHighlighting, syntaxTree,
} from "@codemirror/language";
export { json, jsonParseLinter } from "@codemirror/lang-json";
export { lintGutter, setDiagnostics } from "@codemirror/lint";
export { autocompletion, completionKeymap } from "@codemirror/autocomplete";
export { tags } from "@lezer/highlight";
