// The rows of the table of calls: filters, and repeated polls as one row. No DOM.

/** The filters in the address of the page. */
const FILTERS = ['method', 'via', 'code', 'text', 'resource', 'operations', 'fold'];

export function readFilters(search) {
  const query = new URLSearchParams(search);
  return Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
}

/** Returns the query string of the filters that are set. */
export function writeFilters(filters) {
  const query = new URLSearchParams(FILTERS.filter((name) => filters[name]).map((name) => [name, filters[name]]));
  return query.size ? `?${query}` : '';
}

/** Returns true if a name is the chosen one or below it. */
export const isWithin = (name = '', chosen) => !chosen || name === chosen || name.startsWith(`${chosen}/`);

/** Returns true if a call passes the filters. `targetOf` returns the resource of an operation. */
export function matches(call, filters, targetOf = () => undefined) {
  const text = filters.text.toLowerCase();
  return (
    (!filters.method || call.method === filters.method) &&
    (!filters.via || call.via === filters.via) &&
    (!filters.code || (filters.code === 'errors' ? call.code && call.code !== 'OK' : call.code === filters.code)) &&
    (isWithin(call.resource, filters.resource) || isWithin(targetOf(call.resource), filters.resource)) &&
    (!text || [call.method, call.resource, call.code, call.message, call.fault].some((it) => it?.toLowerCase().includes(text)))
  );
}

/**
 * Returns the rows of calls, newest first. Reads with the same method, resource, transport, code and fault share a row
 * until the next write. A row stays at the position of its first call, so that concurrent polls do not move rows.
 */
export function fold(calls, isFolding) {
  const rows = [];
  const latest = new Map();
  const used = new Map();
  let write = 0;
  for (const call of calls) {
    const isRead = isFolding && /^(Get|List|Wait)/.test(call.method);
    if (!isRead) write = call.sequence;
    const same = `${write} ${call.method} ${call.resource} ${call.via}`;
    const row = isRead && latest.get(same);
    if (row && row.last.code === call.code && row.last.fault === call.fault) {
      row.last = call;
      row.count += 1;
      continue;
    }
    // The key of a row of reads does not change when its oldest calls are dropped.
    let key = isRead ? `${same} ${call.code} ${call.fault}` : call.sequence;
    const times = used.get(key) ?? 0;
    used.set(key, times + 1);
    if (times) key += ` ${times}`;
    const next = { key, first: call, last: call, count: 1 };
    rows.push(next);
    if (isRead) latest.set(same, next);
  }
  return rows.reverse();
}
