'use strict';

// Runs the scenario with the official Node client.
//
//     node node_client.js grpc|rest QUICK SLOW PROJECT DOCUMENT
//
// The clients of google-gax call the methods of locations and policies.

const {ApiGatewayServiceClient} = require('@google-cloud/api-gateway');
const gax = require('google-gax');

const {google} = require('@google-cloud/api-gateway').protos;
const v1 = google.cloud.apigateway.v1;

async function main() {
  const [transport, quick, slow, project, document] = process.argv.slice(2);
  const play = new Play(transport, quick, project);
  await play.locations();
  await play.apis();
  await play.configs(document);
  await play.gateways();
  await play.operations();
  await play.badConfig();
  await play.policies();
  await play.errors();
  await play.deletes();
  await new Play(transport, slow, project).slowly();
}

function report(step, outcome) {
  process.stdout.write(JSON.stringify({step, outcome}) + '\n');
}

class Play {
  constructor(transport, endpoint, project) {
    const {hostname, port} = new URL(endpoint);
    const {GoogleAuth, PassThroughClient} = gax.googleAuthLibrary;
    // Sends no credentials, and does not search for them.
    const auth = new GoogleAuth({authClient: new PassThroughClient()});
    const options = {apiEndpoint: hostname, port: Number(port), auth};
    if (transport === 'grpc') {
      options.sslCreds = gax.grpc.credentials.createInsecure();
    } else {
      options.fallback = true;
      options.protocol = 'http';
    }
    this.fallback = Boolean(options.fallback);
    const gaxModule = options.fallback ? gax.fallback : gax;
    this.client = new ApiGatewayServiceClient(options);
    this.operationsClient = this.client.operationsClient;
    const grpc = new gaxModule.GrpcClient(options);
    this.locationsClient = new gaxModule.LocationsClient(grpc, options);
    this.iam = new gaxModule.IamClient(grpc, {...options, servicePath: hostname});
    this.project = `projects/${project}`;
    this.home = `${this.project}/locations/global`;
    this.region = `${this.project}/locations/us-central1`;
    this.api = `${this.home}/apis/shop`;
    this.configNames = [1, 2, 3].map(n => `${this.api}/configs/v${n}`);
    this.gateway = `${this.region}/gateways/front`;
  }

  async locations() {
    const ids = [];
    for await (const location of this.locationsClient.listLocationsAsync({name: this.project})) {
      ids.push(location.locationId);
    }
    report('list_locations', ids);
    const [found] = await this.locationsClient.getLocation({name: this.region});
    report('get_location', {name: found.name, id: found.locationId});
  }

  async apis() {
    const request = {parent: this.home, apiId: 'shop', api: {labels: {team: 'blue'}}};
    const [creating] = await this.client.createApi(request);
    this.creatingApi = creating.name;
    report('create_api', resource(await ended(creating), v1.Api));
    const [found] = await this.client.getApi({name: this.api});
    report('get_api', resource(found, v1.Api));
    report('create_api_again', await refused(() => this.client.createApi(request)));
    const [updating] = await this.client.updateApi({
      api: {name: this.api, displayName: 'Große Läden', labels: {}},
      updateMask: {paths: ['display_name', 'labels']},
    });
    report('update_api', resource(await ended(updating), v1.Api));
    report('list_apis', await names(this.client.listApisAsync({parent: this.home})));
  }

  async configs(document) {
    const openapiDocuments = [{document: {path: 'openapi.json', contents: Buffer.from(document)}}];
    const created = [];
    for (const name of this.configNames) {
      const [creating] = await this.client.createApiConfig({
        parent: this.api,
        apiConfigId: name.split('/').pop(),
        apiConfig: {openapiDocuments},
      });
      created.push(resource(await ended(creating), v1.ApiConfig));
    }
    report('create_configs', created);
    const [name] = this.configNames;
    const [basic] = await this.client.getApiConfig({name});
    report('get_config_basic', contents(basic));
    const [full] = await this.client.getApiConfig({name, view: 'FULL'});
    report('get_config_full', contents(full));

    const pages = [];
    let request = {parent: this.api, pageSize: 1};
    while (request) {
      // The result has the page, the request for the next page, and the response.
      const [page, next] = await this.client.listApiConfigs(request, {autoPaginate: false});
      pages.push(page.map(config => config.name));
      request = next;
    }
    report('list_configs_by_page', pages);
    const items = this.client.listApiConfigsAsync({parent: this.api, pageSize: 2});
    report('list_configs_by_item', await names(items));
    const [updating] = await this.client.updateApiConfig({
      apiConfig: {name, labels: {tier: 'gold'}},
      updateMask: {paths: ['labels']},
    });
    report('update_config', resource(await ended(updating), v1.ApiConfig));
  }

