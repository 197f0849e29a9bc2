// Server-sent events over `fetch`, since `EventSource` can send no token and hides the status of a refusal. No DOM.

/** Returns a function that accepts the pieces of a stream, and calls `dispatch({ id, type, data })` for each event. */
export function parser(dispatch) {
  let rest = '';
  let event = { id: '', type: '', data: [] };
  const line = (text) => {
    if (text === '') {
      if (event.data.length) dispatch({ id: event.id, type: event.type || 'message', data: event.data.join('\n') });
      event = { id: event.id, type: '', data: [] };
      return;
    }
    const [, field, value] = text.match(/^([^:]*):? ?([^]*)$/);
    if (field === 'data') event.data.push(value);
    else if (field === 'event') event.type = value;
    else if (field === 'id') event.id = value;
  };
  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** Returns the time before the next attempt: 0.5 s to 10 s, with jitter. */
export const backoff = (failures, random = Math.random) => Math.min(10_000, 500 * 2 ** (failures - 1)) * (0.75 + random() / 4);

/** Time without a byte after which the stream counts as broken. The server sends a comment every 15 seconds. */
const SILENCE = 40_000;

/**
 * Reads a stream of events until it is closed, and opens it again when it breaks. `open(signal)` returns the response;
 * `on` has `live()`, `event(event)` and `lost(error, failures)`.
 */
export function follow(open, on, wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
  let isClosed = false;
  let failures = 0;
  let abort;
  const read = async () => {
    abort = new AbortController();
    const response = await open(abort.signal);
    on.live();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(on.event);
    for (;;) {
      const timer = setTimeout(() => abort.abort(), SILENCE);
      const { value, done } = await reader.read().finally(() => clearTimeout(timer));
      if (done) throw new Error('the event stream has ended');
      failures = 0;
      parse(value);
    }
  };
  const run = async () => {
    while (!isClosed) {
      try {
        await read();
      } catch (error) {
        if (isClosed) return;
        failures += 1;
        on.lost(error, failures);
        await wait(backoff(failures));
      }
    }
  };
  run();
  return () => {
    isClosed = true;
    abort.abort();
  };
}
