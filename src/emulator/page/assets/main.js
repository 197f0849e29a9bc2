// The page: connects the state, the parts of the page and the controls.

import {follow, openEvents, post, read, setToken, sleep, takeToken} from './api.js';
import {neighbour, readFilters, renderCalls, writeFilters} from './calls.js';
import {programs} from './copy.js';
import {showDetail} from './detail.js';
import {$, ask, copyable, el, flash, save, scheduler, write} from './dom.js';
import {addFault, field, renderFaults} from './faults.js';
import methods from './methods.json' with {type: 'json'};
import {renderOperations, tickOperations} from './operations.js';
import {Store} from './store.js';
import {CODES, count, join, millis, span, timeOfDay, utc} from './text.js';
import {renderTree} from './tree.js';

/** Time between two polls. */
const POLL = 2000;
/** Time after which a hidden tab closes its stream. Browsers open at most six connections to one host. */
const HIDDEN = 30_000;

const store = new Store();
const root = document.documentElement;
const controls = $('filters').elements;
let open = {};
let close;
let isPolling = false;

const page = {
	methods,
	filters: readFilters(location.search),
	isOpen: (kind, id) => open.kind === kind && open.id === id,
	render: (...names) => render(...names),
	/** Waits for a request. The page changes when the stream or a poll reports the effect. */
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

const jobs = {tree: renderTree, operations: renderOperations, calls: renderCalls, faults: renderFaults, header: renderHeader};
const render = scheduler(jobs, store, page);

function closeDetail() {
	open = {};
	$('detail').hidden = true;
	render('calls', 'operations');
}

function renderHeader({version, clock, settings, resources, operations, calls}) {
	write($('version'), version);
	write($('data'), settings.dataFile?.split(/[\\/]/).pop() ?? 'in memory', settings.dataFile);
	write($('pause'), clock.paused ? 'Resume' : 'Pause');
	const advanced = millis(clock.advanced);
	write($('advanced'), join(' · ', advanced && `+${span(advanced)}`, clock.paused && 'paused'));
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
	if (status !== 401) flash($('problem'), `✖ ${message}`, 10_000);
	else if (!$('dialog').open) askToken();
}

const askToken = () => ask('Admin token of the emulator', field('Token', 'token', '', {type: 'password'}), 'Continue', ({token}) => {
	setToken(token.value);
	return load();
});

function setLive(state, text) {
	$('live').dataset.state = state;
	write($('live'), text);
}

async function load(signal) {
	store.load(await read('state', signal));
	render(...Object.keys(jobs));
	store.loadCalls((await read('calls?view=CALL_VIEW_BASIC', signal)).calls);
	render('calls', 'header');
	tick();
}

/** Reads the state and then its events. Each attempt to open a stream reads the state. */
function connect() {
	close?.();
	let isRead;
	const openStream = async signal => {
		isRead = false;
		await load(signal);
		isRead = true;
		return openEvents(store.revision, signal);
	};
	const on = {
		live() {
			isPolling = false;
			setLive('live', '● live');
		},
		event(data) {
			const changed = store.apply(JSON.parse(data));
			if (changed.includes('stale')) return connect();
			render('header', ...changed);
			if (changed.includes({operation: 'operations', resource: 'tree'}[open.kind])) page.open(open.kind, open.id);
		},
		lost(error, failures) {
			if (error.status) report(error);
			isPolling = isRead && failures > 1;
			if (isPolling) setLive('polling', '◌ polling');
			else setLive('lost', '✖ reconnecting');
		},
	};
	close = follow(openStream, on, ms => sleep(isPolling ? POLL : ms));
}

function showFilters() {
	const {filters} = page;
	for (const control of controls) control.value = filters[control.name];
	$('fold').checked = filters.fold !== 'off';
	$('chosen').hidden = !filters.resource;
	write($('chosen').firstChild, filters.resource);
}

function showSettings() {
	const defaults = {operationTime: '0s', tokens: 'none required', unreachable: 'no location', serviceAccounts: 'any', limits: 'none', dataFile: 'none', adminToken: 'no', tls: 'no'};
	const shown = value => (value === true ? 'yes' : typeof value === 'string' ? value : JSON.stringify(value).replace(/["{}[\]]/g, ''));
	const rows = Object.entries({...defaults, ...store.settings}).map(([name, value]) =>
		el('div', el('dt', name.replace(/[A-Z]/g, char => ` ${char.toLowerCase()}`)), el('dd', shown(value))));
	const shortcuts = el('input', {type: 'checkbox', input: () => localStorage.setItem('shortcuts', shortcuts.checked ? 'on' : 'off')});
	shortcuts.checked = localStorage.getItem('shortcuts') !== 'off';
	ask('Settings', [
		el('p.soft', 'They are set when the emulator starts.'),
		el('dl', {id: 'settings-list'}, rows),
		el('label', shortcuts, ' Shortcuts: ', el('code', '/'), ' filters the calls, ', el('code', 'j'), ' and ', el('code', 'k'), ' open the next and the previous call, ', el('code', 'Esc'), ' closes the detail'),
	]);
}

function askReset() {
	const {resources, operations, faults, calls} = store;
	const counts = [count(resources.size, 'resource'), count(operations.size, 'operation'), count(faults.size, 'fault'), count(calls.length, 'call')];
	ask('Reset the emulator?', el('p', 'This deletes ', el('strong', counts.join(', ')), '. The clock does not change.'), 'Delete all', () => post('reset'));
}

function setTheme(theme) {
	localStorage.setItem('theme', (root.dataset.theme = theme));
	write($('theme'), {system: '◐', light: '☀', dark: '☾'}[theme], `Theme: ${theme}`);
	$('theme').ariaLabel = `Theme: ${theme}`;
}

function setUpControls() {
	const on = (type, listeners) => {
		for (const [id, listener] of Object.entries(listeners)) $(id).addEventListener(type, listener);
	};
	const setFilter = ({target}) => page.setFilters({[target.name]: target.value});
	const setHeld = isHeld => {
		$('hold').ariaPressed = page.isHeld = isHeld;
		render('calls');
	};
	on('click', {
		pause: () => page.act(post(store.clock.paused ? 'clock:resume' : 'clock:pause')),
		clock: ({target: {dataset}}) => dataset.by && page.act(post('clock:advance', dataset)),
		theme: () => setTheme({system: 'light', light: 'dark', dark: 'system'}[root.dataset.theme]),
		settings: showSettings,
		reset: askReset,
		'add-fault': () => addFault(store, page),
		'show-all': () => page.choose(''),
		hold: () => setHeld(!page.isHeld),
		newer() {
			setHeld(false);
			$('calls-scroll').scrollTop = 0;
		},
		clear: () => page.act(post('calls:clear')),
		export: () => page.act(read('calls').then(({calls = []}) => save('calls.ndjson', calls.map(call => `${JSON.stringify(call)}\n`).join('')))),
		'close-detail': closeDetail,
	});
	on('input', {
		find: () => render('tree'),
		filters: setFilter,
		'operations-filter': setFilter,
		fold: ({target}) => page.setFilters({fold: target.checked ? '' : 'off'}),
	});
	on('submit', {filters: event => event.preventDefault()});
	on('scroll', {'calls-scroll': () => render('calls')});
}

function setUpKeyboard() {
	const step = by => {
		const sequence = neighbour(open.kind === 'call' ? open.id : 0, by);
		page.isStepping = true;
		if (sequence) page.open('call', sequence);
	};
	const keys = {'/': () => controls.text.focus(), j: () => step(1), k: () => step(-1), Escape: closeDetail};
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
		if (!document.hidden) return close || connect();
		timer = setTimeout(() => (close = close?.()), HIDDEN);
	});
}

async function useToken() {
	if (!(await takeToken())) return;
	$('dialog').close();
	connect();
}

write($('address'), location.host);
setTheme(root.dataset.theme);
controls.method.append(...methods.map(({name}) => new Option(name)));
controls.code.append(...[...CODES, 'CUT'].map(name => new Option(name)));
setUpControls();
setUpKeyboard();
showFilters();
$('programs').append(...Object.entries(programs(location)).flatMap(([name, text]) => copyable(name, el('pre', {tabindex: 0}, text))));
watchVisibility();
setInterval(tick, 500);
await takeToken().catch(report);
addEventListener('hashchange', () => useToken().catch(report));
connect();
