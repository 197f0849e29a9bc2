// The state of the emulator as the page knows it: one read of the state, and the events after it. No DOM.

import { codeName, millis, parts } from './text.js';

/** Numbers of calls and ended operations that are kept. */
const MAX_CALLS = 1000;
const MAX_DONE = 200;

/** Number of resources that are handled in one step. */
export const STEP = 500;

const KINDS = { api: 'api', apiConfig: 'config', gateway: 'gateway' };

const toResource = (kind, value) => ({ name: value.name, kind: KINDS[kind], value, state: value.state ?? 'UNKNOWN', at: parts(value.name) });

/** Returns a call as the table shows it. */
export function toCall({ sequence, method = '', resource = '', transport = '', status, cut, htmlStatus, fault, startTime, latency }) {
  let code = status ? codeName(status.code) : '';
  if (cut) code = 'CUT';
  if (htmlStatus) code = `HTTP ${htmlStatus}`;
  return {
    sequence: Number(sequence),
    method: method.split('.').pop(),
    resource,
    via: transport,
    code,
    message: status?.message,
    fault,
    at: Date.parse(startTime),
    took: latency && millis(latency),
  };
}

/** Returns an operation as the list shows it. */
export function toOperation({ operation, startTime, endTime }) {
  const { name, done, error, metadata = {} } = operation;
  const { verb = '', target, statusMessage, diagnostics = [], requestedCancellation } = metadata;
  const state = !done ? 'running' : !error ? 'done' : error.code === 1 ? 'cancelled' : 'failed';
  return { name, value: operation, state, error, verb, target, message: statusMessage, diagnostics, isCancelling: requestedCancellation, start: Date.parse(startTime), end: Date.parse(endTime) };
}

export class Store {
  resources = new Map();
  operations = new Map();
  faults = new Map();
  calls = [];
  settings = {};
  clock = {};
  version = '';
  revision = 0;
  /** Number of changes of the resources. */
  changes = 0;
  isLoaded = false;

  /** `now` returns the time of a monotonic clock, in milliseconds. */
  constructor(now = () => performance.now()) {
    this.now = now;
  }

  /** Replaces the state, in steps that are short even for thousands of resources. */
  *load(state) {
    const resources = new Map();
    for (const kind of Object.keys(KINDS)) {
      for (const value of state[`${kind}s`] ?? []) {
        resources.set(value.name, toResource(kind, value));
        if (resources.size % STEP === 0) yield;
      }
    }
    this.resources = resources;
    this.revision = Number(state.revision ?? 0);
    this.version = state.version;
    this.settings = state.settings ?? {};
    this.setClock(state.clock);
    this.changes += 1;
    // The oldest operation is the first one of the map.
    const operations = (state.operations ?? []).map(toOperation).sort((a, b) => a.start - b.start);
    this.operations = new Map(operations.map((operation) => [operation.name, operation]));
    this.faults = new Map((state.faults ?? []).map((fault) => [fault.name, fault]));
    this.isLoaded = true;
  }

  loadCalls(calls = []) {
    this.calls = calls.map(toCall);
  }

  setClock(clock = {}) {
    this.clock = clock;
    this.readAt = this.now();
  }

  /** The time of the emulator's clock. */
  get time() {
    return Date.parse(this.clock.time) + (this.clock.paused ? 0 : this.now() - this.readAt);
  }

  get uptime() {
    return millis(this.clock.uptime) + this.now() - this.readAt;
  }

  /** Applies an event. Returns the parts that have changed, or `['stale']` if the state must be read again. */
  apply({ number, call, resource, operation, fault, clock, reset, lost, callsCleared }) {
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

  /** Adds a call in the order of arrival. Calls end in another order. */
  addCall(call) {
    let at = this.calls.length;
    while (at > 0 && this.calls[at - 1].sequence > call.sequence) at -= 1;
    const isKnown = this.calls[at - 1]?.sequence === call.sequence;
    this.calls.splice(isKnown ? at - 1 : at, isKnown ? 1 : 0, call);
    if (this.calls.length > MAX_CALLS) this.calls.shift();
  }

  changeResource({ name, is }) {
    this.changes += 1;
    const kind = Object.keys(KINDS).find((it) => is?.[it]);
    if (kind) this.resources.set(name, toResource(kind, is[kind]));
    else this.resources.delete(name);
  }

  changeOperation(change) {
    const operation = toOperation(change);
    if (change.deleted) this.operations.delete(operation.name);
    else this.operations.set(operation.name, operation);
    const done = [...this.operations.values()].filter((it) => it.state !== 'running');
    for (const { name } of done.slice(0, -MAX_DONE)) this.operations.delete(name);
  }

  /** Returns the operations: the running ones before the others, and within both groups the newest first. */
  listOperations() {
    const all = [...this.operations.values()].reverse();
    return [...all.filter((it) => it.state === 'running'), ...all.filter((it) => it.state !== 'running')];
  }
}