  async gateways() {
    const [creating] = await this.client.createGateway({
      parent: this.region,
      gatewayId: 'front',
      gateway: {apiConfig: this.configNames[0]},
    });
    this.creatingGateway = creating.name;
    report('create_gateway', resource(await ended(creating), v1.Gateway));
    const [found] = await this.client.getGateway({name: this.gateway});
    report('get_gateway', resource(found, v1.Gateway));
    const [switching] = await this.client.updateGateway({
      gateway: {name: this.gateway, apiConfig: this.configNames[1]},
      updateMask: {paths: ['api_config']},
    });
    report('switch_gateway', resource(await ended(switching), v1.Gateway));
    const everywhere = this.client.listGatewaysAsync({parent: `${this.project}/locations/-`});
    report('list_gateways', await names(everywhere));
  }

  async operations() {
    const listed = await items(
      this.operationsClient.listOperationsAsync({name: this.home, pageSize: 2}));
    report('list_operations', listed.map(operation => operation.done));
    const [found] = await this.operationsClient.getOperation({name: this.creatingGateway});
    report('get_operation', operationState(found));
    await this.operationsClient.deleteOperation({name: this.creatingApi});
    report('delete_operation', await refused(
      () => this.operationsClient.getOperation({name: this.creatingApi})));
  }

  async badConfig() {
    const [creating] = await this.client.createApiConfig({
      parent: this.api,
      apiConfigId: 'bad',
      apiConfig: {
        openapiDocuments: [{document: {path: 'openapi.json', contents: Buffer.from('{}')}}],
      },
    });
    report('create_bad_config', await refused(() => ended(creating)));
    const bad = {name: `${this.api}/configs/bad`};
    const [failed] = await this.client.getApiConfig(bad);
    report('get_bad_config', resource(failed, v1.ApiConfig));
    const [deleting] = await this.client.deleteApiConfig(bad);
    await ended(deleting);
  }

  async policies() {
    const all = [this.api, this.configNames[0], this.gateway];
    const get = async () => {
      const responses = await Promise.all(all.map(name => this.iam.getIamPolicy({resource: name})));
      return responses.map(([policy]) => bindings(policy));
    };
    const set = async (name, etag) => {
      const viewer = {role: 'roles/viewer', members: ['user:a@example.com']};
      const request = {resource: name, policy: {etag, bindings: [viewer]}};
      return (await this.iam.setIamPolicy(request))[0];
    };
    // Over REST google-gax sends GetIamPolicy as POST, but the service accepts only GET.
    const canGet = !this.fallback;
    if (canGet) {
      report('get_iam_policy', await get());
    }
    const answered = [];
    for (const name of all) {
      answered.push(await set(name, Buffer.alloc(0)));
    }
    report('set_iam_policy', answered.map(bindings));
    if (canGet) {
      report('get_iam_policy_again', await get());
    }
    const {etag} = answered[0];
    await set(this.api, etag);
    report('set_iam_policy_stale', await refused(() => set(this.api, etag)));
    const tested = [];
    for (const name of all) {
      const permissions = ['apigateway.apis.get'];
      const [response] = await this.iam.testIamPermissions({resource: name, permissions});
      tested.push(response.permissions);
    }
    report('test_iam_permissions', tested);
  }

  async errors() {
    report('not_found', await refused(() => this.client.getApi({name: `${this.home}/apis/none`})));
    report('invalid_argument', await refused(
      () => this.client.listApis({parent: this.home, filter: 'colour = red'})));
    report('delete_api_in_use', await refused(() => this.client.deleteApi({name: this.api})));
    report('delete_config_in_use', await refused(
      () => this.client.deleteApiConfig({name: this.configNames[1]})));
  }

