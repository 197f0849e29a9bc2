// The modules of the page that need no DOM.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const ASSETS = new URL('../../../src/emulator/page/assets/', import.meta.url);
const module = (name) => import(new URL(name, ASSETS));
const { backoff, follow, parser } = await module('api.js');
const { fold, isWithin, matches, readFilters, writeFilters } = await module('calls.js');
const { apigw, curl, grpcurl, httpRequest, quote } = await module('copy.js');
const { Store, toCall, toOperation } = await module('store.js');
const { buildTree } = await module('tree.js');
const { faultCurl, faultRust } = await module('faults.js');
const { bytes, decoded, millis, minutes, parts, shortName, size, span, tail, visible } = await module('text.js');

const P = 'projects/demo/locations/global';

test('a stream of events is parsed with any division into pieces', () => {
  const text = ': a comment\n\nid: 7\nevent: call\ndata: {"a":\ndata: 1}\n\ndata:x\n\nevent: none\n\nid: 8\ndata: y\n\ndata: cut';
  const expected = ['{"a":\n1}', 'x', 'y'];
  for (let length = 1; length <= text.length; length += 1) {
    const seen = [];
    const parse = parser((data) => seen.push(data));
    for (let at = 0; at < text.length; at += length) parse(text.slice(at, at + length));
    assert.deepEqual(seen, expected, `pieces of ${length}`);
  }
});

test('the time before the next attempt grows from half a second to ten seconds', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 20].map((failures) => backoff(failures, () => 1)), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  assert.equal(backoff(1, () => 0), 375);
});

test('a stream that breaks is opened again until the page closes it', async () => {
  const streams = ['id: 1\ndata: a\n\n', 'id: 2\ndata: b\n\n'];
  const seen = [];
  let close;
  await new Promise((done) => {
    const open = async () => {
      if (!streams.length) {
        close();
        done();
        throw new Error('refused');
      }
      return new Response(streams.shift());
    };
    const on = {
      live: () => seen.push('live'),
      event: (data) => seen.push(data),
      lost: (error, failures) => seen.push(`lost ${failures}`),
    };
    close = follow(open, on, async (ms) => assert.ok(ms <= 10_000));
  });
  assert.deepEqual(seen, ['live', 'a', 'lost 1', 'live', 'b', 'lost 1']);
});

const call = (sequence, method, resource, more = {}) => ({ sequence, method, resource, via: 'GRPC', code: 'OK', ...more });

test('repeated polls with the same outcome are folded into one row until a write', () => {
  const calls = [
    call(1, 'CreateApi', 'a'),
    call(2, 'GetOperation', 'o'), call(3, 'GetOperation', 'p'), call(4, 'GetOperation', 'o'), call(5, 'GetOperation', 'p'),
    call(6, 'GetOperation', 'o', { code: 'UNAVAILABLE', fault: 'faults/1' }),
    call(7, 'GetOperation', 'o'),
    call(8, 'DeleteApi', 'a'),
    call(9, 'GetOperation', 'o'), call(10, 'GetOperation', 'o', { via: 'REST' }),
  ];
  const rows = fold(calls, true);
  assert.deepEqual(rows.map((row) => row.calls.map((it) => it.sequence).join()), ['10', '9', '8', '6', '3,5', '2,4,7', '1']);
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length, 'keys are unique');
  assert.equal(fold(calls, false).length, calls.length);
  // The key of a row stays the same when the emulator forgets the oldest calls.
  const keyOf = (list, sequence) => fold(list, true).find((row) => row.calls.at(-1).sequence === sequence).key;
  const kept = [call(1, 'CreateApi', 'a'), call(3, 'GetOperation', 'p'), call(4, 'GetOperation', 'o'), call(5, 'GetOperation', 'p')];
  assert.equal(keyOf(kept, 4), keyOf(calls.slice(0, 5), 4));
});

