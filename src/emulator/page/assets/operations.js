// The list of operations: progress, outcome, and the buttons that end one.

import {post} from './api.js';
import {isWithin} from './calls.js';
import {$, ask, button, el, keyed, set, write} from './dom.js';
import {codes, statusOf} from './faults.js';
import {codeName, join, minutes, parts, shortName, span, timeOfDay, utc} from './text.js';

const STATES = {running: ['◐', 'busy'], done: ['✔', 'good'], failed: ['✖', 'bad'], cancelled: ['⊘', '']};

function outcome({state, error, message, diagnostics, isCancelling}) {
	if (state === 'running') return join(' · ', message, isCancelling && 'cancellation requested');
	const [first, ...rest] = diagnostics.map(it => join(' ', it.location, it.message));
	return join(' · ', error && codeName(error.code), first ?? error?.message, rest.length && `${rest.length} more`);
}

export const titleOf = ({verb, target, name}) => `${verb} ${parts(target).kind.replace(/s$/, '')} ${shortName(target ?? name)}`;

export function renderOperations(store, page) {
	const {operations, resource} = page.filters;
	const all = store.listOperations();
	const running = all.filter(it => it.state === 'running').length;
	write($('operations-count'), all.length && `${running} running · ${all.length - running} done`);
	const shown = all.filter(({state, target}) => (!operations || state === operations) && isWithin(target, resource));
	write($('no-operations'), !shown.length && (all.length ? 'No operation matches the filters.' : 'No operations yet.'));
	keyed($('operations'), shown.slice(0, 200), it => it.name, it => create(it.name, page), (row, it) => update(row, it, store, page));
}

function create(name, page) {
	const finish = fails => post('operations:finish', {name, fails});
	const fail = () => ask('End the operation with an error', [el('p.mono', name), codes()], 'End with this error',
		({code, message}) => finish(statusOf(code.value, message.value)));
	return el('li',
		button([el('span'), el('span.clip'), el('small')], () => page.open('operation', name), {class: 'plain', title: name}),
		el('small'), el('progress', {max: 1, 'aria-label': 'Elapsed time'}), el('small'),
		el('span.buttons',
			button('Finish', () => page.act(finish())), button('Fail…', fail),
			button('Cancel', () => page.act(finish(statusOf(1, 'cancelled on the page'))))));
}

function update(row, operation, store, page) {
	const [title, elapsed, progress, text, buttons] = row.children;
	const {state, start, end, name, target} = operation;
	set(title, 'aria-current', page.isOpen('operation', name) && 'true');
	if (row.operation === operation) return;
	row.operation = operation;
	const [symbol, color] = STATES[state];
	const [mark, what, where] = title.children;
	write(mark, symbol);
	mark.className = color;
	write(what, titleOf(operation));
	write(where, parts(target ?? name).locations);
	progress.hidden = buttons.hidden = state !== 'running';
	const line = outcome(operation);
	write(text, line, line);
	text.className = `outcome clip ${color}`;
	if (state === 'running') tick(row, store);
	else write(elapsed, `${state} · ${span(end - start)}`, `${timeOfDay(start)} to ${timeOfDay(end)}; ${utc(start)}`);
}

function tick({operation: {start, end}, children: [, elapsed, progress]}, store) {
	const passed = Math.max(0, store.time - start);
	write(elapsed, `${minutes(passed)} / ~${minutes(end - start)}`, `since ${utc(start)}`);
	progress.value = Math.min(1, passed / (end - start)) || 0;
}

export function tickOperations(store) {
	for (const row of $('operations').children) if (row.operation.state === 'running') tick(row, store);
}