  async deletes() {
    const [deleting] = await this.client.deleteGateway({name: this.gateway});
    await ended(deleting);
    report('delete_gateway', await refused(() => this.client.getGateway({name: this.gateway})));
    const started = await Promise.all(
      this.configNames.map(name => this.client.deleteApiConfig({name})));
    await Promise.all(started.map(([operation]) => ended(operation)));
    report('delete_configs', await names(this.client.listApiConfigsAsync({parent: this.api})));
    const [last] = await this.client.deleteApi({name: this.api});
    await ended(last);
    report('delete_api', await names(this.client.listApisAsync({parent: this.home})));
  }

  async slowly() {
    const [creating] = await this.client.createApi({parent: this.home, apiId: 'held', api: {}});
    report('start', {done: creating.done, ...metadata(creating.metadata)});
    const taken = await this.client.checkCreateApiProgress(creating.name);
    report('resume', {done: taken.done, ...metadata(taken.metadata)});
    const running = await items(
      this.operationsClient.listOperationsAsync({name: this.home, filter: 'done = false'}));
    report('list_running', running.map(operationState));
    report('busy', await refused(() => this.client.deleteApi({name: `${this.home}/apis/held`})));
    await creating.cancel();
    report('cancel', await refused(() => ended(creating)));
    const [cancelled] = await this.operationsClient.getOperation({name: creating.name});
    report('cancelled', operationState(cancelled));
    const [other] = await this.client.createApi({parent: this.home, apiId: 'other', api: {}});
    await this.operationsClient.cancelOperation({name: other.name});
    const [by] = await this.operationsClient.getOperation({name: other.name});
    report('cancel_by_name', operationState(by));

    // By default the client retries some codes.
    const options = {retry: {retryCodes: []}};
    const create = apiId => this.client.createApi({parent: this.home, apiId, api: {}}, options);
    const [doomed] = await create('doomed');
    report('create_doomed', await refused(() => ended(doomed)));
    const codes = [];
    for (let number = 1; number <= 16; number += 1) {
      codes.push(await refused(() => create(`code-${number}`)));
    }
    report('every_code', codes);
  }
}

/** Returns the result of an operation, or throws its error. */
async function ended(operation) {
  const [result] = await operation.promise();
  return result;
}

function resource(message, type) {
  const {name, displayName, labels} = message;
  // A response has the name of the state. The result of an operation may have its number.
  const state = typeof message.state === 'number' ? type.State[message.state] : message.state;
  const outcome = {name, state, display_name: displayName, labels};
  return type === v1.Gateway ? {...outcome, config: message.apiConfig} : outcome;
}

function contents(config) {
  const documents = config.openapiDocuments.map(({document}) => [
    document.path,
    Buffer.from(document.contents).toString(),
  ]);
  return {name: config.name, documents};
}

function metadata({verb, target, requestedCancellation}) {
  return {verb, target, requested: requestedCancellation};
}

function operationState(operation) {
  const unpacked = v1.OperationMetadata.decode(operation.metadata.value);
  const outcome = {done: operation.done, ...metadata(unpacked)};
  return operation.error ? {...outcome, code: gax.Status[operation.error.code]} : outcome;
}

function bindings(policy) {
  return {
    etag: policy.etag.length > 0,
    bindings: policy.bindings.map(({role, members}) => [role, members]),
  };
}

async function items(iterable) {
  const all = [];
  for await (const item of iterable) {
    all.push(item);
  }
  return all;
}

async function names(iterable) {
  return (await items(iterable)).map(item => item.name);
}

/** Describes the error of a call, as the client shows it. */
async function refused(call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) {
    throw new Error('the call did not fail');
  }
  if (error.constructor.name === 'GaxiosError') {
    // Over REST, google-gax 5 throws the errors of its HTTP client unchanged (googleapis/gax-nodejs#1803). The
    // code of such an error is the HTTP status, and its message is the body. `parseHttpError` converts it.
    error = gax.GoogleError.parseHttpError(JSON.parse(error.message));
  }
  const details = {};
  for (const detail of error.statusDetails ?? []) {
    if (detail.fieldViolations) {
      details.BadRequest = detail.fieldViolations.map(violation => violation.field);
    } else if (detail.resourceName) {
      details.ResourceInfo = detail.resourceName;
    } else if (detail.reason) {
      details.ErrorInfo = true;
    }
  }
  return {
    code: gax.Status[error.code] ?? null,
    message: error.message,
    reason: error.reason ?? null,
    details,
  };
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
