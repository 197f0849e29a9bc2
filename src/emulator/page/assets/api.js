// The admin service over HTTP/JSON. All paths are relative, so the page works behind any host name.

const TOKEN = 'admin-token';

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

/** Moves the token from the fragment `#token=…` to the storage of the tab. A fragment is neither sent nor logged. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  setToken(token);
  history.replaceState(null, '', location.pathname + location.search);
}

/** Sends a request. Throws an error with the HTTP `status`, which is 0 without a response. */
async function send(method, path, body, headers, signal) {
  const token = sessionStorage.getItem(TOKEN);
  const all = { ...(token && { Authorization: `Bearer ${token}` }), ...(method !== 'GET' && { 'Content-Type': 'application/json' }), ...headers };
  const unreachable = () => ({ status: 0, text: () => '' });
  const response = await fetch(path, { method, headers: all, body: body && JSON.stringify(body), signal, cache: 'no-store' }).catch(unreachable);
  if (response.ok) return response;
  const text = await response.text();
  let message = response.status ? `HTTP ${response.status}: ${text.slice(0, 200)}` : 'The emulator does not respond';
  try {
    message = JSON.parse(text).error.message;
  } catch {
    // The response is not from the emulator.
  }
  throw Object.assign(new Error(message), { status: response.status });
}

/** Lets the browser paint between two long steps. */
export const breathe = () => new Promise((done) => setTimeout(done));

async function read(path) {
  const text = await (await send('GET', path)).text();
  await breathe();
  return JSON.parse(text);
}

const admin = 'emulator/v1';
const post = (path, body = {}) => send('POST', `${admin}/${path}`, body);

export const methods = () => read('ui/methods.json');
export const state = () => read(`${admin}/state`);
export const calls = (view = 'FULL') => read(`${admin}/calls?view=CALL_VIEW_${view}`);
export const call = async (sequence) => (await read(`${admin}/calls?after=${sequence - 1}&pageSize=${sequence > 1 ? 1 : 0}`)).calls?.[0];
export const files = (name) => read(`${admin}/${encodeURI(name)}:files`);
export const events = (after, signal) => send('GET', `${admin}/events`, undefined, { Accept: 'text/event-stream', 'Last-Event-ID': String(after) }, signal);
export const clearCalls = () => post('calls:clear');
export const advance = (by) => post('clock:advance', { by });
export const pause = () => post('clock:pause');
export const resume = () => post('clock:resume');
export const finish = (name, fails) => post('operations:finish', { name, fails });
export const reset = () => post('reset');
export const createFault = (fault) => post('faults', fault);
export const setFault = (name, disabled) => send('PATCH', `${admin}/${name}`, { disabled });
export const deleteFault = (name) => send('DELETE', `${admin}/${name}`);
