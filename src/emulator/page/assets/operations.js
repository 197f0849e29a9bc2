// The list of operations: progress, outcome, and the buttons that end one.

import * as api from './api.js';
import { ask, button, byId, el, keyed, set, write } from './dom.js';
import { codes } from './faults.js';
import { isWithin } from './fold.js';
import { codeName, minutes, parts, shortName, span, timeOfDay, utc } from './text.js';

/** Number of operations that are shown. */
const MOST = 200;
const STATES = { running: ['◐', 'busy'], done: ['✔', 'good'], failed: ['✖', 'bad'], cancelled: ['⊘', ''] };

/** Returns the progress or the outcome of an operation in one line. */
export function outcome({ state, error, message, diagnostics, isCancelling }) {
  const [first, ...rest] = diagnostics.map((it) => `${it.location ?? ''} ${it.message ?? ''}`);
  const words = state === 'running' ? [message, isCancelling && 'cancellation requested'] : [error && codeName(error.code), first ?? error?.message, rest.length && `${rest.length} more`];
  return words.filter(Boolean).join(' · ');
}

export const titleOf = ({ verb, target, name }) => `${verb} ${parts(target).kind.replace(/s$/, '')} ${shortName(target ?? name)}`;

export function renderOperations(store, page) {
  const { operations, resource } = page.filters;
  const all = store.listOperations();
  const running = all.filter((it) => it.state === 'running').length;
  write(byId('operations-count'), all.length ? `${running} running · ${all.length - running} done` : '');
  const shown = all.filter(({ state, target }) => (!operations || state === operations) && isWithin(target, resource));
  byId('no-operations').hidden = shown.length > 0;
  const isDone = keyed(byId('operations'), shown.slice(0, MOST), (it) => it.name, (it) => create(it.name, page), (row, it) => update(row, it, store, page));
  if (!isDone) page.render('operations');
}

function create(name, page) {
  const fail = () => ask('End the operation with an error', [el('p', { class: 'mono' }, name), ...codes()], 'End with this error',
    ({ code, message }) => api.finish(name, { code: Number(code.value), message: message.value }));
  return el('li', {},
    button([el('span'), el('span', { class: 'clip' }), el('small')], () => page.open('operation', name), { class: 'plain', title: name }),
    el('small', { class: 'elapsed' }), el('progress', { max: 1, 'aria-label': 'Elapsed time' }), el('small'),
    el('span', { class: 'buttons' },
      button('Finish', () => page.act(api.finish(name))), button('Fail…', fail),
      button('Cancel', () => page.act(api.finish(name, { code: 1, message: 'cancelled on the page' })))));
}

function update(row, operation, store, page) {
  const [title, elapsed, progress, text, buttons] = row.children;
  const { state, start, end, name } = operation;
  const [symbol, color] = STATES[state];
  row.operation = operation;
  set(title, 'aria-current', page.isOpen('operation', name) && 'true');
  const [mark, what, where] = title.children;
  write(mark, symbol);
  mark.className = color;
  write(what, titleOf(operation));
  write(where, parts(name).locations);
  progress.hidden = buttons.hidden = state !== 'running';
  const line = outcome(operation);
  write(text, line, line);
  text.className = `outcome clip ${color}`;
  if (state === 'running') tick(row, store);
  else write(elapsed, `${state} · ${span(end - start)}`, `${timeOfDay(start)} to ${timeOfDay(end)}; ${utc(start)}`);
}

/** Writes the elapsed time of a running operation. */
function tick(row, store) {
  const { start, end } = row.operation;
  const [, elapsed, progress] = row.children;
  const passed = Math.max(0, store.time - start);
  write(elapsed, `${minutes(passed)} / ~${minutes(end - start)}`);
  progress.value = Math.min(1, passed / (end - start)) || 0;
}

export function tickOperations(store) {
  for (const row of byId('operations').children) if (row.operation.state === 'running') tick(row, store);
}
