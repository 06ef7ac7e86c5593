// Suggestions for the search box: the terms of the page, as a list by the ARIA pattern "combobox".

const box = document.getElementById("q");
const list = document.getElementById("suggestions");
const MOST = 50;
// The term before the caret. A value may be in quotes.
const LAST = /(?:^|[\s({])-?((?:\w+:)?(?:"[^"]*|[^\s(){}"]*))$/;

// The operators with what they mean, then the labels and senders on the page.
const terms = new Map();
for (const link of [...document.querySelectorAll("#terms a"), ...document.querySelectorAll("[data-term]")]) {
  const { term } = link.dataset;
  if (!terms.has(term)) terms.set(term, link.closest("div").querySelector("dd")?.textContent ?? "");
}

const typed = () => LAST.exec(box.value.slice(0, box.selectionStart))?.[1] ?? "";
const active = () => list.querySelector('[aria-selected="true"]');

/** An operator by its beginning; its value by any part. */
function matches(term, text) {
  const value = text.indexOf(":") + 1;
  const [own, wanted] = [term.toLowerCase(), text.toLowerCase()];
  if (own === wanted || !own.startsWith(wanted.slice(0, value))) return false;
  return value ? own.includes(wanted.slice(value), value) : own.startsWith(wanted);
}

function suggest() {
  const found = [...terms].filter(([term]) => matches(term, typed()));
  list.replaceChildren(...found.slice(0, MOST).map(option));
  select(null);
  open(found.length > 0);
}

function option([term, meaning], number) {
  const [item, code, text] = ["li", "code", "span"].map((name) => document.createElement(name));
  item.id = `suggestion-${number}`;
  item.role = "option";
  item.dataset.term = code.textContent = term;
  text.textContent = meaning;
  item.append(code, text);
  return item;
}

function open(isOpen) {
  list.hidden = !isOpen;
  box.ariaExpanded = String(isOpen);
  if (!isOpen) select(null);
}

function select(item) {
  for (const each of list.children) each.ariaSelected = String(each === item);
  if (!item) return box.removeAttribute("aria-activedescendant");
  box.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

/** Put the term in the place of what was typed of it. */
function pick({ dataset: { term } }) {
  const [caret, start] = [box.selectionStart, box.selectionStart - typed().length];
  const text = term.endsWith(":") ? term : `${term} `;
  box.setRangeText(text, start, caret, "end");
  box.focus();
  if (term.endsWith(":")) suggest();
  else open(false);
}

const keys = {
  ArrowDown: () => (list.hidden ? suggest() : select(active()?.nextElementSibling ?? list.firstChild)),
  ArrowUp: () => select(active()?.previousElementSibling ?? list.lastChild),
  Enter: () => pick(active()),
  Escape: () => open(false),
};

box.role = "combobox";
box.ariaAutoComplete = "list";
box.setAttribute("aria-controls", list.id);
open(false);
box.addEventListener("input", () => (typed() ? suggest() : open(false)));
box.addEventListener("blur", () => open(false));
box.addEventListener("keydown", (event) => {
  // Without a chosen suggestion, Enter searches.
  const isForList = event.key === "ArrowDown" || (event.key === "Enter" ? active() : !list.hidden);
  if (event.isComposing || !keys[event.key] || !isForList) return;
  event.preventDefault();
  keys[event.key]();
});
// The box keeps the focus.
list.addEventListener("pointerdown", (event) => event.preventDefault());
list.addEventListener("click", (event) => pick(event.target.closest("li")));
