// Elements. All text is set as text, so no document, name or error is parsed as HTML. Hidden characters are shown as escapes.

import {visible} from './text.js';

export const $ = id => document.getElementById(id);

/** Creates an element, such as `p.soft`. An attribute that is a function is a listener. */
export function el(tag, ...children) {
	const [name, ...classes] = tag.split('.');
	const node = document.createElement(name);
	if (classes.length) node.className = classes.join(' ');
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	for (const [key, value] of Object.entries(attributes)) {
		if (typeof value === 'function') node.addEventListener(key, value);
		else set(node, key, value);
	}
	node.append(...children.flat(2).filter(Boolean).map(child => (child.nodeType ? child : visible(child))));
	return node;
}

export const button = (text, click, attributes) => el('button', {type: 'button', click, ...attributes}, text);

export function set(node, name, value) {
	if (value === undefined || value === false) return node.removeAttribute(name);
	const text = visible(value === true ? '' : value);
	if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** Sets the text and the title of a node. The text is empty if it is undefined. */
export function write(node, text, title) {
	const shown = visible(text || '');
	if (node.textContent !== shown) node.textContent = shown;
	if (title !== undefined) set(node, 'title', title || undefined);
}

/** Writes a text for some time. */
export function flash(node, text, time) {
	write(node, text);
	clearTimeout(node.timer);
	node.timer = setTimeout(write, time, node);
}

/** Number of rows that are created in a frame, so that no frame takes long. */
const MAX_NEW = 10;
let left = 0;
let runAgain;

/** Gives an element a child for each item. A child that has the key of an item is kept. Further children are created in the next frame. */
export function keyed(parent, items, key, create, update) {
	const focused = document.activeElement;
	const keys = new Set(items.map(key));
	const rows = new Map(Array.from(parent.children, row => [row.key, row]));
	for (const [name, row] of rows) keys.has(name) || row.remove();
	let next = parent.firstElementChild;
	for (const item of items) {
		let row = rows.get(key(item));
		if (!row) {
			if (!left) return runAgain();
			left -= 1;
			row = create(item);
			row.key = key(item);
		}
		if (row === next) next = next.nextElementSibling;
		else parent.insertBefore(row, next);
		update(row, item);
	}
	// An element that was moved has lost the focus.
	if (document.activeElement !== focused && parent.contains(focused)) focused.focus({preventScroll: true});
}

/** Returns a function that schedules jobs by their names. Each frame runs one job, so that no frame takes long. */
export function scheduler(jobs, ...inputs) {
	const marked = new Set();
	const mark = (...names) => {
		if (!marked.size && names.length) requestAnimationFrame(frame);
		names.forEach(name => marked.add(name));
	};
	const frame = () => {
		const [name] = marked;
		marked.delete(name);
		if (marked.size) requestAnimationFrame(frame);
		left = MAX_NEW;
		runAgain = () => mark(name);
		jobs[name](...inputs);
	};
	return mark;
}

/** Copies a text. Only https and localhost have the clipboard API. */
export async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		const area = el('textarea.hidden');
		area.value = text;
		(document.querySelector('dialog[open]') ?? document.body).append(area);
		area.select();
		document.execCommand('copy');
		area.remove();
	}
	flash($('toast'), 'Copied', 3000);
}

/** A heading with a button that copies the text below it. */
export const copyable = (title, pre) => [el('h3', title, button('Copy', () => copyText(pre.textContent), {'aria-label': `Copy ${title}`})), pre];

export function save(name, content) {
	const url = URL.createObjectURL(new Blob([content], {type: 'application/octet-stream'}));
	el('a', {href: url, download: name}).click();
	setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Shows a dialog with a form. The dialog closes if `request` succeeds. */
export function ask(title, content, action, request) {
	const dialog = $('dialog');
	const error = el('p.bad', {role: 'alert'});
	const close = () => dialog.close();
	const submit = event => {
		event.preventDefault();
		Promise.resolve(form.elements).then(request).then(close, problem => write(error, problem.message));
	};
	const form = el('form', {submit}, el('h2', {id: 'dialog-title'}, title), content, error,
		el('div.actions', button(action ? 'Cancel' : 'Close', close), action && el('button.main', action)));
	dialog.replaceChildren(form);
	if (!dialog.open) dialog.showModal();
	return form;
}
