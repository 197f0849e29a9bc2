// The page: connects the state, the parts of the page and the controls.

import * as api from './api.js';
import { growCalls, neighbour, renderCalls } from './calls.js';
import { showDetail } from './detail.js';
import { ask, button, byId, copyText, el, save, scheduler, write } from './dom.js';
import { follow } from './events.js';
import { addFault, renderFaults } from './faults.js';
import { readFilters, writeFilters } from './fold.js';
import { renderOperations, tickOperations } from './operations.js';
import { Store } from './store.js';
import { CODES, count, millis, span, timeOfDay, utc } from './text.js';
import { renderTree } from './tree.js';

/** Time between two reads of the state while the stream is broken. */
const POLL = 2000;
/** Time after which a hidden tab closes its stream. Browsers open at most six connections to one host. */
const HIDDEN = 30_000;

const store = new Store();
let open = {};
let close;
let isPolling = false;

const page = {
  methods: [],
  filters: readFilters(location.search),
  isHeld: false,
  isOpen: (kind, id) => open.kind === kind && open.id === id,
  render: (...names) => render(...names),
  /** Waits for a request. The page changes when the stream reports the effect, not before. */
  act: (request) => request.then(() => isPolling && load()).catch(report),
  setFilters(changes) {
    Object.assign(page.filters, changes);
    history.replaceState(null, '', location.pathname + writeFilters(page.filters));
    showFilters();
    render('operations', 'calls', 'tree');
  },
  choose(name) {
    const resource = name === page.filters.resource ? '' : name;
    page.setFilters({ resource });
    if (store.resources.has(resource)) page.open('resource', resource);
    else closeDetail();
  },
  open(kind, id) {
    open = { kind, id };
    render('calls', 'operations');
    return showDetail(store, page, kind, id).catch(report);
  },
};

const render = scheduler({
  header: renderHeader,
  tree: () => renderTree(store, page),
  operations: () => renderOperations(store, page),
  calls: () => renderCalls(store, page),
  faults: () => renderFaults(store, page),
});

function closeDetail() {
  open = {};
  byId('detail').hidden = true;
  render('calls', 'operations');
}

function renderHeader() {
  const { clock, settings } = store;
  write(byId('version'), store.version);
  write(byId('data'), settings.dataFile?.split(/[\\/]/).pop() ?? 'in memory', settings.dataFile);
  write(byId('pause'), clock.paused ? 'Resume' : 'Pause');
  const advanced = millis(clock.advanced);
  write(byId('advanced'), [advanced && `+${span(advanced)}`, clock.paused && 'paused'].filter(Boolean).join(' · '));
  const isEmpty = store.isLoaded && !(store.resources.size + store.operations.size + store.calls.length);
  byId('start').hidden = !isEmpty;
  byId('operations-panel').hidden = byId('calls-panel').hidden = isEmpty;
}

/** Updates the texts that depend on the time. */
function tick() {
  if (!store.isLoaded || document.hidden) return;
  write(byId('now'), timeOfDay(store.time), utc(store.time));
  write(byId('uptime'), span(store.uptime));
  tickOperations(store);
}

function report(error) {
  if (error.status === 401) return void (byId('dialog').open || askToken());
  const problem = byId('problem');
  write(problem, `✖ ${error.message}`);
  problem.hidden = false;
  clearTimeout(problem.timer);
  problem.timer = setTimeout(() => (problem.hidden = true), 10_000);
}

function askToken() {
  const field = el('input', { name: 'token', type: 'password', autocomplete: 'off' });
  const text = 'Other machines need the admin token of the emulator. An emulator that generates its token prints an address with it.';
  ask('Admin token', [el('p', {}, text), el('label', {}, 'Token', field)], 'Continue', ({ token }) => {
    api.setToken(token.value);
    return load();
  });
}

function setLive(state, text) {
  byId('live').dataset.state = state;
  write(byId('live'), text);
}

async function load() {
  const state = await api.state();
  for (const _ of store.load(state)) await api.breathe();
  render('header', 'tree', 'operations', 'faults');
  store.loadCalls((await api.calls('BASIC')).calls);
  render('calls', 'header');
  tick();
}

