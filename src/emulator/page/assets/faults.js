// The list of faults, and the form that adds one.

import {post, send} from './api.js';
import {quote} from './copy.js';
import {$, ask, button, copyable, el, keyed, write} from './dom.js';
import {CODES, codeName, join, millis, tail, visible} from './text.js';

export const field = (text, name, value = '', attributes) => el('label', text, el('input', {name, value, ...attributes}));
const lines = (text, name, value = '') => el('label', text, el('textarea', {name, rows: 2}, value));
const optionsOf = options => options.map(([value, text = value]) => new Option(text, value));
const choice = (text, name, options) => el('label', text, el('select', {name}, optionsOf(options)));

/** The fields of a status. `none` is the label of an option for success. */
export function codes(none) {
	const code = choice('Code', 'code', CODES.map((name, number) => [number, number ? name : none]).slice(none ? 0 : 1));
	if (!none) code.lastChild.value = 14;
	return [code, field('Message', 'message', 'injected on the page')];
}

export const statusOf = (code, message) => ({code: Number(code), message});

/** An object for each line of a text: its first word, and the rest. */
const pairs = (text, first, second) => Array.from(text.matchAll(/(\S+)[^\S\n]*(.*)/g), ([, word, rest]) => ({[first]: word, [second]: rest}));

const CANCELS = {
	cancelledAfter: ['ends it after 5s', 'HonouredAfter', '5s'],
	cancelIgnored: ['is ignored', 'Ignored', {}],
	cancelFails: ['ends it with an error', 'Fails', statusOf(9, 'injected on the page')],
	cancelUnimplemented: ['is UNIMPLEMENTED', 'Unimplemented', {}],
};

const planFields = () => [
	field('Running time', 'takes', '', {placeholder: '30s'}),
	field('NOT_FOUND after', 'forgottenAfter', '', {placeholder: 'never'}),
	codes('none, it succeeds'),
	lines('Progress, one message a line, such as "2s rolling out"', 'progress'),
	lines('Diagnostics, one a line, such as "openapi.yaml:7 message"', 'diagnostics'),
	choice('A cancel', 'cancel', [['', 'ends it at once'], ...Object.entries(CANCELS).map(([name, [text]]) => [name, text])]),
];

function plan({takes, forgottenAfter, code, message, progress, diagnostics, cancel}) {
	const all = {
		takes,
		forgottenAfter,
		fails: code !== '0' && statusOf(code, message),
		progress: pairs(progress, 'after', 'message'),
		diagnostics: pairs(diagnostics, 'location', 'message'),
		[cancel]: CANCELS[cancel]?.[2],
	};
	return Object.fromEntries(Object.entries(all).filter(([, value]) => value && value.length !== 0));
}

const duration = () => field('Duration', 'time', '3s');
const nothing = [() => [], () => ({})];

/** The effects by member: label, fields of the form, and value of the member. */
const EFFECTS = {
	fail: ['Fail with a status', () => codes(), ({code, message}) => statusOf(code, message)],
	delay: ['Delay the call', () => [duration(), el('p.soft', 'Advancing the clock shortens neither a delay nor the timers of clients.')], ({time}) => time],
	dropConnection: ['Drop the connection, and do not process the call', ...nothing],
	loseResponse: ['Process the call, and lose the response', ...nothing],
	stale: ['Respond with the state before the last change', ...nothing],
	notFoundFor: ['NOT_FOUND shortly after a create', duration, ({time}) => time],
	html: ['Respond with an HTML page, as a proxy', () => field('HTTP status', 'http', 502, {type: 'number'}), ({http}) => Number(http)],
	respond: ['Respond with a message', ({output}) => lines('JSON', 'json', `{"@type": "type.googleapis.com/${output}"}`), ({json}) => JSON.parse(json)],
	operation: ['Plan the operation that the call starts', planFields, plan],
};

const effectOf = fault => Object.keys(EFFECTS).find(name => fault[name] !== undefined) ?? '';

function faultOf(form) {
	const all = Object.fromEntries(Array.from(new FormData(form), ([name, value]) => [name, value.trim()]));
	const {method, resource, times, action} = all;
	return {method, ...(resource && {resource}), ...(times === 'always' ? {always: true} : {times: Number(times)}), [action]: EFFECTS[action][2](all)};
}

const snake = name => name.replace(/(?<=.)([A-Z])/g, '_$1').toLowerCase();
const rustText = (text = '') => visible(JSON.stringify(text)).replace(/(\\\\)|\\u(....)/g, (_, slashes, hex) => slashes ?? `\\u{${hex}}`);

function rust(name, value) {
	if (/^(delay|notFoundFor|takes|after|\w+After)$/.test(name)) return `Duration::from_millis(${Math.round(millis(value))})`;
	if (name === 'html') return `StatusCode::from_u16(${value})?`;
	if (name === 'respond') return '&message';
	if (name === 'operation') return `\n        ${['OperationPlan::default()', ...Object.entries(value).flatMap(rustPlan)].join('\n        .')},\n    `;
	if (typeof value === 'string') return rustText(value);
	if (value.code) return `Status::${codeName(value.code).toLowerCase()}(${rustText(value.message)})`;
	return Object.entries(value).map(([inner, it]) => rust(inner, it)).join(', ');
}

