// The admin service: requests, and the stream of events. All paths are relative, so the page works behind any host name. No DOM.

const TOKEN = 'admin-token';

/** Keeps the token in the storage of the tab. */
export function setToken(token) {
	if (!/^[!-~]+$/.test(token)) throw new Error('invalid admin token: only visible ASCII characters are allowed, and no spaces');
	sessionStorage.setItem(TOKEN, token);
}

/** Moves the token from the fragment to the storage. A fragment is neither sent nor logged. Returns true if there is a token. */
export async function takeToken() {
	const token = new URLSearchParams(location.hash.slice(1).replaceAll('+', '%2B')).get('token');
	if (token === null) return false;
	history.replaceState(null, '', location.pathname + location.search);
	setToken(token);
	return true;
}

/** Sends a request. Throws an error with the HTTP `status`, which is undefined without a response. */
export async function send(method, path, body, more, signal) {
	const token = sessionStorage.getItem(TOKEN);
	const headers = {'Content-Type': 'application/json', ...(token && {Authorization: `Bearer ${token}`}), ...more};
	const response = await fetch(`emulator/v1/${path}`, {method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store'}).catch(() => {});
	if (response?.ok) return response;
	const text = await response?.text();
	let message = response ? `HTTP ${response.status}: ${text.slice(0, 200)}` : 'The emulator does not respond';
	try {
		message = JSON.parse(text).error.message;
	} catch {}
	throw Object.assign(new Error(message), {status: response?.status});
}

export const post = (path, body = {}) => send('POST', path, body);

export const read = async (path, signal) => (await send('GET', path, undefined, {}, signal)).json();

export const sleep = ms => new Promise(done => setTimeout(done, ms));

// Events are read by `fetch`, since `EventSource` can send no token and hides the status of a refusal.
export const openEvents = (after, signal) => send('GET', 'events', undefined, {Accept: 'text/event-stream', 'Last-Event-ID': String(after)}, signal);

/** Returns a function that accepts the pieces of a stream, and passes the data of each event on. */
export function parser(dispatch) {
	let rest = '';
	return piece => {
		const events = (rest + piece).split('\n\n');
		rest = events.pop();
		for (const event of events) {
			const data = event.split('\n').filter(line => line.startsWith('data:'));
			if (data.length) dispatch(data.map(line => line.slice(5).trimStart()).join('\n'));
		}
	};
}

/** The time before the next attempt: 0.5 s to 10 s, shortened by up to 25 %. */
export const backoff = (failures, random = Math.random) => Math.min(10_000, 500 * 2 ** (failures - 1)) * (0.75 + random() / 4);

/** Time without a byte after which the stream counts as broken. The server sends a comment after 15 idle seconds. */
const SILENCE = 40_000;

/** Reads a stream of events, and opens it again when it breaks. Returns a function that closes it. */
export function follow(open, on, wait = sleep) {
	let isClosed = false;
	let failures = 0;
	let abort;
	const readAll = async () => {
		abort = new AbortController();
		const {body} = await open(abort.signal);
		on.live();
		const reader = body.pipeThrough(new TextDecoderStream()).getReader();
		const parse = parser(on.event);
		for (;;) {
			const timer = setTimeout(() => abort.abort(), SILENCE);
			const {value, done} = await reader.read().finally(() => clearTimeout(timer));
			if (done) throw new Error('the event stream has ended');
			failures = 0;
			parse(value);
		}
	};
	const run = async () => {
		for (;;) {
			const error = await readAll().catch(cause => cause);
			if (isClosed) return;
			failures += 1;
			on.lost(error, failures);
			await wait(backoff(failures));
		}
	};
	run();
	return () => {
		isClosed = true;
		abort.abort();
	};
}
