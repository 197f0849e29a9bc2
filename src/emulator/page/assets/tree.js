// The tree of resources: projects, their APIs with configs, and their locations with gateways.

import {$, button, el, keyed, set, write} from './dom.js';
import {STEP} from './store.js';
import {shortName} from './text.js';

/** Number of children that a list shows at first, and by each "more". */
const MORE = 50;

/** Builds the tree of the resources whose names contain `text`, in several steps. Returns its nodes, sorted by name. */
export function* buildTree(resources, text = '') {
	const nodes = new Map();
	const root = {children: []};
	const node = (parent, kind, name, label) => {
		let found = nodes.get(name);
		if (!found) {
			nodes.set(name, (found = {kind, name, label, children: [], links: []}));
			parent.children.push(found);
		}
		return found;
	};
	const find = text.toLowerCase();
	let seen = 0;
	for (const {name, kind, at, value, state} of resources.values()) {
		if ((seen += 1) % STEP === 0) yield;
		if (!name.toLowerCase().includes(find)) continue;
		const above = name.split('/').slice(0, -2).join('/');
		let parent = node(root, 'project', `projects/${at.projects}`, at.projects);
		if (kind === 'config') parent = node(parent, 'api', above, at.apis);
		if (kind === 'gateway') parent = node(parent, 'location', above, at.locations);
		const found = node(parent, kind, name, at.id);
		found.state = state;
		if (value.apiConfig) found.links.push([`serves ${shortName(value.apiConfig)}`, value.apiConfig]);
	}
	for (const {kind, name, value} of resources.values()) {
		if (kind === 'gateway') nodes.get(value.apiConfig)?.links.push([`served by ${shortName(name)}`, name]);
	}
	const before = (a, b) => (a.kind === b.kind ? a.label < b.label : a.kind === 'api');
	for (const {children} of [root, ...nodes.values()]) {
		if (children.length > STEP) yield;
		children.sort((a, b) => (before(a, b) ? -1 : 1));
	}
	return root.children;
}

const STATES = {ACTIVE: ['●', 'good'], FAILED: ['✖', 'bad'], UNKNOWN: ['○', 'soft']};

let built = {nodes: []};
let isBuilding = false;

function build(store, text, page) {
	const {changes} = store;
	const steps = buildTree(store.resources, text);
	const step = () => {
		const {done, value} = steps.next();
		if (!done) return setTimeout(step);
		built = {changes, text, nodes: value};
		isBuilding = false;
		page.render('tree');
	};
	isBuilding = true;
	step();
}

export function renderTree(store, page) {
	const text = $('find').value.trim();
	const {size} = store.resources;
	if (!isBuilding && (built.changes !== store.changes || built.text !== text)) build(store, text, page);
	const {nodes} = built;
	write($('resources-count'), size ? size.toLocaleString('en') : '');
	$('find').hidden = size < 8 && !text;
	write($('no-resources'), text ? 'No resource has this text in its name.' : 'No resources yet.');
	$('no-resources').hidden = nodes.length > 0;
	writeNodes($('tree'), nodes, page, text);
}

function writeNodes(list, nodes, page, text) {
	const limit = list.limit ?? MORE;
	const rest = nodes.length - limit;
	const shown = rest > 0 ? [...nodes.slice(0, limit), {name: 'more', rest}] : nodes;
	const more = () => {
		list.limit = limit + MORE;
		page.render('tree');
	};
	const isDone = keyed(list, shown, node => node.name, node => el('li', {class: node.kind}, node.kind && create(node, page)), (item, node) => {
		if (node.kind) writeNode(item, node, page, text);
		else item.replaceChildren(button(`Show ${Math.min(MORE, rest)} of ${rest.toLocaleString('en')} more`, more, {class: 'link'}));
	});
	if (!isDone) page.render('tree');
}

const create = ({kind, name, label}, page) =>
	button([el('span.kind', kind), el('span.clip', label), el('span')], () => page.choose(name), {class: 'plain', title: name});

function writeNode(item, node, page, text) {
	const {name, label, state, links, children} = node;
	const choose = item.firstChild;
	set(choose, 'aria-current', page.filters.resource === name && 'true');
	if (state) {
		const [symbol, color] = STATES[state] ?? ['◐', 'busy'];
		write(choose.lastChild, `${symbol} ${state}`);
		choose.lastChild.className = `badge ${color}`;
	}
	let details = item.querySelector(':scope > details');
	item.links ??= item.insertBefore(el('p'), details);
	const isDone = keyed(item.links, links.slice(0, 5), ([it]) => it, ([it, to]) => button(`↳ ${it}`, () => page.choose(to), {class: 'link', title: to}), () => {});
	if (!isDone) page.render('tree');
	if (!children.length) return void details?.remove();
	if (!details) {
		details = el('details', {open: children.length <= MORE, toggle: () => page.render('tree')}, el('summary', el('span.hidden', `in ${label}`)), el('ul'));
		item.append(details);
	}
	details.open ||= Boolean(text);
	if (details.open) writeNodes(details.lastChild, children, page, text);
}
