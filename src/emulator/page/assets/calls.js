// The table of calls: filters, repeated polls as one row, rows in view.

import {$, el, keyed, set, write} from './dom.js';
import {count, span, tail, timeOfDay, utc} from './text.js';

/** The filters in the address of the page. */
const FILTERS = ['method', 'via', 'code', 'text', 'resource', 'operations', 'fold'];

export function readFilters(search) {
	const query = new URLSearchParams(search);
	return Object.fromEntries(FILTERS.map(name => [name, query.get(name) ?? '']));
}

export function writeFilters(filters) {
	const query = new URLSearchParams(FILTERS.filter(name => filters[name]).map(name => [name, filters[name]]));
	return query.size ? `?${query}` : '';
}

/** True if a name is the chosen one or below it. */
export const isWithin = (name = '', chosen) => !chosen || name === chosen || name.startsWith(`${chosen}/`);

/** True if a call matches the filters. `targetOf` returns the resource of an operation. */
export function matches(call, filters, targetOf = () => undefined) {
	const {method, resource, via, code, message, fault} = call;
	const text = filters.text.toLowerCase();
	return (
		(!filters.method || method === filters.method) &&
		(!filters.via || via === filters.via) &&
		(!filters.code || (filters.code === 'errors' ? code && code !== 'OK' : code === filters.code)) &&
		(isWithin(resource, filters.resource) || isWithin(targetOf(resource), filters.resource)) &&
		(!text || [method, resource, code, message, fault].some(it => it?.toLowerCase().includes(text)))
	);
}

/** Returns rows, newest first. Equal reads share a row until the next write, at the place of the first one. */
export function fold(calls, isFolding) {
	const rows = [];
	const latest = new Map();
	const used = new Map();
	let write = 0;
	for (const call of calls) {
		const isRead = isFolding && /^(Get|List|Wait)/.test(call.method);
		if (!isRead) write = call.sequence;
		const same = `${write} ${call.method} ${call.resource} ${call.via}`;
		const row = isRead && latest.get(same);
		if (row && row.last.code === call.code && row.last.fault === call.fault) {
			row.last = call;
			row.count += 1;
			continue;
		}
		// The key of a row of reads does not change when its oldest calls are dropped.
		const key = isRead ? `${same} ${call.code} ${call.fault}` : call.sequence;
		const times = used.get(key) ?? 0;
		used.set(key, times + 1);
		const next = {key: times ? `${key} ${times}` : key, first: call, last: call, count: 1};
		rows.push(next);
		if (isRead) latest.set(same, next);
	}
	return rows.reverse();
}

/** Number of rows above the first one in view. Below it are twice as many. The others are empty space. */
const NEAR = 20;

let held;
let rows = [];

export function renderCalls(store, page) {
	const {filters} = page;
	const [body, {scrollTop}] = [$('calls'), $('calls-scroll')];
	const height = body.firstElementChild?.offsetHeight || 24;
	// The table stays as it is while it is paused or scrolled down.
	held = page.isHeld || scrollTop > 8 ? held ?? store.calls.at(-1)?.sequence : undefined;
	const old = held ? store.calls.filter(call => call.sequence <= held) : store.calls;
	const newer = store.calls.length - old.length;
	$('newer').hidden = !newer;
	write($('newer'), `↑ ${count(newer, 'new call')}`);
	const found = old.filter(call => matches(call, filters, name => store.operations.get(name)?.target));
	rows = fold(found, filters.fold !== 'off');
	write($('calls-count'), found.length === old.length ? String(found.length || '') : `${found.length} of ${old.length}`);
	write($('no-calls'), old.length ? 'No call matches the filters.' : 'No calls yet.');
	$('no-calls').hidden = rows.length > 0;

	const from = Math.max(0, Math.min(rows.length, Math.floor(scrollTop / height)) - NEAR);
	const shown = rows.slice(from, from + 3 * NEAR);
	$('space').style.height = `${(rows.length + 1) * height}px`;
	$('calls-table').style.top = `${from * height}px`;
	set($('calls-table'), 'aria-rowcount', rows.length + 1);
	const isDone = keyed(body, shown, row => row.key, () => create(page), (element, row) => {
		set(element, 'aria-rowindex', from + shown.indexOf(row) + 2);
		update(element, row, page);
	});
	if (!isDone) page.render('calls');
	if (page.isStepping) body.querySelector('[aria-current] button')?.focus();
	page.isStepping = false;
}

function create(page) {
	const row = el('tr', {click: () => page.open('call', row.sequence)}, el('td', el('button', {type: 'button', class: 'link'})), Array.from({length: 7}, () => el('td')));
	return row;
}

function update(element, {first, last, count: times}, page) {
	const [number, time, method, resource, via, status, latency, fault] = element.children;
	const isOpen = page.isOpen('call', last.sequence);
	set(element, 'aria-current', isOpen && 'true');
	// The Tab key reaches one row; j and k move between rows.
	number.firstChild.tabIndex = isOpen || !element.previousElementSibling ? 0 : -1;
	if (element.last === last && element.times === times) return;
	Object.assign(element, {last, times, sequence: last.sequence});
	write(number.firstChild, String(first.sequence), times > 1 ? `calls ${first.sequence} to ${last.sequence}` : '');
	write(time, timeOfDay(last.at), utc(last.at));
	write(method, times > 1 ? `${last.method} ×${times}` : last.method);
	write(resource, tail(last.resource), last.resource);
	write(via, last.via === 'GRPC' ? 'gRPC' : last.via);
	const [symbol, color] = {OK: ['✔', 'good'], '': ['◐', 'busy']}[last.code] ?? ['✖', 'bad'];
	write(status, `${symbol} ${last.code || 'in progress'}`, last.message);
	status.className = color;
	write(latency, last.latency === undefined ? '' : span(last.latency));
	write(fault, last.fault?.replace('faults/', '#'));
}

/** The call of the row that is `step` rows below that of a call. */
export function neighbour(sequence, step) {
	const at = rows.findIndex(({first, last}) => first.sequence <= sequence && sequence <= last.sequence);
	return rows[at < 0 ? 0 : Math.max(0, at + step)]?.last.sequence;
}
