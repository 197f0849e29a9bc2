// The table of calls.

import { byId, el, keyed, set, write } from './dom.js';
import { fold, matches } from './fold.js';
import { count, span, tail, timeOfDay, utc } from './text.js';

/** Number of rows that are shown at first, and that scrolling adds. */
const STEP = 100;

let limit = STEP;
let held;
let rows = [];

export function renderCalls(store, page) {
  const { filters } = page;
  // The table stays as it is while it is paused or scrolled down.
  const isHeld = page.isHeld || byId('calls-scroll').scrollTop > 8;
  held = isHeld ? held ?? store.calls.at(-1)?.sequence : Infinity;
  if (!isHeld) held = undefined;
  const old = isHeld ? store.calls.filter((call) => call.sequence <= held) : store.calls;
  const newer = store.calls.length - old.length;
  byId('newer').hidden = !newer;
  write(byId('newer'), `↑ ${count(newer, 'new call')}`);
  const found = old.filter((call) => matches(call, filters, (name) => store.operations.get(name)?.target));
  rows = fold(found, filters.fold !== 'off');
  write(byId('calls-count'), found.length === old.length ? String(found.length || '') : `${found.length} of ${old.length}`);
  write(byId('no-calls'), old.length ? 'No call passes the filters.' : 'No calls yet.');
  byId('no-calls').hidden = rows.length > 0;
  const isDone = keyed(byId('calls'), rows.slice(0, limit), (row) => row.key, () => create(page), (element, row) => update(element, row, page));
  if (!isDone) page.render('calls');
  if (page.isStepping) byId('calls').querySelector('[aria-current] button')?.focus();
  page.isStepping = false;
}

function create(page) {
  const row = el('tr', { click: () => page.open('call', row.sequence) }, el('td', {}, el('button', { type: 'button', class: 'link' })), Array.from({ length: 7 }, () => el('td')));
  return row;
}

function update(element, { first, last, count: times }, page) {
  const [number, time, method, resource, via, status, took, fault] = element.children;
  element.sequence = last.sequence;
  const isOpen = page.isOpen('call', last.sequence);
  set(element, 'aria-current', isOpen && 'true');
  // The Tab key reaches one row only; the keys j and k move between rows.
  number.firstChild.tabIndex = isOpen || !element.previousElementSibling ? 0 : -1;
  write(number.firstChild, String(first.sequence), times > 1 ? `calls ${first.sequence} to ${last.sequence}` : '');
  write(time, timeOfDay(last.at), utc(last.at));
  write(method, times > 1 ? `${last.method} ×${times}` : last.method);
  write(resource, tail(last.resource), last.resource);
  write(via, last.via === 'GRPC' ? 'gRPC' : last.via);
  const [symbol, color] = { OK: ['✔', 'good'], '': ['◐', 'busy'] }[last.code] ?? ['✖', 'bad'];
  write(status, `${symbol} ${last.code || 'in progress'}`, last.message);
  status.className = color;
  write(took, last.took === undefined ? '' : span(last.took));
  write(fault, last.fault?.replace('faults/', '#'));
}

/** Shows more rows when the end of the table comes into view. */
export function growCalls(page) {
  const { scrollTop, clientHeight, scrollHeight } = byId('calls-scroll');
  if (scrollTop < 8) limit = STEP;
  else if (scrollTop + clientHeight > scrollHeight - 600 && limit < rows.length) limit += STEP;
  else if (held) return;
  page.render('calls');
}

/** Returns the call of the row that is `step` rows below the row of a call. */
export function neighbour(sequence, step) {
  const at = rows.findIndex(({ first, last }) => first.sequence <= sequence && sequence <= last.sequence);
  return rows[at < 0 ? 0 : Math.max(0, at + step)]?.last.sequence;
}
