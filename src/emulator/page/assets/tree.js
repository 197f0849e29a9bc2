// The tree of resources: projects, their APIs with configs, and their locations with gateways.

import { button, byId, el, keyed, set, write } from './dom.js';
import { STEP } from './store.js';
import { shortName } from './text.js';

/** Number of children that a list shows at first, and that each "more" adds. */
const MORE = 100;
/** A node with more children is closed at first. */
const MAX_OPEN = 50;

/** Builds the tree in several steps, from the resources whose names contain `text`. Returns its nodes, sorted by name. */
export function* buildTree(resources, text = '') {
  const nodes = new Map();
  const root = { children: [] };
  const node = (parent, kind, name, label) => {
    let found = nodes.get(name);
    if (!found) {
      nodes.set(name, (found = { kind, name, label, children: [], links: [] }));
      parent.children.push(found);
    }
    return found;
  };
  const above = (name, kind) => name.slice(0, name.lastIndexOf(`/${kind}s/`));
  const find = text.toLowerCase();
  let seen = 0;
  for (const { name, kind, at, value, state } of resources.values()) {
    if ((seen += 1) % STEP === 0) yield;
    if (find && !name.toLowerCase().includes(find)) continue;
    const project = node(root, 'project', `projects/${at.projects}`, at.projects);
    let parent = project;
    if (kind === 'config') parent = node(project, 'api', above(name, kind), at.apis);
    if (kind === 'gateway') parent = node(project, 'location', above(name, kind), at.locations);
    const found = node(parent, kind, name, at.id);
    found.state = state;
    if (value.apiConfig) found.links.push([`serves ${shortName(value.apiConfig)}`, value.apiConfig]);
  }
  for (const { kind, name, value } of resources.values()) {
    if (kind === 'gateway') nodes.get(value.apiConfig)?.links.push([`served by ${shortName(name)}`, name]);
  }
  yield;
  const before = (a, b) => (a.kind === b.kind ? a.label < b.label : a.kind === 'api');
  for (const { children } of [root, ...nodes.values()]) children.sort((a, b) => (before(a, b) ? -1 : 1));
  return root.children;
}

const STATES = { ACTIVE: ['●', 'good'], FAILED: ['✖', 'bad'], UNKNOWN: ['○', 'soft'] };

let built = { nodes: [] };
let isBuilding = false;

function build(store, text, page) {
  const { changes } = store;
  const steps = buildTree(store.resources, text);
  const step = () => {
    const { done, value } = steps.next();
    if (!done) return setTimeout(step);
    built = { changes, text, nodes: value };
    isBuilding = false;
    page.render('tree');
  };
  isBuilding = true;
  step();
}

export function renderTree(store, page) {
  const text = byId('find').value.trim();
  const { size } = store.resources;
  if (!isBuilding && (built.changes !== store.changes || built.text !== text)) build(store, text, page);
  const { nodes } = built;
  write(byId('resources-count'), size ? size.toLocaleString('en') : '');
  byId('find').hidden = size < 8 && !text;
  write(byId('no-resources'), text ? 'No resource has this text in its name.' : 'No resources yet.');
  byId('no-resources').hidden = nodes.length > 0;
  writeNodes(byId('tree'), nodes, page, text);
}

function writeNodes(list, nodes, page, text) {
  const limit = list.limit ?? MORE;
  const rest = nodes.length - limit;
  const shown = rest > 0 ? [...nodes.slice(0, limit), { name: 'more', rest }] : nodes;
  const more = () => {
    list.limit = limit + MORE;
    page.render('tree');
  };
  const isDone = keyed(list, shown, (node) => node.name, (node) => el('li', { class: node.kind }, create(node, page)), (item, node) => {
    if (node.rest) item.replaceChildren(button(`Show ${Math.min(MORE, rest)} of ${rest.toLocaleString('en')} more`, more, { class: 'link' }));
    else writeNode(item, node, page, text);
  });
  if (!isDone) page.render('tree');
}

function create({ kind, name, label, rest }, page) {
  if (rest) return '';
  const parts = [el('span', { class: 'kind' }, kind), el('span', { class: 'clip' }, label), el('span')];
  return button(parts, () => page.choose(name), { class: 'plain', title: name });
}

function writeNode(item, node, page, text) {
  const choose = item.firstChild;
  set(choose, 'aria-current', page.filters.resource === node.name && 'true');
  if (node.state) {
    const [symbol, color] = STATES[node.state] ?? ['◐', 'busy'];
    write(choose.lastChild, `${symbol} ${node.state}`);
    choose.lastChild.className = `badge ${color}`;
  }
  let details = item.querySelector(':scope > details');
  const links = node.links.slice(0, 5);
  keyed(item.links ?? (links.length ? (item.links = item.insertBefore(el('p'), details)) : el('p')), links, ([label]) => label,
    ([label, name]) => button(`↳ ${label}`, () => page.choose(name), { class: 'link', title: name }), () => {});
  if (!node.children.length) return void details?.remove();
  if (!details) {
    details = el('details', { open: node.children.length <= MAX_OPEN, toggle: () => page.render('tree') }, el('summary', {}, el('span', { class: 'hidden' }, `in ${node.label}`)), el('ul'));
    item.append(details);
  }
  details.open ||= Boolean(text);
  if (details.open) writeNodes(details.lastChild, node.children, page, text);
}
