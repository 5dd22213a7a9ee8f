// Cards as an EHR draws them: severity by colour, shape and word; suggestions; override; feedback.
import { html, nothing, svg } from "../vendor/lit-html.js";
import { json, markdown, visible } from "./text.js";

const SHAPES = {
  info: svg`<circle cx="12" cy="12" r="10"/><path class="sign" d="M12 11v6M12 7v.5"/>`,
  warning: svg`<path d="M12 2.5 22.5 21h-21z"/><path class="sign" d="M12 9.5v5.5M12 18v.3"/>`,
  critical: svg`<path d="M7.9 1.8h8.2l5.8 5.8v8.8l-5.8 5.8H7.9l-5.8-5.8V7.6z"/><path class="sign" d="M12 6.5v7.5M12 17.3v.4"/>`,
};
const ORDER = ["critical", "warning", "info"];

/** The most severe first, as EHRs sort them. `on`: accept, override, undo, apply. */
export function cards(state, on) {
  const found = [...(state.result?.answer.cards ?? [])];
  found.sort((a, b) => ORDER.indexOf(a.indicator) - ORDER.indexOf(b.indicator));
  return found.map((card) => drawn(card, state.done.get(card.uuid), on, state.frozen));
}

const icon = (indicator) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${SHAPES[indicator]}</svg>`;

function drawn(card, done, on, frozen = false) {
  const title = `${frozen ? "before" : "card"}-${card.uuid}`; // one card may stand on both sides
  return html`
    <article class="card ${card.indicator}" aria-labelledby=${title}>
      <p class="severity">${icon(card.indicator)}<span>${card.indicator}</span></p>
      <h3 id=${title}>${visible(card.summary)}</h3>
      ${done ? outcome(card, done, on) : nothing}
      <div class="detail">${card.detail ? detailOf(card, rendered[frozen ? 1 : 0]) : nothing}</div>
      ${done ? nothing : html`${suggestions(card, on)}${overrides(card, on)}`}
      ${links(card)}
      <p class="source">Source: ${card.source.url
        ? html`<a href=${card.source.url} target="_blank" rel="noopener noreferrer">${visible(card.source.label)}</a>`
        : visible(card.source.label)}</p>
    </article>`;
}

// A card is rendered again on each change of the page; its Markdown does not change.
const rendered = [new WeakMap(), new WeakMap()];
function detailOf(card, rendered) {
  if (!rendered.has(card)) {
    const holder = document.createElement("div");
    holder.append(markdown(card.detail));
    rendered.set(card, holder);
  }
  return rendered.get(card);
}

function suggestions(card, on) {
  if (!card.suggestions) return nothing;
  const alternatives = card.selectionBehavior === "at-most-one" && card.suggestions.length > 1;
  return html`
    <h4>${alternatives ? "Choose at most one" : "Suggested"}</h4>
    <ul class="suggestions">
      ${card.suggestions.map((suggestion) => html`
        <li>
          <button type="button" class="accept" data-card=${card.uuid} @click=${() => on.accept(card, suggestion)}>${visible(suggestion.label)}</button>
          <details><summary>What this puts into the orders<span class="unseen">: ${visible(suggestion.label)}</span></summary>
            ${(suggestion.actions ?? []).map(action)}</details>
        </li>`)}
    </ul>`;
}

const action = (one) => html`
  <p><strong>${one.type}</strong> ${visible(one.description)}</p>
  ${one.resource ? html`<pre tabindex="0" role="region" aria-label="Draft as FHIR"><code>${json(one.resource)}</code></pre>` : nothing}
  ${one.resourceId ? html`<p><code>${visible(one.resourceId)}</code></p>` : nothing}`;

function overrides(card, on) {
  if (!card.overrideReasons) return nothing;
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    on.override(card, card.overrideReasons[given.get("reason")], given.get("comment"));
  };
  return html`
    <form class="override" @submit=${submit}>
      <h4>Not following it? Say why</h4>
      <div class="row">
        <label class="grow">Reason
          <select name="reason" required><option value="" selected disabled>Choose a reason</option>${card.overrideReasons.map((reason, n) => html`<option value=${n}>${visible(reason.display)}</option>`)}</select>
        </label>
        <label class="grow">Comment (its text is never kept)<input name="comment" type="text" autocomplete="off" maxlength="500"></label>
        <button type="submit">Override</button>
      </div>
    </form>`;
}

const links = (card) => card.links
  ? html`<ul class="links">${card.links.map((link) => html`
      <li><a href=${link.url} target="_blank" rel="noopener noreferrer">${visible(link.label)}</a></li>`)}</ul>`
  : nothing;

function outcome(card, done, on) {
  return html`
    <div class="outcome">
      <p tabindex="-1" id="done-${card.uuid}"><strong>${done.outcome === "accepted" ? "Accepted" : "Overridden"}:</strong> ${visible(done.label)}</p>
      <div class="row">
        ${done.suggestion?.actions ? html`<button type="button" class="accept" @click=${() => on.apply(done.suggestion)}>Carry it out and sign again</button>` : nothing}
        <button type="button" @click=${() => on.undo(card)}>Undo</button>
      </div>
      <details open>
        <summary>The feedback call an EHR would make</summary>
        <p class="hint">Read and checked as its endpoint does; the playground stores nothing.</p>
        <pre tabindex="0" role="region" aria-label="Feedback call"><code>POST /cds-services/${done.service}/feedback\n\n${json(done.call)}</code></pre>
        <pre tabindex="0" role="region" aria-label="Answer to the feedback call"><code>${done.answer}</code></pre>
      </details>
    </div>`;
}
