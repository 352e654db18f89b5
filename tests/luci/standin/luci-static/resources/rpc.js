'use strict';
'require baseclass';
'require request';

/*
 * Stands in for LuCI's rpc.js: calls of one turn go together in one request, as there. A call that
 * ubus refuses resolves with the status alone unless it is declared with `reject`; one that uhttpd
 * refuses is an RPCError in any case.
 */

const STATUS = ['Command OK', 'Invalid command', 'Invalid argument', 'Method not found',
	'Resource not found', 'No data received', 'Permission denied', 'Request timeout', 'Not supported',
	'Unspecified error', 'Connection lost'];

const fail = (text, ...values) => {
	const error = new Error(text.format(...values));
	error.name = 'RPCError';
	throw error;
};

let number = 1;
let waiting = [];

const flush = async () => {
	const batch = waiting;
	waiting = [];
	try {
		const answer = await request.post(L.env.ubuspath, batch.map((each) => each.message));
		if (!answer.ok)
			fail('RPC call failed with HTTP error %d: %s', answer.status, answer.statusText);
		answer.json().forEach((reply, i) => batch[i].resolve(reply));
	}
	catch (error) {
		batch.forEach((each) => each.reject(error));
	}
};

const send = (method, params) => new Promise((resolve, reject) => {
	if (!waiting.length)
		requestAnimationFrame(flush);
	waiting.push({ message: { jsonrpc: '2.0', id: number++, method, params }, resolve, reject });
});

return baseclass.extend({
	declare({ object, method, params = [], expect, filter, reject }) {
		return async (...args) => {
			const given = Object.fromEntries(params.map((name, i) => [name, args[i]]));
			const reply = await send('call', [L.env.sessionid, object, method, given]);
			if (reply.error)
				fail('RPC call to %s/%s failed with error %d: %s',
					object, method, reply.error.code, reply.error.message);
			const [status, data] = reply.result ?? [];
			if (reject && status !== 0)
				fail('RPC call to %s/%s failed with ubus code %d: %s',
					object, method, status, this.getStatusText(status));
			let value = data === undefined ? status : data;
			for (const [key, otherwise] of Object.entries(expect ?? {}).slice(0, 1)) {
				if (key !== '')
					value = value?.[key];
				if (Object.prototype.toString.call(value) !== Object.prototype.toString.call(otherwise))
					value = otherwise;
			}
			return filter ? filter.call(this, value, given, ...args.slice(params.length)) : value;
		};
	},

	getStatusText: (code) => _(STATUS[code] ?? 'Unknown error code'),
	getSessionID: () => L.env.sessionid,
	getBaseURL: () => L.env.ubuspath,
});
