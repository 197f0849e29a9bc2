// The page: connects the state, the parts of the page and the controls.

import {breathe, follow, openEvents, post, read, setToken, takeToken} from './api.js';
import {neighbour, readFilters, renderCalls, writeFilters} from './calls.js';
import {programs} from './copy.js';
import {showDetail} from './detail.js';
import {$, ask, button, copyText, el, save, scheduler, write} from './dom.js';
import {addFault, field, renderFaults} from './faults.js';
import {renderOperations, tickOperations} from './operations.js';
import {Store} from './store.js';
import {CODES, count, millis, span, timeOfDay, utc} from './text.js';
import {renderTree} from './tree.js';

/** Time between two reads without a stream. */
const POLL = 2000;
/** Time after which a hidden tab closes its stream. Browsers open at most six connections to one host. */
const HIDDEN = 30_000;

const store = new Store();
const root = document.documentElement;
let open = {};
let close;
let isPolling = false;

const page = {
	filters: readFilters(location.search),
	isOpen: (kind, id) => open.kind === kind && open.id === id,
	render: (...names) => render(...names),
	/** Waits for a request. The page changes when the stream reports the effect, not before. */
	act: request => request.then(() => isPolling && load()).catch(report),
	setFilters(changes) {
		Object.assign(page.filters, changes);
		history.replaceState(null, '', location.pathname + writeFilters(page.filters));
		showFilters();
		render('operations', 'calls', 'tree');
	},
	choose(name) {
		const resource = name === page.filters.resource ? '' : name;
		page.setFilters({resource});
		if (store.resources.has(resource)) page.open('resource', resource);
		else closeDetail();
	},
	open(kind, id) {
		open = {kind, id};
		render('calls', 'operations');
		showDetail(store, page, kind, id).catch(report);
	},
};

const parts = {tree: renderTree, operations: renderOperations, calls: renderCalls, faults: renderFaults};
const render = scheduler({header: renderHeader, ...Object.fromEntries(Object.entries(parts).map(([name, job]) => [name, () => job(store, page)]))});

function closeDetail() {
	open = {};
	$('detail').hidden = true;
	render('calls', 'operations');
}

function renderHeader() {
	const {clock, settings, resources, operations, calls} = store;
	write($('version'), store.version);
	write($('data'), settings.dataFile?.split(/[\\/]/).pop() ?? 'in memory', settings.dataFile);
	write($('pause'), clock.paused ? 'Resume' : 'Pause');
	const advanced = millis(clock.advanced);
	write($('advanced'), [advanced && `+${span(advanced)}`, clock.paused && 'paused'].filter(Boolean).join(' · '));
	const isEmpty = !(resources.size + operations.size + calls.length);
	$('start').hidden = !isEmpty;
	$('operations-panel').hidden = $('calls-panel').hidden = isEmpty;
}

function tick() {
	if (!store.clock || document.hidden) return;
	write($('now'), timeOfDay(store.time), utc(store.time));
	write($('uptime'), span(store.uptime));
	tickOperations(store);
}

function report({status, message}) {
	if (status === 401) return void ($('dialog').open || askToken());
	const problem = $('problem');
	write(problem, `✖ ${message}`);
	problem.hidden = false;
	clearTimeout(problem.timer);
	problem.timer = setTimeout(() => (problem.hidden = true), 10_000);
}

const askToken = () => ask('Admin token of the emulator', field('Token', 'token', '', {type: 'password'}), 'Continue', ({token}) => {
	setToken(token.value);
	return load();
});

function setLive(state, text) {
	$('live').dataset.state = state;
	write($('live'), text);
}

async function load() {
	for (const _ of store.load(await read('state'))) await breathe();
	render('header', ...Object.keys(parts));
	store.loadCalls((await read('calls?view=CALL_VIEW_BASIC')).calls);
	render('calls', 'header');
	tick();
}

let loading;
/** Reads the state again, once for all events that require it. */
const reload = () => (loading ??= load().catch(report).finally(() => (loading = undefined)));

function connect() {
	const openStream = async signal => {
		await load();
		return openEvents(store.revision, signal);
	};
	close = follow(openStream, {
		live() {
			isPolling = false;
			setLive('live', '● live');
		},
		event(data) {
			const changed = store.apply(JSON.parse(data));
			if (changed.includes('stale')) return reload();
			render('header', ...changed);
			if (changed.includes({operation: 'operations', resource: 'tree'}[open.kind])) page.open(open.kind, open.id);
		},
		lost(error, failures) {
			if (error.status) report(error);
			setLive('lost', '✖ reconnecting');
			if (failures > 1 && !isPolling) poll();
		},
	});
}

async function poll() {
	isPolling = true;
	while (isPolling && close) {
		await load().then(() => isPolling && setLive('polling', '◌ polling'), () => setLive('lost', '✖ reconnecting'));
		await new Promise(done => setTimeout(done, POLL));
	}
	isPolling = false;
}

function showFilters() {
	const {filters} = page;
	for (const control of $('filters').elements) if (control.value !== filters[control.name]) control.value = filters[control.name];
	$('operations-filter').value = filters.operations;
	$('fold').checked = filters.fold !== 'off';
	$('chosen').hidden = !filters.resource;
	write($('chosen').firstChild, filters.resource);
}

