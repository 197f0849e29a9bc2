// The detail of a call, an operation or a resource: tabs of text, and the commands that repeat it.

import * as api from './api.js';
import { apigw, curl, grpcurl } from './copy.js';
import { button, byId, copyText, el, save, write } from './dom.js';
import { outcome, titleOf } from './operations.js';
import { bytes, decoded, parts, shortName, size, span, timeOfDay, utc } from './text.js';

/** Maximum length of a text that is shown at once. A longer text is shown on request. */
const LARGE = 256 << 10;

const GETS = { apis: 'GetApi', configs: 'GetApiConfig', gateways: 'GetGateway', operations: 'GetOperation' };

const none = (text) => el('p', { class: 'soft' }, text);

function block(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  const show = () => el('pre', {}, text);
  return text.length <= LARGE ? show() : button(`Show ${size(text.length)}`, (event) => event.target.replaceWith(show()));
}

/** Returns a table of pairs. The first cell may be a time in milliseconds. */
const table = (rows) => el('table', { class: 'pairs' }, el('tbody', {}, rows.filter(Boolean).map(([first, text]) => {
  const isTime = typeof first === 'number';
  return el('tr', {}, el('th', { scope: 'row', title: isTime && utc(first) }, isTime ? (first ? timeOfDay(first) : '') : first), el('td', {}, text));
})));

async function ofCall(store, sequence) {
  const call = (await api.call(sequence)) ?? {};
  const row = store.calls.find((it) => it.sequence === sequence);
  if (Number(call.sequence) !== sequence || !row) return { title: `Call ${sequence}`, tabs: { Request: () => none('The emulator no longer keeps this call.') } };
  const { request, response, status, headers = {}, protocol = '', peer = '', requestBytes = 0, responseBytes = 0 } = call;
  const message = (value, length) => (value ? block(value) : none(Number(length) ? `The message of ${size(Number(length))} was not kept.` : 'There is no message.'));
  const end = row.code === 'CUT' ? 'the connection was closed' : `ended with ${row.code}`;
  return {
    title: `Call ${sequence} · ${row.method}`,
    method: row.method,
    request: request ?? {},
    json: call,
    tabs: {
      Request: () => message(request, requestBytes),
      Response: () => (status?.code ? block(status) : message(response, responseBytes)),
      Headers: () => table(Object.entries(headers).sort()),
      Timeline: () => table([
        [row.at, `arrived over ${row.via} and ${protocol.replace('_', '/')}, peer ${peer.toLowerCase()}, ${size(Number(requestBytes))}`],
        row.fault && [row.at, `${row.fault} was applied`],
        row.took === undefined ? [0, 'in progress'] : [row.at + row.took, `${end} after ${span(row.took)}, ${size(Number(responseBytes))}`],
      ]),
    },
  };
}

function ofOperation(store, name) {
  const operation = store.operations.get(name);
  if (!operation) return null;
  const { start, end, value, state, message, isCancelling, diagnostics } = operation;
  const calls = store.calls.filter((call) => call.resource === name);
  const last = calls.at(-1);
  return {
    title: titleOf(operation),
    json: value,
    tabs: {
      Operation: () => block(value),
      Timeline: () => table([
        [start, 'started'],
        message && [0, message],
        isCancelling && [0, 'cancellation requested'],
        last && [last.at, `last of ${calls.length} recorded calls: ${last.method}`],
        [end, state === 'running' ? 'planned end' : `${state} ${outcome(operation)}`],
      ]),
      ...(diagnostics.length && { Diagnostics: () => table(diagnostics.map((it) => [it.location ?? '', it.message])) }),
    },
  };
}

async function files(name) {
  const { files: list = [] } = await api.files(name);
  return list.map(({ path = '', contents = '' }, index) => {
    const text = decoded(contents);
    const content = bytes(contents);
    return el('details', { open: index === 0 }, el('summary', {}, `${path} · ${size(content.length)}`),
      button('Save', () => save(path.split('/').pop(), content)), text === null ? none('The file is not text.') : block(text));
  });
}

function ofResource(store, name) {
  const { kind, value } = store.resources.get(name) ?? {};
  return value && { title: `${kind} ${shortName(name)}`, json: value, tabs: { Resource: () => block(value), ...(kind === 'config' && { Files: () => files(name) }) } };
}

let shown = {};

/** Shows a detail. If it is shown already, its tabs stay and their content is written again. */
export async function showDetail(store, page, kind, id) {
  const found = await { call: ofCall, operation: ofOperation, resource: ofResource }[kind](store, id);
  if (!page.isOpen(kind, id)) return;
  byId('detail').hidden = !found;
  if (!found) return;
  const names = Object.keys(found.tabs);
  const isSame = shown.id === id && shown.names.join() === names.join();
  const tab = names.includes(shown.tab) ? shown.tab : names[0];
  shown = { id, names, tab, tabs: found.tabs };
  write(byId('detail-title'), found.title);
  if (!isSame) {
    byId('tabs').replaceChildren(...names.map((name) => button(name, () => showTab(name), { role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel', keydown: moveTab })));
    showCopies(page, { method: GETS[parts(String(id)).kind], request: { name: id }, ...found });
  }
  await showTab(tab);
}

async function showTab(name) {
  shown.tab = name;
  for (const tab of byId('tabs').children) {
    tab.setAttribute('aria-selected', tab.textContent === name);
    tab.tabIndex = tab.textContent === name ? 0 : -1;
  }
  byId('panel').setAttribute('aria-labelledby', `tab-${name}`);
  const content = await Promise.resolve(shown.tabs[name]()).catch((error) => none(error.message));
  byId('panel').replaceChildren(...[content].flat());
}

function moveTab({ key, target }) {
  const next = { ArrowRight: target.nextSibling, ArrowLeft: target.previousSibling }[key];
  next?.click();
  next?.focus();
}

function showCopies({ methods }, { method: name, request, json }) {
  const method = methods.find((it) => it.name === name);
  const { origin } = location;
  const texts = { ...(method && { apigw: apigw(origin, method, request), curl: curl(origin, method, request), grpcurl: grpcurl(origin, method, request) }), JSON: json && JSON.stringify(json, null, 2) };
  const buttons = Object.entries(texts).filter(([, text]) => text).map(([label, text]) => button(label, () => copyText(text), { title: text.slice(0, 500) }));
  byId('copies').replaceChildren(...(buttons.length ? [el('small', {}, 'Copy as'), ...buttons] : []));
}