test('the filters are written to the address of the page and read from it', () => {
  assert.equal(writeFilters(readFilters('')), '');
  const search = '?method=GetApi&via=REST&code=errors&text=a%26b&resource=projects%2Fdemo&operations=running&fold=off';
  assert.equal(writeFilters(readFilters(search)), search);
  assert.equal(writeFilters(readFilters('?other=1&method=')), '');
});

test('a call matches the filters by method, transport, status, text and resource', () => {
  const of = (changes) => ({ ...readFilters(''), ...changes });
  const one = call(1, 'GetApi', `${P}/apis/hello`, { message: 'Busy', fault: 'faults/3' });
  for (const [filters, expected] of [
    [{}, true],
    [{ method: 'GetApi' }, true], [{ method: 'GetApiConfig' }, false],
    [{ via: 'REST' }, false],
    [{ code: 'OK' }, true], [{ code: 'errors' }, false],
    [{ text: 'HELLO' }, true], [{ text: 'busy' }, true], [{ text: 'faults/3' }, true], [{ text: 'x' }, false],
    [{ resource: `${P}/apis/hello` }, true], [{ resource: 'projects/demo' }, true], [{ resource: `${P}/apis/hell` }, false],
  ]) assert.equal(Boolean(matches(one, of(filters))), expected, JSON.stringify(filters));
  const poll = call(2, 'GetOperation', `${P}/operations/o`);
  const targetOf = () => `${P}/apis/hello`;
  assert.ok(matches(poll, of({ resource: `${P}/apis/hello` }), targetOf), 'a poll matches the target of its operation');
  assert.ok(!isWithin('projects/demo2', 'projects/demo'));
});

const GET = { name: 'GetApi', service: 'google.cloud.apigateway.v1.ApiGatewayService', verb: 'GET', template: '/v1/{name=projects/*/locations/*/apis/*}', body: null };
const CREATE = { name: 'CreateApiConfig', service: GET.service, verb: 'POST', template: '/v1/{parent=projects/*/locations/*/apis/*}/configs', body: 'api_config' };
const UPDATE = { name: 'UpdateApi', service: GET.service, verb: 'PATCH', template: '/v1/{api.name=projects/*/locations/*/apis/*}', body: 'api' };
const LIST = { name: 'ListGateways', service: GET.service, verb: 'GET', template: '/v1/{parent=projects/*/locations/*}/gateways', body: null };
const ORIGIN = 'http://127.0.0.1:8470';

test('a call is copied as the curl command for its HTTP rule', () => {
  const name = `${P}/apis/hello`;
  assert.equal(curl(ORIGIN, GET, { '@type': 't', name }), `curl ${ORIGIN}/v1/${name}`);
  assert.equal(curl(ORIGIN, UPDATE, { api: { name, displayName: "it's" }, updateMask: 'displayName' }),
    `curl --request PATCH '${ORIGIN}/v1/${name}?updateMask=displayName' --json '{"name":"${name}","displayName":"it'\\''s"}'`);
  const { path, body } = httpRequest(CREATE, { parent: name, apiConfigId: 'v 1', apiConfig: { labels: { a: 'b' } } });
  assert.equal(path, `/v1/${name}/configs?apiConfigId=v+1`);
  assert.deepEqual(body, { labels: { a: 'b' } });
  assert.equal(httpRequest(GET, { name: 'a?b#c d', list: ['x', 'y'], nested: { deep: 1 } }).path, '/v1/a%3Fb%23c%20d?list=x&list=y&nested.deep=1');
  assert.equal(curl(ORIGIN, { ...GET, template: null }, { name }), '', 'a method without an HTTP rule');
});

