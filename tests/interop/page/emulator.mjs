// The emulator as a user starts it, and the clients that call it.

import { execFile, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const { APIGW, INTEROP_WORK } = process.env;

export const PARENT = 'projects/demo/locations/global';
export const DOCUMENT = "swagger: '2.0'\ninfo: {title: shop, version: '1'}\npaths: {}\n";

/** Starts `apigw emulator`. Returns its addresses as printed, and functions to call and to stop it. */
export async function startEmulator(options = [], listen = '127.0.0.1:0') {
  const child = spawn(APIGW, ['emulator', '--listen', listen, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((done) => child.once('exit', done));
  const lines = createInterface({ input: child.stdout });
  const printed = [];
  const lastLine = options.includes('--no-ui') ? 'listening on ' : 'page: ';
  await new Promise((done, fail) => {
    lines.on('line', (line) => {
      printed.push(line);
      if (line.startsWith(lastLine)) done();
    });
    exited.then((code) => fail(new Error(`the emulator ended with ${code}: ${printed.join(' ')}`)));
  });
  const endpoint = printed[0].replace('listening on ', '');
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const call = (method, path, body, headers = {}) => new Promise((done, fail) => {
    const text = body && JSON.stringify(body);
    const sent = request(`${endpoint}/${path}`, { method, agent, headers: { ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }), ...headers } }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const received = Buffer.concat(chunks).toString();
      done({ status: response.statusCode, body: received.startsWith('{') ? JSON.parse(received) : received });
    });
    sent.once('error', fail);
    sent.end(text);
  });
  const stop = async (signal = 'SIGKILL') => {
    child.kill(signal);
    await exited;
    agent.destroy();
  };
  return {
    endpoint,
    printed,
    page: printed.find((line) => line.startsWith('page: '))?.replace('page: ', ''),
    call,
    stop,
    createApi: (id, body = {}, project = 'demo') => call('POST', `v1/projects/${project}/locations/global/apis?apiId=${id}`, body),
    createConfig: (api, id, text = DOCUMENT, more = {}) => call('POST', `v1/${PARENT}/apis/${api}/configs?apiConfigId=${id}`, {
      openapiDocuments: [{ document: { path: 'openapi.yaml', contents: Buffer.from(text).toString('base64') } }], ...more }),
    createGateway: (id, config, location = 'us-central1') => call('POST', `v1/projects/demo/locations/${location}/gateways?gatewayId=${id}`, { apiConfig: `${PARENT}/apis/${config}` }),
    admin: (method, path, body) => call(method, `emulator/v1/${path}`, body),
  };
}

export const runPython = (program) => promisify(execFile)(`${INTEROP_WORK}/venv/bin/python`, ['-c', program]);

/** Runs a program of the official Python client. In the program, `endpoint` is the address of the emulator, as HOST:PORT. */
export const python = (endpoint, program) => runPython(`
import grpc
from google.cloud.apigateway_v1 import Api, ApiConfig, ApiGatewayServiceClient, Gateway
from google.cloud.apigateway_v1.services.api_gateway_service.transports import ApiGatewayServiceGrpcTransport
client = ApiGatewayServiceClient(transport=ApiGatewayServiceGrpcTransport(channel=grpc.insecure_channel("${endpoint.replace('http://', '')}")))
parent = "${PARENT}"
${program}`);
