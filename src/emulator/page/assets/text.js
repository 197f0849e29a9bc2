// Names, times and codes as text. No DOM.

export const CODES =
	'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(' ');

export const codeName = (code = 0) => CODES[code] ?? `CODE_${code}`;

/** Characters that are invisible or change the direction of a text, and control characters other than line breaks and tabs. */
const HIDDEN = /(?!\r?\n|\t)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text with an escape for each hidden character, such as `\u202e`. */
export const visible = text => String(text).replace(HIDDEN, char => char.replace(/[^]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`));

/** Joins the parts that are not empty. */
export const join = (separator, ...parts) => parts.filter(Boolean).join(separator);

/** The milliseconds of a proto duration, such as `3.5s`. */
export const millis = duration => 1000 * (Number.parseFloat(duration) || 0);

const two = number => String(number).padStart(2, '0');

export function minutes(ms) {
	const seconds = Math.round(ms / 1000);
	return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}

/** A time span: `7 ms`, `2.0 s`, `01:05` or `2 h 5 min`. */
export function span(ms) {
	if (ms < 1000) return `${ms < 10 && ms % 1 ? ms.toFixed(1) : Math.round(ms)} ms`;
	if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
	const all = Math.round(ms / 60_000);
	return ms < 3_600_000 ? minutes(ms) : `${Math.floor(all / 60)} h ${all % 60} min`;
}

export const timeOfDay = ms => (ms ? new Date(ms).toTimeString().slice(0, 8) : '');

export const utc = ms => (ms ? new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC') : '');

export const size = bytes => (bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`);

export const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

/** The parts of a name: `{projects: 'demo', locations: 'global', apis: 'hello', kind: 'apis', id: 'hello'}`. */
export function parts(name = '') {
	const segments = name.split('/');
	const found = {kind: segments.at(-2) ?? '', id: segments.at(-1)};
	for (let at = 0; at + 1 < segments.length; at += 2) found[segments[at]] = segments[at + 1];
	return found;
}

/** The short form of a name: `hello`, or `hello/v1` for a config. */
export function shortName(name) {
	const {kind, id, apis} = parts(name);
	return kind === 'configs' ? `${apis}/${id}` : id;
}

/** A name without its project and location, such as `…/operations/o`. */
export const tail = (name = '') => name.replace(/^projects\/[^/]+\/locations\/[^/]+(?=\/)/, '…');

export const bytes = base64 => Uint8Array.from(atob(base64), char => char.charCodeAt(0));

/** The text of bytes, or undefined if it is not UTF-8. */
export function decoded(content) {
	try {
		return new TextDecoder('utf-8', {fatal: true}).decode(content);
	} catch {}
}