test('a call is copied as grpcurl and as apigw', () => {
  const name = `${P}/apis/hello`;
  assert.equal(grpcurl(ORIGIN, GET, { '@type': 't', name }), `grpcurl -plaintext -d '{"name":"${name}"}' 127.0.0.1:8470 ${GET.service}/GetApi`);
  assert.match(grpcurl('https://a:1', GET, { name }), /-insecure/);
  const host = 'APIGATEWAY_EMULATOR_HOST=127.0.0.1:8470 apigw';
  for (const [method, request, expected] of [
    [GET, { name }, `apis describe ${name}`],
    [LIST, { parent: 'projects/demo/locations/-', filter: 'a = b' }, `gateways list --project=demo '--filter=a = b' --location=-`],
    [UPDATE, { api: { name, displayName: 'x', labels: { a: 'b', c: 'd' } } }, `apis update ${name} --display-name=x --update-labels=a=b,c=d`],
    [CREATE, { parent: name, apiConfigId: 'v1', apiConfig: { openapiDocuments: [{ document: { path: 'a.yaml' } }] } }, `api-configs create ${name}/configs/v1 --openapi-spec=a.yaml`],
    [{ name: 'GetIamPolicy' }, { resource: name }, ''],
    [GET, { name: '--endpoint=http://evil.example' }, ''],
  ]) assert.equal(apigw(ORIGIN, method, request), expected && `${host} ${expected}`, method.name);
});

test('every copied word is quoted for the shell', () => {
  const words = ['a', '', 'a b', "it's", '$(touch x)', '`x`', 'a\nb', '\u001b]0;x\u0007', 'ä', '\u202ereversed', "'; rm -rf x #", '\\', '!x', '~', "\n'\\$x"];
  const printed = execFileSync('bash', ['-c', `printf '%s\\0' ${words.map(quote).join(' ')}`], { env: { ...process.env, LC_ALL: 'C.UTF-8' } }).toString();
  assert.deepEqual(printed.split('\0').slice(0, -1), words);
  for (const word of words) assert.doesNotMatch(quote(word), /[\p{Cc}\p{Cf}]/u);
});

test('a fault is written as a shell command and as Rust code', () => {
  const fault = { method: 'GetOperation', resource: `${P}/operations/"o"`, times: 2, fail: { code: 14, message: 'busy' } };
  assert.equal(faultCurl(ORIGIN, fault), `curl --json '${JSON.stringify(fault)}' ${ORIGIN}/emulator/v1/faults`);
  assert.equal(faultRust(fault), `emulator.on(Method::GET_OPERATION)\n    .named("${P}/operations/\\"o\\"")\n    .times(2)\n    .fail(Status::unavailable("busy"));`);
  for (const [action, expected] of [
    [{ delay: '3s' }, 'delay(Duration::from_millis(3000))'],
    [{ dropConnection: {} }, 'drop_connection()'],
    [{ loseResponse: {} }, 'lose_response()'],
    [{ stale: {} }, 'stale()'],
    [{ notFoundFor: '0.5s' }, 'not_found_for(Duration::from_millis(500))'],
    [{ html: 502 }, 'html(StatusCode::from_u16(502)?)'],
    [{ respond: { '@type': 'x' } }, 'respond(&message)'],
    [{ fail: { code: 5, message: '\u202e\u0007 C:\\u202e' } }, 'fail(Status::not_found("\\u{202e}\\u{0007} C:\\\\u202e"))'],
    [{ operation: { takes: '1s', fails: { code: 9, message: 'no' }, cancelIgnored: {} } },
      'operation(\n        OperationPlan::default()\n        .takes(Duration::from_millis(1000))\n        .fails(Status::failed_precondition("no"))\n        .cancel_behavior(CancelBehavior::Ignored),\n    )'],
  ]) assert.equal(faultRust({ method: 'ListApiConfigs', always: true, ...action }), `emulator.on(Method::LIST_API_CONFIGS)\n    .always()\n    .${expected};`);
});

const operation = (id, start, more = {}) => ({
  operation: { name: `${P}/operations/${id}`, metadata: { verb: 'create', target: `${P}/apis/${id}` }, ...more },
  startTime: new Date(start).toISOString(),
  endTime: new Date(start + 5000).toISOString(),
});

