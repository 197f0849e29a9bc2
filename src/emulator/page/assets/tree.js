// The tree of resources: projects, their APIs with configs, and their locations with gateways.

import {$, button, el, keyed, set, write} from './dom.js';
import {shortName} from './text.js';

/** A list shows this many children at first, and this many more after each click on "more". */
const MORE = 50;

/** Returns the nodes of the projects whose resources have `text` in their names. Children are sorted by kind and label. */
export function buildTree(resources, text = '') {
	const nodes = new Map();
	const root = {children: []};
	const node = (parent, kind, name, label) => {
		let found = nodes.get(name);
		if (!found) {
			nodes.set(name, (found = {kind, name, label, order: `${kind} ${label}`, children: [], links: []}));
			parent.children.push(found);
		}
		return found;
	};
	const find = text.toLowerCase();
	for (const {name, kind, at, value, state} of resources.values()) {
		if (!name.toLowerCase().includes(find)) continue;
		const above = name.split('/').slice(0, -2).join('/');
		let parent = node(root, 'project', `projects/${at.projects}`, at.projects);
		if (kind === 'config') parent = node(parent, 'api', above, at.apis);
		if (kind === 'gateway') parent = node(parent, 'location', above, at.locations);
		const found = node(parent, kind, name, at.id);
		found.state = state;
		if (value.apiConfig) found.links.push([`serves ${shortName(value.apiConfig)}`, value.apiConfig]);
	}
	for (const {name, value} of resources.values()) nodes.get(value.apiConfig)?.links.push([`served by ${shortName(name)}`, name]);
	for (const {children} of [root, ...nodes.values()]) children.sort((a, b) => (a.order < b.order ? -1 : 1));
	return root.children;
}

const STATES = {ACTIVE: ['●', 'good'], FAILED: ['✖', 'bad'], UNKNOWN: ['○', 'soft']};

let built = {};

export function renderTree({resources, changes}, page) {
	const text = $('find').value.trim();
	if (built.changes !== changes || built.text !== text) built = {changes, text, nodes: buildTree(resources, text)};
	write($('resources-count'), resources.size && resources.size.toLocaleString('en'));
	$('find').hidden = resources.size < 8 && !text;
	write($('no-resources'), !built.nodes.length && (text ? 'No resource has this text in its name.' : 'No resources yet.'));
	writeNodes($('tree'), built.nodes, page, text);
}

function writeNodes(list, nodes, page, text) {
	const limit = list.limit ?? MORE;
	const rest = nodes.length - limit;
	const shown = rest > 0 ? [...nodes.slice(0, limit), {rest}] : nodes;
	const more = () => {
		list.limit = limit + MORE;
		page.render('tree');
	};
	keyed(list, shown, node => node.name, node => el('li', {class: node.kind}, node.kind && create(node, page)), (item, node) => {
		if (node.kind) writeNode(item, node, page, text);
		else item.replaceChildren(button(`Show ${Math.min(MORE, rest)} of ${rest.toLocaleString('en')} more`, more, {class: 'link'}));
	});
}

const create = ({kind, name, label}, page) =>
	button([el('span.kind', kind), el('span.clip', label), el('span')], () => page.choose(name), {class: 'plain', title: name});

function writeNode(item, {name, label, state, links, children}, page, text) {
	const choose = item.firstChild;
	set(choose, 'aria-current', page.filters.resource === name && 'true');
	if (state) {
		const [symbol, color] = STATES[state] ?? ['◐', 'busy'];
		write(choose.lastChild, `${symbol} ${state}`);
		choose.lastChild.className = `badge ${color}`;
	}
	let details = item.querySelector(':scope > details');
	item.links ??= item.insertBefore(el('p'), details);
	keyed(item.links, links.slice(0, 5), ([it]) => it, ([it, to]) => button(`↳ ${it}`, () => page.choose(to), {class: 'link', title: to}), () => {});
	if (!children.length) return details?.remove();
	if (!details) {
		details = el('details', {open: children.length <= MORE, toggle: () => page.render('tree')}, el('summary', el('span.hidden', `in ${label}`)), el('ul'));
		item.append(details);
	}
	details.open ||= Boolean(text);
	if (details.open) writeNodes(details.lastChild, children, page, text);
}