let loading;
/** Reads the state again, once for all events that require it. */
const reload = () => (loading ??= load().catch(report).finally(() => (loading = undefined)));

function connect() {
  const openStream = async (signal) => {
    await load();
    return api.events(store.revision, signal);
  };
  close = follow(openStream, {
    live() {
      isPolling = false;
      setLive('live', 'live');
    },
    event({ data }) {
      const changed = store.apply(JSON.parse(data));
      if (changed.includes('stale')) return reload();
      render('header', ...changed);
      const isOpenChanged = (open.kind === 'operation' && changed.includes('operations')) || (open.kind === 'resource' && changed.includes('tree'));
      if (isOpenChanged) showDetail(store, page, open.kind, open.id).catch(report);
    },
    lost(error, failures) {
      if (error.status >= 400) report(error);
      setLive('lost', 'reconnecting');
      if (failures >= 2) poll();
    },
  });
}

/** Reads the state at intervals until there is a stream. */
async function poll() {
  if (isPolling) return;
  isPolling = true;
  while (isPolling && close) {
    await load().then(() => isPolling && setLive('polling', 'polling'), () => setLive('lost', 'reconnecting'));
    await new Promise((done) => setTimeout(done, POLL));
  }
  isPolling = false;
}

function showFilters() {
  const { filters } = page;
  for (const field of byId('filters').elements) if (field.value !== filters[field.name]) field.value = filters[field.name];
  byId('operations-filter').value = filters.operations;
  byId('fold').checked = filters.fold !== 'off';
  byId('chosen').hidden = !filters.resource;
  write(byId('chosen').firstChild, `Only ${filters.resource}`);
}

function showClients() {
  const { host, hostname, port, origin } = location;
  const clients = {
    Rust: `ApiGateway::builder().endpoint("${origin}").anonymous().build()?`,
    Python: `channel = grpc.insecure_channel("${host}")\nApiGatewayServiceClient(transport=ApiGatewayServiceGrpcTransport(channel=channel))`,
    Node: `new ApiGatewayServiceClient({apiEndpoint: '${hostname}', port: ${port}, sslCreds: grpc.credentials.createInsecure()})`,
    Shell: `export APIGATEWAY_EMULATOR_HOST=${host}\napigw apis create hello --project=demo`,
  };
  byId('clients').replaceChildren(...Object.entries(clients).flatMap(([name, text]) => [
    el('h3', {}, `${name} `, button('Copy', () => copyText(text), { 'aria-label': `Copy ${name}` })), el('pre', { tabindex: 0 }, text)]));
}

/** Returns a value of the settings as text: lists and members in one line. */
function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(', ');
  if (typeof value === 'object') return Object.entries(value).map(([name, inner]) => `${name}: ${shown(inner)}`).join(', ');
  return value === true ? 'yes' : String(value);
}

function showSettings() {
  const defaults = { operationTime: '0s', tokens: 'none required', unreachable: 'no location', serviceAccounts: 'any', limits: 'none', dataFile: 'none', adminToken: 'no', tls: 'no' };
  const rows = Object.entries({ ...defaults, ...store.settings });
  const shortcuts = el('input', { type: 'checkbox', input: (event) => localStorage.setItem('shortcuts', event.target.checked ? 'on' : 'off') });
  shortcuts.checked = localStorage.getItem('shortcuts') !== 'off';
  ask('Settings', [
    el('p', { class: 'soft' }, 'The settings of the emulator. They are set when it starts.'),
    el('dl', { id: 'settings-list' }, rows.map(([name, value]) => el('div', {}, el('dt', {}, name.replace(/[A-Z]/g, (char) => ` ${char.toLowerCase()}`)), el('dd', {}, shown(value))))),
    el('p', {}, el('label', {}, shortcuts, ' Shortcuts of this page: ', ['/', 'j', 'k', 'Esc'].flatMap((key) => [el('kbd', {}, key), ' ']), 'filter, next and previous call, close the detail')),
  ]);
}