test('an event changes the loaded state unless the event is older than the state', () => {
  let now = 0;
  const store = new Store(() => now);
  store.load({
    revision: '10',
    clock: { time: '2026-01-01T00:00:00Z', uptime: '60s' },
    apis: [{ name: `${P}/apis/a`, state: 'ACTIVE' }],
    operations: [operation('b', 2000), operation('a', 1000, { done: true, response: {} })],
  });
  assert.deepEqual(store.apply({ number: '10', resource: { name: `${P}/apis/a` } }), [], 'the state includes the event');
  assert.deepEqual(store.apply({ number: '11', resource: { name: `${P}/apis/b`, is: { api: { name: `${P}/apis/b`, state: 'CREATING' } } } }), ['tree']);
  assert.deepEqual(store.apply({ number: '12', resource: { name: `${P}/apis/a`, was: {} } }), ['tree']);
  assert.deepEqual([...store.resources.keys()], [`${P}/apis/b`]);
  store.apply({ number: '13', operation: operation('c', 3000) });
  store.apply({ number: '14', operation: operation('b', 2000, { done: true, error: { code: 3 } }) });
  assert.deepEqual(store.listOperations().map((it) => `${parts(it.name).id} ${it.state}`), ['c running', 'b failed', 'a done']);
  store.apply({ number: '15', operation: { ...operation('c', 3000), deleted: true } });
  assert.equal(store.operations.size, 2);
  assert.deepEqual(store.apply({ number: '16', fault: { fault: { name: 'faults/1', used: '1' } } }), ['faults']);
  store.apply({ number: '17', fault: { fault: { name: 'faults/1' }, removed: true } });
  assert.equal(store.faults.size, 0);
  for (const event of [{ reset: {} }, { lost: { from: '3' } }]) assert.deepEqual(store.apply({ number: '18', ...event }), ['stale']);
  now = 2000;
  assert.equal(new Date(store.time).toISOString(), '2026-01-01T00:00:02.000Z');
  assert.equal(store.uptime, 62_000);
  store.apply({ number: '19', clock: { time: '2026-01-01T00:10:00Z', paused: true } });
  now = 9000;
  assert.equal(new Date(store.time).toISOString(), '2026-01-01T00:10:00.000Z', 'a paused clock does not advance');
});

test('running operations are listed first, and then the newest', () => {
  const store = new Store(() => 0);
  const done = { done: true, response: {} };
  store.load({
    revision: '1',
    clock: { time: '2026-01-01T00:00:00Z', uptime: '60s' },
    operations: [operation('d', 4000, done), operation('c', 3000), operation('b', 2000, done), operation('a', 1000)],
  });
  assert.deepEqual(store.listOperations().map((it) => parts(it.name).id), ['c', 'a', 'd', 'b']);
});

test('calls are in the order of arrival, and a thousand are kept', () => {
  const store = new Store(() => 0);
  let number = 0;
  const arrive = (sequence) => store.apply({ number: String((number += 1)), call: { sequence: String(sequence), method: 'a.b.GetApi', status: {} } });
  for (const sequence of [2, 1, 3, 2]) arrive(sequence);
  assert.deepEqual(store.calls.map((it) => it.sequence), [1, 2, 3]);
  for (let sequence = 4; sequence <= 1005; sequence += 1) arrive(sequence);
  assert.deepEqual([store.calls.length, store.calls[0].sequence], [1000, 6]);
  assert.deepEqual(store.apply({ number: '9999', callsCleared: {} }), ['calls']);
  assert.equal(store.calls.length, 0);
});

