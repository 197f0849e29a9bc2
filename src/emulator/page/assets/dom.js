// Elements. All text is set as text, so no document, name or error is ever parsed as HTML.

export const byId = (id) => document.getElementById(id);

/** Creates an element. An attribute that is a function is a listener; children are elements, texts, or nothing. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else set(node, name, value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

export const button = (text, click, attributes) => el('button', { type: 'button', click, ...attributes }, text);

/** Sets an attribute, or removes it if it has no value. */
export function set(node, name, value) {
  if (value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? '' : value);
}

/** Sets the text of an element, and its title. */
export function write(node, text = '', title) {
  if (node.textContent !== text) node.textContent = text;
  if (title !== undefined) set(node, 'title', title || undefined);
}

const rowsOf = new WeakMap();
/** Number of elements that one call of `keyed` creates, so that it takes a few milliseconds. */
const MAX_NEW = 10;

/**
 * Gives an element one child for each item, in the order of the items. A child is kept as long as an item has its key, so that
 * focus and scroll position are kept. Returns false if items are left for the next call.
 */
export function keyed(parent, items, key, create, update) {
  const rows = rowsOf.get(parent) ?? new Map();
  rowsOf.set(parent, rows);
  const focused = document.activeElement;
  const keys = new Set(items.map(key));
  for (const [id, row] of rows) {
    if (keys.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  let next = parent.firstElementChild;
  let left = MAX_NEW;
  for (const item of items) {
    const id = key(item);
    if (!rows.has(id)) {
      if (!left) break;
      left -= 1;
      rows.set(id, create(item));
    }
    const row = rows.get(id);
    if (row === next) next = next.nextElementSibling;
    else parent.insertBefore(row, next);
    update(row, item);
  }
  // An element that was moved has lost the focus.
  if (document.activeElement !== focused && parent.contains(focused)) focused.focus({ preventScroll: true });
  return left > 0;
}

/** Returns a function that marks jobs to be run. Each frame runs one marked job, so that no frame takes long. */
export function scheduler(jobs) {
  const marked = new Set();
  const frame = () => {
    const [name] = marked;
    marked.delete(name);
    if (marked.size) requestAnimationFrame(frame);
    jobs[name]();
  };
  return (...names) => {
    if (!marked.size && names.length) requestAnimationFrame(frame);
    names.forEach((name) => marked.add(name));
  };
}

/** Copies a text. Only pages of https and localhost have the clipboard API. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el('textarea', { class: 'hidden' }, text);
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say('Copied');
}

/** Shows a text for a moment, and announces it. */
export function say(text) {
  const toast = byId('toast');
  write(toast, text);
  clearTimeout(toast.timer);
  toast.timer = setTimeout(write, 3000, toast);
}

/** Saves a text or bytes as a file. */
export function save(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Shows a dialog with a form. `request` runs when the form is sent; the dialog closes if `request` succeeds. */
export function ask(title, content, action, request) {
  const dialog = byId('dialog');
  const error = el('p', { class: 'bad', role: 'alert' });
  const close = () => dialog.close();
  const submit = async (event) => {
    event.preventDefault();
    try {
      await request(form.elements);
      close();
    } catch (problem) {
      write(error, problem.message);
    }
  };
  const form = el('form', { submit }, el('h2', { id: 'dialog-title' }, title), content, error,
    el('div', { class: 'actions' }, button(action ? 'Cancel' : 'Close', close), action && el('button', { class: 'main' }, action)));
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
  return form;
}