function showSettings() {
	const defaults = {operationTime: '0s', tokens: 'none required', unreachable: 'no location', serviceAccounts: 'any', limits: 'none', dataFile: 'none', adminToken: 'no', tls: 'no'};
	const rows = Object.entries({...defaults, ...store.settings});
	const shown = value => (value === true ? 'yes' : typeof value === 'string' ? value : JSON.stringify(value).replace(/["{}[\]]/g, ''));
	const shortcuts = el('input', {type: 'checkbox', input: () => localStorage.setItem('shortcuts', shortcuts.checked ? 'on' : 'off')});
	shortcuts.checked = localStorage.getItem('shortcuts') !== 'off';
	ask('Settings', [
		el('p.soft', 'They are set when the emulator starts.'),
		el('dl', {id: 'settings-list'}, rows.map(([name, value]) => el('div', el('dt', name.replace(/[A-Z]/g, char => ` ${char.toLowerCase()}`)), el('dd', shown(value))))),
		el('label', shortcuts, ' Shortcuts of this page: ', ['/', 'j', 'k', 'Esc'].flatMap(key => [el('code', key), ' ']), 'filter, next and previous call, close the detail'),
	]);
}

function askReset() {
	const {resources, operations, faults, calls} = store;
	const counts = [[resources.size, 'resource'], [operations.size, 'operation'], [faults.size, 'fault'], [calls.length, 'call']];
	ask('Reset the emulator?', el('p', 'This deletes ', el('strong', counts.map(it => count(...it)).join(', ')), '. The clock does not change.'), 'Delete all', () => post('reset'));
}

function setTheme(theme) {
	localStorage.setItem('theme', (root.dataset.theme = theme));
	write($('theme'), {system: '◐', light: '☀', dark: '☾'}[theme], `Theme: ${theme}`);
	$('theme').ariaLabel = `Theme: ${theme}`;
}

function setUpControls() {
	const on = (id, type, listener) => $(id).addEventListener(type, listener);
	const clicks = {
		pause: () => page.act(post(store.clock.paused ? 'clock:resume' : 'clock:pause')),
		clock: ({target: {dataset}}) => dataset.by && page.act(post('clock:advance', dataset)),
		theme: () => setTheme({system: 'light', light: 'dark', dark: 'system'}[root.dataset.theme]),
		settings: showSettings,
		reset: askReset,
		'add-fault': () => addFault(store, page),
		'show-all': () => page.choose(''),
		hold() {
			page.isHeld = !page.isHeld;
			$('hold').ariaPressed = page.isHeld;
			render('calls');
		},
		newer() {
			if (page.isHeld) clicks.hold();
			$('calls-scroll').scrollTop = 0;
		},
		clear: () => page.act(post('calls:clear')),
		export: () => page.act(read('calls').then(({calls = []}) => save('calls.ndjson', calls.map(call => `${JSON.stringify(call)}\n`).join('')))),
		'close-detail': closeDetail,
	};
	for (const [id, listener] of Object.entries(clicks)) on(id, 'click', listener);
	on('find', 'input', () => render('tree'));
	on('filters', 'input', ({target}) => page.setFilters({[target.name]: target.value}));
	on('filters', 'submit', event => event.preventDefault());
	on('operations-filter', 'input', ({target}) => page.setFilters({operations: target.value}));
	on('fold', 'input', ({target}) => page.setFilters({fold: target.checked ? '' : 'off'}));
	on('calls-scroll', 'scroll', () => render('calls'));
}

function setUpKeyboard() {
	const step = by => {
		const sequence = neighbour(open.kind === 'call' ? open.id : 0, by);
		page.isStepping = true;
		if (sequence) page.open('call', sequence);
	};
	const keys = {'/': () => $('filters').elements.text.focus(), j: () => step(1), k: () => step(-1), Escape: closeDetail};
	document.addEventListener('keydown', event => {
		const {key, target, ctrlKey, metaKey, altKey} = event;
		const isTyping = target.matches('input, select, textarea') && key !== 'Escape';
		if (!keys[key] || isTyping || ctrlKey || metaKey || altKey || $('dialog').open || localStorage.getItem('shortcuts') === 'off') return;
		event.preventDefault();
		keys[key]();
	});
}

function watchVisibility() {
	let timer;
	document.addEventListener('visibilitychange', () => {
		clearTimeout(timer);
		if (!document.hidden) return close ?? connect();
		timer = setTimeout(() => (close = close?.()), HIDDEN);
	});
}

takeToken();
write($('address'), location.host);
setTheme(root.dataset.theme);
page.methods = await read('ui/methods.json');
const {method, code} = $('filters').elements;
method.append(...page.methods.map(({name}) => el('option', name)));
code.append(...[...CODES, 'CUT'].map(name => el('option', name)));
setUpControls();
setUpKeyboard();
showFilters();
$('programs').append(...Object.entries(programs(location)).flatMap(([name, text]) => [
	el('h3', name, button('Copy', () => copyText(text), {'aria-label': `Copy ${name}`})), el('pre', {tabindex: 0}, text)]));
watchVisibility();
setInterval(tick, 500);
connect();