const rustPlan = ([name, values]) => [values].flat().map(value => {
	const inner = rust(name, value);
	const cancel = CANCELS[name]?.[1];
	return cancel ? `cancel_behavior(CancelBehavior::${cancel}${inner && `(${inner})`})` : `${snake(name).replace('diagnostics', 'diagnostic')}(${inner})`;
});

/** The Rust code that sets a fault. */
export function faultRust(fault) {
	const {method, resource, always, times} = fault;
	const action = effectOf(fault);
	return `${join('\n    .', `emulator.on(Method::${snake(method).toUpperCase()})`, resource && `named(${rustText(resource)})`,
		always ? 'always()' : times > 1 && `times(${times})`, `${snake(action)}(${rust(action, fault[action])})`)};`;
}

export const faultCurl = (origin, fault) => `curl --json ${quote(JSON.stringify(fault))} ${quote(`${origin}/emulator/v1/faults`)}`;

/** Shows the form, and beside it a shell command and Rust code that set the same fault. */
export function addFault(store, page) {
	const fields = el('fieldset');
	const names = el('datalist', {id: 'names'});
	const [shell, code] = [0, 0].map(tabindex => el('pre', {tabindex}));
	const form = ask('Add a fault', el('div.two',
		el('div', choice('Method', 'method', page.methods.map(({name}) => [name])),
			field('Resource; if empty, the fault applies to all calls', 'resource', '', {list: 'names'}), names,
			field('Number of calls, or always', 'times', 1, {pattern: '[1-9][0-9]*|always'}),
			choice('Effect', 'action', []), fields),
		el('div', copyable('The same from a shell', shell), copyable('The same in Rust', code))),
	'Add fault', () => post('faults', faultOf(form)));
	const {method, action, resource} = form.elements;
	const methodOf = () => page.methods[method.selectedIndex];
	const showFields = () => fields.replaceChildren(...[EFFECTS[action.value][1](methodOf())].flat(2));
	const showChoices = () => {
		const {effects, template} = methodOf();
		const old = action.value;
		action.replaceChildren(...optionsOf(effects.map(name => [name, EFFECTS[name][0]])));
		if (effects.includes(old)) action.value = old;
		showFields();
		const [, pattern] = template?.match(/=(.*?)}/) ?? [, 'projects/*/locations/*/operations/*'];
		const fits = name => new RegExp(`^${pattern.replaceAll('*', '[^/]+')}$`).test(name);
		names.replaceChildren(...optionsOf([...store.resources.keys(), ...store.operations.keys()].filter(fits).slice(0, 500).map(name => [name])));
		resource.value ||= fits(page.filters.resource) ? page.filters.resource : '';
	};
	const refresh = () => {
		try {
			const fault = faultOf(form);
			write(shell, faultCurl(location.origin, fault));
			write(code, faultRust(fault));
		} catch (error) {
			write(shell, error.message);
		}
	};
	method.value = 'GetOperation';
	showChoices();
	refresh();
	method.addEventListener('input', showChoices);
	action.addEventListener('input', showFields);
	form.addEventListener('input', refresh);
}

export function renderFaults({faults}, page) {
	write($('faults-count'), faults.size);
	write($('no-faults'), !faults.size && 'No faults. A fault makes calls fail, hang, or lose their response.');
	keyed($('faults'), [...faults.values()], it => it.name, it => create(it, page), update);
}

/** An effect in a few words, such as `not found for: 3s`. */
function words(fault) {
	const action = effectOf(fault);
	const value = fault[action] ?? {};
	const inner = value.code ? join(' ', codeName(value.code), value.message) : value['@type']?.split(/[./]/).pop() ?? Object.keys(value).join(', ');
	return join(': ', snake(action).replaceAll('_', ' '), typeof value === 'object' ? inner : value);
}

function create(fault, page) {
	const {name, resource, method = ''} = fault;
	const [title, effect] = [method.split('.').pop(), words(fault)];
	const toggle = event => {
		// The switch changes when the stream reports the change.
		event.preventDefault();
		page.act(send('PATCH', name, {disabled: !event.target.checked}));
	};
	return el('li', el('p', el('strong', title), ` ${effect}`), el('p.mono', {title: resource}, tail(resource)),
		el('p.buttons', el('small.used'), el('label', el('input', {type: 'checkbox', role: 'switch', 'aria-label': `${title} ${effect}`, click: toggle}), ' on'),
			button('Delete', () => page.act(send('DELETE', name)), {'aria-label': `Delete ${name}: ${title} ${effect}`})));
}

function update(row, {used = 0, times = 0, always, disabled}) {
	const text = row.querySelector('.used');
	const limit = always || !Number(times) ? '' : ` of ${times}`;
	write(text, Number(used) ? `used ${used}${limit}` : `⚠ not used yet${limit && `, 0${limit}`}`);
	text.classList.toggle('busy', !Number(used));
	row.toggleAttribute('data-off', Boolean(disabled));
	row.querySelector('input').checked = !disabled;
}
