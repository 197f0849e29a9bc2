// The table of calls: filters, and repeated polls as one row.

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
export const isWithin = (name = '', chosen) => !chosen || `${name}/`.startsWith(`${chosen}/`);

/** True if a call matches the filters. `targetOf` returns the resource of an operation. */
export function matches({method, resource, via, code, message, fault}, filters, targetOf = () => undefined) {
	const text = filters.text.toLowerCase();
	return (
		(!filters.method || method === filters.method) &&
		(!filters.via || via === filters.via) &&
		(!filters.code || (filters.code === 'errors' ? code && code !== 'OK' : code === filters.code)) &&
		[resource, targetOf(resource)].some(name => isWithin(name, filters.resource)) &&
		[method, resource, code, message, fault].some(it => it?.toLowerCase().includes(text))
	);
}

/** Returns rows of calls, newest first. Reads with the same outcome share a row, until a write follows. The row is at the place of the first read. */
export function fold(calls, isFolding) {
	const rows = new Map();
	let write = 0;
	for (const call of calls) {
		const {sequence, method, resource, via, code, fault} = call;
		const isRead = isFolding && /^(Get|List|Wait)/.test(method);
		if (!isRead) write = sequence;
		const key = isRead ? [write, method, resource, via, code, fault].join(' ') : sequence;
		if (rows.has(key)) rows.get(key).calls.push(call);
		else rows.set(key, {key, calls: [call]});
	}
	return [...rows.values()].reverse();
}

/** Number of rows that are rendered above the first visible row. Twice this number is rendered from that row on. The other rows are empty space. */
const NEAR = 20;

let lastShown;
let rows = [];

export function renderCalls(store, page) {
	const {filters} = page;
	const {scrollTop} = $('calls-scroll');
	// The table stays as it is while it is paused or scrolled down.
	lastShown = page.isHeld || scrollTop > 8 ? lastShown ?? store.calls.at(-1)?.sequence : undefined;
	const old = lastShown ? store.calls.filter(call => call.sequence <= lastShown) : store.calls;
	const newer = store.calls.length - old.length;
	write($('newer'), newer && `↑ ${count(newer, 'new call')}`);
	const found = old.filter(call => matches(call, filters, name => store.operations.get(name)?.target));
	rows = fold(found, filters.fold !== 'off');
	write($('calls-count'), found.length === old.length ? found.length : `${found.length} of ${old.length}`);
	write($('no-calls'), !rows.length && (old.length ? 'No call matches the filters.' : 'No calls yet.'));

	const height = $('calls').firstElementChild?.offsetHeight || 24;
	const from = Math.max(0, Math.min(rows.length, Math.floor(scrollTop / height)) - NEAR);
	const shown = rows.slice(from, from + 3 * NEAR);
	$('calls-table').style.margin = `${from * height}px 0 ${(rows.length - from - shown.length) * height}px`;
	set($('calls-table'), 'aria-rowcount', rows.length + 1);
	keyed($('calls'), shown, row => row.key, () => create(page), (element, row) => {
		set(element, 'aria-rowindex', from + shown.indexOf(row) + 2);
		update(element, row, page);
	});
	if (page.isStepping) document.querySelector('#calls [aria-current] button')?.focus();
	page.isStepping = false;
}

function create(page) {
	const row = el('tr', {click: () => page.open('call', row.last.sequence)}, el('td', el('button.link', {type: 'button'})), Array.from({length: 7}, () => el('td')));
	return row;
}

function update(element, {calls}, page) {
	const [number, time, method, resource, via, status, latency, fault] = element.children;
	const isOpen = calls.some(call => page.isOpen('call', call.sequence));
	set(element, 'aria-current', isOpen && 'true');
	// Tab reaches the first row and the open row; j and k reach all.
	number.firstChild.tabIndex = isOpen || !element.previousElementSibling ? 0 : -1;
	const [first, last] = [calls[0], calls.at(-1)];
	if (element.first === first && element.last === last) return;
	Object.assign(element, {first, last});
	write(number.firstChild, first.sequence, first === last ? '' : `calls ${first.sequence} to ${last.sequence}`);
	write(time, timeOfDay(last.at), utc(last.at));
	write(method, last.method + (first === last ? '' : ` ×${calls.length}`));
	write(resource, tail(last.resource), last.resource);
	write(via, last.via === 'GRPC' ? 'gRPC' : last.via);
	const [symbol, color] = {OK: ['✔', 'good'], '': ['◐', 'busy']}[last.code] ?? ['✖', 'bad'];
	write(status, `${symbol} ${last.code || 'in progress'}`, last.message);
	status.className = color;
	write(latency, last.latency !== undefined && span(last.latency));
	write(fault, last.fault?.replace('faults/', '#'));
}

/** Returns the number of the last call in the row `step` rows below the row of call `sequence`. */
export function neighbour(sequence, step) {
	const at = rows.findIndex(({calls}) => calls.some(call => call.sequence === sequence));
	return rows[at < 0 ? 0 : Math.max(0, at + step)]?.calls.at(-1).sequence;
}