test('a call has the code of its outcome, and an operation has its state', () => {
  const code = (more) => toCall({ sequence: '1', ...more }).code;
  assert.deepEqual([code({}), code({ status: {} }), code({ status: { code: 5 } }), code({ cut: true, status: { code: 14 } }), code({ htmlStatus: 502 })],
    ['', 'OK', 'NOT_FOUND', 'CUT', 'HTTP 502']);
  const states = [{}, { done: true }, { done: true, error: { code: 3 } }, { done: true, error: { code: 1 } }];
  assert.deepEqual(states.map((more) => toOperation(operation('a', 0, more)).state), ['running', 'done', 'failed', 'cancelled']);
});

test('the tree has projects, apis with configs, and locations with gateways', () => {
  const store = new Store(() => 0);
  const config = `${P}/apis/hello/configs/v1`;
  store.load({
    apis: [{ name: `${P}/apis/hello`, state: 'ACTIVE' }, { name: `${P}/apis/a`, state: 'ACTIVE' }],
    apiConfigs: [{ name: config, state: 'FAILED' }, { name: 'projects/z/locations/global/apis/gone/configs/v1' }],
    gateways: [{ name: 'projects/demo/locations/us-east1/gateways/g', apiConfig: config }],
  });
  const text = (nodes, depth = 0) => nodes.flatMap((node) => [
    [' '.repeat(depth) + node.kind, node.label, node.state, ...node.links.map(([label]) => label)].filter(Boolean).join(' '), ...text(node.children, depth + 1)]);
  assert.deepEqual(text(buildTree(store.resources)), [
    'project demo', ' api a ACTIVE', ' api hello ACTIVE', '  config v1 FAILED served by g', ' location us-east1', '  gateway g UNKNOWN serves hello/v1',
    'project z', ' api gone', '  config v1 UNKNOWN',
  ]);
  assert.deepEqual(text(buildTree(store.resources, 'EAST')), ['project demo', ' location us-east1', '  gateway g UNKNOWN serves hello/v1']);
});

test('times, sizes and names have short forms', () => {
  assert.deepEqual([0, 0.4, 7, 999, 2000, 65_000, 7_500_000].map(span), ['0 ms', '0.4 ms', '7 ms', '999 ms', '2.0 s', '01:05', '2 h 5 min']);
  assert.deepEqual([millis('3.5s'), millis('0.007s'), millis(undefined)], [3500, 7, 0]);
  assert.equal(minutes(67_000), '01:07');
  assert.deepEqual([12, 2048, 3 << 20].map(size), ['12 B', '2 KiB', '3.0 MiB']);
  assert.deepEqual([shortName(`${P}/apis/a/configs/v1`), shortName(`${P}/apis/a`)], ['a/v1', 'a']);
  assert.deepEqual([tail(`${P}/operations/o`), tail(P)], ['…/operations/o', P]);
  assert.deepEqual([decoded(bytes('YQ==')), decoded(bytes('/w=='))], ['a', undefined]);
});

test('control, invisible and direction characters are escapes, and line breaks stay', () => {
  for (const [text, expected] of [
    ['a\u202eb', 'a\\u202eb'], ['\u2066x\u2069', '\\u2066x\\u2069'], ['\u061c\u200f', '\\u061c\\u200f'],
    ['\u0000\u001b[31m\u007f\u009b', '\\u0000\\u001b[31m\\u007f\\u009b'],
    ['\u200b\u00ad\ufeff\u2028', '\\u200b\\u00ad\\ufeff\\u2028'],
    ['\u{e0041}', '\\udb40\\udc41'],
    ['a\tb\r\nc\nd', 'a\tb\r\nc\nd'], ['a\rb', 'a\\u000db'],
    ['\u05d0\u0627 \u{1f600} \u00e9', '\u05d0\u0627 \u{1f600} \u00e9'], [7, '7'],
  ]) assert.equal(visible(text), expected);
  const message = { name: '\u202e\u{e0041}\u0007' };
  assert.deepEqual(JSON.parse(visible(JSON.stringify(message))), message, 'JSON keeps its meaning');
});
