// The detail of a call, an operation or a resource: tabs of text, and the commands that repeat it.

import {read} from './api.js';
import {apigw, curl, grpcurl} from './copy.js';
import {$, button, copyText, el, save, set, write} from './dom.js';
import {titleOf} from './operations.js';
import {bytes, decoded, parts, shortName, size, span, timeOfDay, utc} from './text.js';

/** Maximum length of a text that is shown at once. A longer text is shown after a click. */
const LARGE = 256 << 10;

const GETS = {apis: 'GetApi', configs: 'GetApiConfig', gateways: 'GetGateway', operations: 'GetOperation'};

const none = text => el('p.soft', text);
const pretty = value => JSON.stringify(value, null, 2);

function block(text) {
	const show = () => el('pre', text);
	return text.length <= LARGE ? show() : button(`Show ${size(text.length)}`, event => event.target.replaceWith(show()));
}

/** A table of pairs. The first cell may be a time. */
const table = rows => el('table.pairs', el('tbody', rows.filter(Boolean).map(([first, text]) => {
	const isTime = typeof first === 'number';
	return el('tr', el('th', {scope: 'row', title: isTime && utc(first)}, isTime ? timeOfDay(first) : first), el('td', text));
})));

async function ofCall(store, sequence) {
	const {calls: [call = {}] = []} = await read(`calls?after=${sequence - 1}&pageSize=${Number(sequence > 1)}`);
	const row = store.calls.find(it => it.sequence === sequence);
	if (Number(call.sequence) !== sequence || !row) return {title: `Call ${sequence}`, tabs: {Request: () => none('The emulator no longer keeps this call.')}};
	const {request, response, status, headers = {}, protocol = '', peer = '', requestBytes = 0, responseBytes = 0} = call;
	const {method, at, via, code, fault, latency} = row;
	const message = (value, length) => (value ? block(pretty(value)) : none(Number(length) ? `The message of ${size(Number(length))} was not kept.` : 'There is no message.'));
	return {
		title: `Call ${sequence} · ${method}`,
		method,
		request: request ?? {},
		json: call,
		tabs: {
			Request: () => message(request, requestBytes),
			Response: () => message(status?.code ? status : response, responseBytes),
			Headers: () => table(Object.entries(headers).sort()),
			Timeline: () => table([
				[at, `arrived over ${via} and ${protocol.replace('_', '/')}, peer ${peer.toLowerCase()}, ${size(Number(requestBytes))}`],
				fault && [at, `${fault} was applied`],
				latency === undefined ? ['', 'in progress']
					: [at + latency, `${code === 'CUT' ? 'the connection was closed' : `ended with ${code}`} after ${span(latency)}, ${size(Number(responseBytes))}`],
			]),
		},
	};
}

/** The detail of a message, with its text in one tab. */
const ofMessage = (title, tab, json, tabs) => ({title, json, tabs: {[tab]: () => block(pretty(json)), ...tabs}});

function ofOperation(store, name) {
	const operation = store.operations.get(name);
	return operation && ofMessage(titleOf(operation), 'Operation', operation.value);
}

async function filesOf(name) {
	const {files = []} = await read(`${encodeURI(name)}:files`);
	return files.map(({path = '', contents = ''}, index) => {
		const content = bytes(contents);
		const text = decoded(content);
		return el('details', {open: index === 0}, el('summary', `${path} · ${size(content.length)}`),
			button('Save', () => save(path.split('/').pop(), content)), text === undefined ? none('The file is not text.') : block(text));
	});
}

function ofResource(store, name) {
	const {kind, value} = store.resources.get(name) ?? {};
	return value && ofMessage(`${kind} ${shortName(name)}`, 'Resource', value, kind === 'config' && {Files: () => filesOf(name)});
}

let shown = {};

/** Shows a detail. If the same detail is already shown, its tabs are kept. */
export async function showDetail(store, page, kind, id) {
	const found = await {call: ofCall, operation: ofOperation, resource: ofResource}[kind](store, id);
	if (!page.isOpen(kind, id)) return;
	$('detail').hidden = !found;
	if (!found) return;
	const names = Object.keys(found.tabs);
	const isSame = shown.id === id && shown.names.join() === names.join();
	shown = {...found, id, names, tab: names.includes(shown.tab) ? shown.tab : names[0]};
	write($('detail-title'), found.title);
	if (!isSame) {
		$('tabs').replaceChildren(...names.map(name => button(name, () => showTab(name), {role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel', keydown: moveTab})));
		showCopies(page, {method: GETS[parts(String(id)).kind], request: {name: id}, ...found});
	}
	await showTab(shown.tab);
}

async function showTab(name) {
	shown.tab = name;
	for (const tab of $('tabs').children) {
		const isShown = tab.textContent === name;
		tab.ariaSelected = isShown;
		tab.tabIndex = isShown ? 0 : -1;
	}
	set($('panel'), 'aria-labelledby', `tab-${name}`);
	const content = await Promise.resolve(shown.tabs[name]()).catch(error => none(error.message));
	$('panel').replaceChildren(...[content].flat());
}

function moveTab({key, target}) {
	const next = {ArrowRight: target.nextSibling, ArrowLeft: target.previousSibling}[key];
	next?.click();
	next?.focus();
}

function showCopies({methods}, {method: name, request, json}) {
	const method = methods.find(it => it.name === name);
	const texts = {...(method && {apigw, curl, grpcurl}), ...(json && {JSON: () => pretty(shown.json)})};
	const copies = Object.entries(texts).map(([label, of]) => {
		const text = () => of(location.origin, method, request);
		return text() && button(label, () => copyText(text()), {title: text().slice(0, 500)});
	});
	$('copies').replaceChildren(el('small', 'Copy as'), ...copies.filter(Boolean));
}