function askReset() {
  const { resources, operations, faults, calls } = store;
  const counts = [count(resources.size, 'resource'), count(operations.size, 'operation'), count(faults.size, 'fault'), count(calls.length, 'call')].join(', ');
  ask('Reset the emulator?', el('p', {}, 'This deletes ', el('strong', {}, counts), '. The clock does not change.'), 'Delete all', api.reset);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
  write(byId('theme'), { system: '◐', light: '☀', dark: '☾' }[theme], `Theme: ${theme}`);
  byId('theme').ariaLabel = `Theme: ${theme}`;
}

const SECONDS = { '': 1, s: 1, m: 60, h: 3600 };

function advance(text) {
  const [, number, unit] = text.trim().match(/^(\d+(?:\.\d+)?)([smh]?)$/) ?? [];
  if (number) page.act(api.advance(`${number * SECONDS[unit]}s`));
  else report(new Error(`invalid time “${text}”: must be like 90s, 10m or 2h`));
}

function setUpControls() {
  const on = (id, type, listener) => byId(id).addEventListener(type, listener);
  on('pause', 'click', () => page.act(store.clock.paused ? api.resume() : api.pause()));
  for (const { dataset } of document.querySelectorAll('[data-by]')) on('clock', 'click', ({ target }) => target.dataset === dataset && advance(dataset.by));
  on('clock', 'submit', (event) => {
    event.preventDefault();
    advance(byId('by').value);
  });
  on('theme', 'click', () => setTheme({ system: 'light', light: 'dark', dark: 'system' }[document.documentElement.dataset.theme]));
  on('settings', 'click', showSettings);
  on('reset', 'click', askReset);
  on('add-fault', 'click', () => addFault(store, page));
  on('find', 'input', () => render('tree'));
  on('filters', 'input', ({ target }) => page.setFilters({ [target.name]: target.value }));
  on('filters', 'submit', (event) => event.preventDefault());
  on('operations-filter', 'input', ({ target }) => page.setFilters({ operations: target.value }));
  on('fold', 'input', ({ target }) => page.setFilters({ fold: target.checked ? '' : 'off' }));
  byId('chosen').lastElementChild.addEventListener('click', () => page.choose(''));
  on('hold', 'click', ({ currentTarget }) => {
    page.isHeld = !page.isHeld;
    currentTarget.setAttribute('aria-pressed', page.isHeld);
    render('calls');
  });
  on('newer', 'click', () => {
    if (page.isHeld) byId('hold').click();
    byId('calls-scroll').scrollTop = 0;
  });
  on('calls-scroll', 'scroll', () => growCalls(page));
  on('clear', 'click', () => page.act(api.clearCalls()));
  on('export', 'click', () => page.act(api.calls().then(({ calls = [] }) => save('calls.ndjson', calls.map((call) => `${JSON.stringify(call)}\n`).join('')))));
  on('close-detail', 'click', closeDetail);
}

function setUpKeyboard() {
  const step = (by) => {
    const sequence = neighbour(open.kind === 'call' ? open.id : 0, by);
    page.isStepping = true;
    if (sequence) page.open('call', sequence);
  };
  const keys = { '/': () => byId('filters').elements.text.focus(), j: () => step(1), k: () => step(-1), Escape: closeDetail };
  document.addEventListener('keydown', (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && key !== 'Escape';
    if (!keys[key] || isTyping || ctrlKey || metaKey || altKey || byId('dialog').open || localStorage.getItem('shortcuts') === 'off') return;
    event.preventDefault();
    keys[key]();
  });
}

/** Closes the stream of a tab that is hidden for a while, and opens it when the tab is shown again. */
function watchVisibility() {
  let timer;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) return close ?? connect();
    timer = setTimeout(() => {
      close();
      close = undefined;
    }, HIDDEN);
  });
}

async function start() {
  api.takeToken();
  write(byId('address'), location.host);
  setTheme(document.documentElement.dataset.theme);
  page.methods = await api.methods();
  const { method, code } = byId('filters').elements;
  method.append(...page.methods.map(({ name }) => el('option', {}, name)));
  code.append(...[...CODES, 'CUT'].map((name) => el('option', {}, name)));
  setUpControls();
  setUpKeyboard();
  showFilters();
  showClients();
  watchVisibility();
  setInterval(tick, 500);
  connect();
}

start();
