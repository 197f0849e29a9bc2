// The state of the emulator as the page knows it: one read of the state, and the events after it. No DOM.

import {codeName, millis, parts} from './text.js';

const MAX_CALLS = 1000;
const MAX_DONE = 200;

const KINDS = {api: 'api', apiConfig: 'config', gateway: 'gateway'};

const toResource = (kind, value) => ({name: value.name, kind: KINDS[kind], value, state: value.state ?? 'UNKNOWN', at: parts(value.name)});

export const toCall = ({sequence, method = '', resource = '', transport: via, status, cut, htmlStatus, fault, startTime, latency}) => ({
	sequence: Number(sequence),
	method: method.split('.').pop(),
	resource,
	via,
	code: htmlStatus ? `HTTP ${htmlStatus}` : cut ? 'CUT' : status ? codeName(status.code) : '',
	message: status?.message,
	fault,
	at: Date.parse(startTime),
	latency: latency && millis(latency),
});

export function toOperation({operation, startTime, endTime}) {
	const {name, done, error, metadata = {}} = operation;
	const {verb = '', target, statusMessage: message, diagnostics = [], requestedCancellation: isCancelling} = metadata;
	const state = !done ? 'running' : !error ? 'done' : error.code === 1 ? 'cancelled' : 'failed';
	return {name, value: operation, state, error, verb, target, message, diagnostics, isCancelling, start: Date.parse(startTime), end: Date.parse(endTime)};
}

const byName = (items = []) => new Map(items.map(item => [item.name, item]));

export class Store {
	resources = new Map();
	operations = new Map();
	faults = new Map();
	calls = [];
	settings = {};
	/** Number of changes of the resources. */
	changes = 0;

	constructor(now = () => performance.now()) {
		this.now = now;
	}

	load({revision = 0, version, settings = {}, clock, operations = [], faults, ...state}) {
		const resources = Object.keys(KINDS).flatMap(kind => (state[`${kind}s`] ?? []).map(value => toResource(kind, value)));
		this.changes += 1;
		// The oldest operation is the first one of the map.
		Object.assign(this, {
			version, settings, resources: byName(resources), revision: Number(revision), faults: byName(faults),
			operations: byName(operations.map(toOperation).sort((a, b) => a.start - b.start)),
		});
		this.setClock(clock);
	}

	loadCalls(calls = []) {
		this.calls = calls.map(toCall);
	}

	setClock(clock = {}) {
		this.clock = clock;
		this.readAt = this.now();
	}

	get time() {
		return Date.parse(this.clock.time) + (this.clock.paused ? 0 : this.now() - this.readAt);
	}

	get uptime() {
		return millis(this.clock.uptime) + this.now() - this.readAt;
	}

	/** Applies an event. Returns the names of the changed parts, or only `stale` if the state must be read again. */
	apply({number, call, resource, operation, fault, clock, reset, lost, callsCleared}) {
		if (reset || lost) return ['stale'];
		// The state that was read may be newer than the event.
		if (Number(number) <= this.revision) return [];
		this.revision = Number(number);
		if (call) this.addCall(toCall(call));
		if (resource) this.changeResource(resource);
		if (operation) this.changeOperation(operation);
		if (fault?.removed) this.faults.delete(fault.fault.name);
		else if (fault) this.faults.set(fault.fault.name, fault.fault);
		if (clock) this.setClock(clock);
		if (callsCleared) this.calls = [];
		return [(call || callsCleared) && 'calls', resource && 'tree', operation && 'operations', fault && 'faults'].filter(Boolean);
	}

	/** Adds a call in the order of arrival. */
	addCall(call) {
		const at = this.calls.findLastIndex(it => it.sequence <= call.sequence);
		const isKnown = this.calls[at]?.sequence === call.sequence;
		this.calls.splice(isKnown ? at : at + 1, isKnown, call);
		if (this.calls.length > MAX_CALLS) this.calls.shift();
	}

	changeResource({name, is = {}}) {
		this.changes += 1;
		const [kind] = Object.keys(is);
		if (kind) this.resources.set(name, toResource(kind, is[kind]));
		else this.resources.delete(name);
	}

	changeOperation(change) {
		const operation = toOperation(change);
		if (change.deleted) this.operations.delete(operation.name);
		else this.operations.set(operation.name, operation);
		const done = [...this.operations.values()].filter(it => it.state !== 'running');
		for (const {name} of done.slice(0, -MAX_DONE)) this.operations.delete(name);
	}

	/** The running operations before the others, and the newest first. */
	listOperations() {
		const isRunning = ({state}) => state === 'running';
		return [...this.operations.values()].reverse().sort((a, b) => isRunning(b) - isRunning(a));
	}
}
