// The list of faults, and the form that adds one.

import * as api from './api.js';
import { quote } from './copy.js';
import { ask, button, byId, copyText, el, keyed, write } from './dom.js';
import { CODES, codeName, millis, tail } from './text.js';

const label = (text, control) => el('label', {}, text, control);
const input = (name, value = '', attributes) => el('input', { name, value, autocomplete: 'off', ...attributes });
const select = (name, options) => el('select', { name }, options.map(([value, text]) => el('option', { value }, text)));
const lines = (name) => el('textarea', { name, rows: 2, spellcheck: 'false' });

/** Returns the fields of a status. `first` is the option without an error. */
export function codes(first) {
  const options = CODES.map((name, code) => [code, name]).slice(1);
  const code = select('code', first ? [['', first], ...options] : options);
  if (!first) code.value = 14;
  return [label('Code', code), label('Message', input('message', 'injected on the page'))];
}

const time = () => [label('Duration', input('time', '3s')), el('p', { class: 'soft' }, 'It is real time: advancing the clock does not shorten a delay.')];
const status = (field) => ({ code: Number(field('code')), message: field('message') });
const pairs = (text, names) => text.split('\n').filter((line) => line.trim()).map((line) => {
  const [, first, rest] = line.trim().match(/^(\S+)\s*(.*)$/);
  return { [names[0]]: first, [names[1]]: rest };
});

/** Returns a plan, without the members that are not set. */
function plan(field) {
  const cancel = field('cancel');
  const all = {
    takes: field('takes'),
    forgottenAfter: field('forgotten'),
    fails: field('code') && status(field),
    progress: pairs(field('progress'), ['after', 'message']),
    diagnostics: pairs(field('diagnostics'), ['location', 'message']),
    [cancel]: cancel && ({ cancelledAfter: '5s', cancelFails: { code: 9, message: 'injected on the page' } }[cancel] ?? {}),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => (Array.isArray(value) ? value.length : value)));
}

const string = (text = '') => JSON.stringify(text).replace(/\\u(....)/g, '\\u{$1}');
const rustTime = (text) => `Duration::from_millis(${Math.round(millis(text))})`;
const rustStatus = ({ code, message }) => `Status::${codeName(code).toLowerCase()}(${string(message)})`;
const rustPlan = (it) => [
  'OperationPlan::default()',
  it.takes && `takes(${rustTime(it.takes)})`,
  it.forgottenAfter && `forgotten_after(${rustTime(it.forgottenAfter)})`,
  it.fails && `fails(${rustStatus(it.fails)})`,
  ...(it.progress ?? []).map(({ after, message }) => `progress(${rustTime(after)}, ${string(message)})`),
  ...(it.diagnostics ?? []).map(({ location, message }) => `diagnostic(${string(location)}, ${string(message)})`),
  it.cancelledAfter && `cancel_behavior(CancelBehavior::HonouredAfter(${rustTime(it.cancelledAfter)}))`,
  it.cancelIgnored && 'cancel_behavior(CancelBehavior::Ignored)',
  it.cancelFails && `cancel_behavior(CancelBehavior::Fails(${rustStatus(it.cancelFails)}))`,
  it.cancelUnimplemented && 'cancel_behavior(CancelBehavior::Unimplemented)',
].filter(Boolean).join('\n        .');

/** The effects by member: label and fields of the form, value of the member, text in the list, and Rust code. */
const EFFECTS = {
  fail: ['Fail with a status', codes, status, (it) => `fails with ${codeName(it.code)}`, (it) => `fail(${rustStatus(it)})`],
  delay: ['Delay the call', time, (field) => field('time'), (it) => `is delayed by ${it}`, (it) => `delay(${rustTime(it)})`],
  dropConnection: ['Drop the connection, and do not process the call', () => [], () => ({}), () => 'loses its connection', () => 'drop_connection()'],
  loseResponse: ['Process the call, and lose the response', () => [], () => ({}), () => 'loses its response', () => 'lose_response()'],
  stale: ['Respond with the state before the last change', () => [], () => ({}), () => 'reads an old state', () => 'stale()'],
  notFoundFor: ['NOT_FOUND shortly after a create', time, (field) => field('time'), (it) => `is NOT_FOUND for ${it} after a create`, (it) => `not_found_for(${rustTime(it)})`],
  html: ['Respond with an HTML page, as a proxy', () => [label('HTTP status', input('http', 502, { type: 'number' }))], (field) => Number(field('http')), (it) => `gets an HTML page with ${it}`, (it) => `html(StatusCode::from_u16(${it})?)`],
  respond: ['Respond with a message', () => [label('JSON with @type', lines('json'))], (field) => JSON.parse(field('json') || '{"@type": "type.googleapis.com/google.longrunning.Operation"}'), (it) => `gets ${it['@type']?.split(/[./]/).pop()}`, () => 'respond(&message)'],
  operation: ['Plan the operation that the call starts', () => [
    label('Running time', input('takes', '', { placeholder: '30s' })), label('NOT_FOUND after', input('forgotten', '', { placeholder: 'never' })),
    ...codes('none, it succeeds'),
    label('Progress, such as 2s rolling out, a line each', lines('progress')),
    label('Diagnostics, such as openapi.yaml:7 message, a line each', lines('diagnostics')),
    label('A cancel', select('cancel', [['', 'ends it at once'], ['cancelledAfter', 'ends it after 5s'], ['cancelIgnored', 'is ignored'], ['cancelFails', 'ends it with an error'], ['cancelUnimplemented', 'is UNIMPLEMENTED']])),
  ], plan, (it) => `plans its operation: ${Object.keys(it).join(', ')}`, (it) => `operation(\n        ${rustPlan(it)},\n    )`],
};

