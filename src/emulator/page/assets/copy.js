// The commands that repeat a call or read a resource. No DOM.

import {parts} from './text.js';

/** Quotes a word for the shell. */
export function quote(word) {
	if (/^[\w@%+=:,./-]+$/.test(word)) return word;
	if (!/[\p{Cc}\p{Cf}]/u.test(word)) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
	return `$'${word.replace(/[\\']/g, '\\$&').replace(/[\p{Cc}\p{Cf}]/gu, char => `\\U${char.codePointAt(0).toString(16).padStart(8, '0')}`)}'`;
}

const camel = name => name.replace(/_(\w)/g, (_, char) => char.toUpperCase());

/** Query parameters of a value: nested fields as `a.b`, lists repeated. */
function query(path, value) {
	if (Array.isArray(value)) return value.flatMap(item => query(path, item));
	if (value && typeof value === 'object') return Object.entries(value).flatMap(([name, inner]) => query(`${path}.${name}`, inner));
	return [[path, value]];
}

/** The path, with its query, and the body of a request, by the HTTP rule of its method. */
export function httpRequest({template, body}, {'@type': _, ...rest}) {
	const all = {...rest};
	let path = template.replace(/\{([\w.]+)[^}]*\}/g, (_, field) => {
		delete rest[field];
		return encodeURI(field.split('.').reduce((inner, name) => inner?.[camel(name)], all) ?? '').replace(/[?#]/g, encodeURIComponent);
	});
	if (body === '*') return {path, body: rest};
	const field = camel(body ?? '');
	const parameters = new URLSearchParams(Object.entries(rest).flatMap(([name, value]) => (name === field ? [] : query(name, value))));
	if (parameters.size) path += `?${parameters}`;
	return {path, body: body && (rest[field] ?? {})};
}

export function curl(origin, method, request) {
	if (!method.template) return '';
	const {path, body} = httpRequest(method, request);
	const verb = method.verb === (body ? 'POST' : 'GET') ? '' : ` --request ${method.verb}`;
	return `curl${verb} ${quote(origin + path)}${body ? ` --json ${quote(JSON.stringify(body))}` : ''}`;
}

export function grpcurl(origin, {service, name}, {'@type': _, ...message}) {
	const [scheme, host] = origin.split('://');
	return `grpcurl ${scheme === 'https' ? '-insecure' : '-plaintext'} -d ${quote(JSON.stringify(message))} ${quote(host)} ${service}/${name}`;
}

const NOUNS = {Api: 'apis', ApiConfig: 'api-configs', Gateway: 'gateways', Operation: 'operations', Location: 'locations'};

/** The `apigw` command of a call, if there is one. */
export function apigw(origin, {name: method}, request) {
	const [, verb, kind] = method.match(/^([A-Z][a-z]+)(\w+?)s?$/);
	const noun = NOUNS[kind];
	if (!noun) return '';
	const field = kind[0].toLowerCase() + kind.slice(1);
	const value = request[field] ?? {};
	const flags = {
		'display-name': value.displayName,
		[verb === 'Create' ? 'labels' : 'update-labels']: value.labels && Object.entries(value.labels).map(pair => pair.join('=')).join(),
		'api-config': value.apiConfig,
		'backend-auth-service-account': value.gatewayServiceAccount,
		'openapi-spec': value.openapiDocuments?.map(it => it.document?.path).join(),
		'grpc-files': value.grpcServices?.map(it => it.fileDescriptorSet?.path).join(),
	};
	let {name = value.name} = request;
	if (verb === 'Create') name = `${request.parent}/${kind === 'ApiConfig' ? 'configs' : noun}/${request[`${field}Id`]}`;
	if (verb === 'List') {
		const {projects, locations, apis} = parts(request.parent ?? name);
		Object.assign(flags, {project: projects, api: apis, filter: request.filter, location: /Gateway|Operation/.test(kind) && locations});
		name = '';
	}
	// A name that begins with `-` has no command, since the command would read the name as a flag. Clients can send any name.
	if (name?.startsWith('-')) return '';
	const words = ['apigw', noun, verb === 'Get' ? 'describe' : verb.toLowerCase(), name, ...Object.entries(flags).map(([flag, text]) => text && `--${flag}=${text}`)];
	return `APIGATEWAY_EMULATOR_HOST=${quote(origin.replace('http://', ''))} ${words.filter(Boolean).map(quote).join(' ')}`;
}

/** For each language, a program that uses the emulator at a URL. */
export function programs({host, hostname, port, origin, protocol}) {
	const isTls = protocol === 'https:';
	return {
		Rust: `let client = apigateway_grpc::ApiGateway::builder().endpoint("${origin}").anonymous().build()?;`,
		Python: `import grpc
from google.cloud.apigateway_v1 import ApiGatewayServiceClient
channel = grpc.${isTls ? `secure_channel("${host}", grpc.ssl_channel_credentials())` : `insecure_channel("${host}")`}
client = ApiGatewayServiceClient(transport=ApiGatewayServiceClient.get_transport_class("grpc")(channel=channel))`,
		Node: `const {ApiGatewayServiceClient} = require('@google-cloud/api-gateway');
const {GoogleAuth, googleAuthLibrary, grpc} = require('google-gax');
const auth = new GoogleAuth({authClient: new googleAuthLibrary.PassThroughClient()});
const sslCreds = grpc.credentials.create${isTls ? 'Ssl' : 'Insecure'}();
const client = new ApiGatewayServiceClient({apiEndpoint: '${hostname}', port: ${port || 443}, auth, sslCreds});`,
		Shell: `export APIGATEWAY_EMULATOR_HOST=${isTls ? origin : host}\napigw apis create hello --project=demo`,
	};
}