const effectOf = (fault) => Object.keys(EFFECTS).find((name) => fault[name] !== undefined);

/** Returns the fault of the form. Throws an error if its JSON is invalid. */
function faultOf(elements) {
  const field = (name) => elements[name].value.trim();
  const action = field('action');
  const limit = field('times') === 'always' ? { always: true } : { times: Number(field('times')) };
  return { method: field('method'), ...(field('resource') && { resource: field('resource') }), ...limit, [action]: EFFECTS[action][2](field) };
}

/** Returns the Rust code that sets a fault on an emulator in the same process. */
export function faultRust(fault) {
  const action = effectOf(fault);
  const method = fault.method.replace(/(?<=.)([A-Z])/g, '_$1').toUpperCase();
  const limit = fault.always ? 'always()' : fault.times > 1 && `times(${fault.times})`;
  return `${[`emulator.on(Method::${method})`, fault.resource && `named(${string(fault.resource)})`, limit, EFFECTS[action][4](fault[action])].filter(Boolean).join('\n    .')};`;
}

export const faultCurl = (origin, fault) => `curl --json ${quote(JSON.stringify(fault))} ${quote(`${origin}/emulator/v1/faults`)}`;

/** Shows the form, and beside it the shell command and the Rust code that set the same fault. */
export function addFault(store, page) {
  const fields = el('fieldset');
  const shell = el('pre', { tabindex: 0 });
  const rust = el('pre', { tabindex: 0 });
  const names = [...store.resources.keys(), ...store.operations.keys()].slice(0, 500);
  const method = select('method', page.methods.map(({ name }) => [name, name]));
  const action = select('action', Object.entries(EFFECTS).map(([name, [text]]) => [name, text]));
  const showFields = () => fields.replaceChildren(...EFFECTS[action.value][1]());
  method.value = 'GetOperation';
  const form = ask('Add a fault', el('div', { class: 'two' },
    el('div', {},
      label('Method', method),
      label('Resource; all calls of the method if empty', input('resource', page.filters.resource, { list: 'names' })), el('datalist', { id: 'names' }, names.map((value) => el('option', { value }))),
      label('Number of calls, or always', input('times', 1, { list: 'limits', pattern: '[1-9][0-9]*|always' })), el('datalist', { id: 'limits' }, ['1', '2', '3', 'always'].map((value) => el('option', { value }))),
      label('Effect', action), fields),
    el('div', {}, el('h3', {}, 'The same from a shell ', button('Copy', () => copyText(shell.textContent))), shell, el('h3', {}, 'The same in Rust ', button('Copy', () => copyText(rust.textContent))), rust)),
  'Add fault', (elements) => api.createFault(faultOf(elements)));
  const refresh = () => {
    fields.hidden = !fields.firstChild;
    try {
      const fault = faultOf(form.elements);
      write(shell, faultCurl(location.origin, fault));
      write(rust, faultRust(fault));
    } catch (error) {
      write(shell, error.message);
    }
  };
  showFields();
  action.addEventListener('input', showFields);
  form.addEventListener('input', refresh);
  refresh();
}

const methodOf = (fault) => (fault.method ?? '').split('.').pop();

export function renderFaults(store, page) {
  const faults = [...store.faults.values()];
  write(byId('faults-count'), String(faults.length || ''));
  byId('no-faults').hidden = faults.length > 0;
  if (!keyed(byId('faults'), faults, (it) => it.name, (it) => create(it, page), update)) page.render('faults');
}

function create(fault, page) {
  const { name, resource } = fault;
  const action = effectOf(fault);
  const effect = action ? EFFECTS[action][3](fault[action]) : '';
  const toggle = (event) => {
    // The switch changes when the stream reports the change.
    event.preventDefault();
    page.act(api.setFault(name, !event.target.checked));
  };
  return el('li', {},
    el('p', {}, el('strong', {}, methodOf(fault)), ` ${effect}`),
    el('p', { class: 'mono', title: resource }, tail(resource)),
    el('p', { class: 'buttons' }, el('small', { class: 'used' }), el('label', {}, el('input', { type: 'checkbox', role: 'switch', 'aria-label': `${methodOf(fault)} ${effect}`, click: toggle }), ' on'),
      button('Delete', () => page.act(api.deleteFault(name)), { 'aria-label': `Delete ${name}: ${methodOf(fault)} ${effect}` })));
}

function update(row, { used = 0, times = 0, always, disabled }) {
  const text = row.querySelector('.used');
  const limit = always || !Number(times) ? '' : ` of ${times}`;
  write(text, Number(used) ? `used ${used}${limit}` : `⚠ not used yet${limit && `, 0${limit}`}`);
  text.classList.toggle('busy', !Number(used));
  row.toggleAttribute('data-off', Boolean(disabled));
  row.querySelector('input').checked = !disabled;
}
