'use strict';
'require baseclass';
'require rpc';

/*
 * Stands in for LuCI's uci.js: what was loaded, what it is to be, and the calls that make the one of
 * the other. As there, nothing is known before load(), a new section has a made-up name until it is
 * saved, and an empty value removes an option.
 */

const call = (method, params, expect) => rpc.declare({ object: 'uci', method, params, expect, reject: true });
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const options = (section) => Object.entries(section).filter(([name]) => !name.startsWith('.'));

return baseclass.extend({
	__init__() {
		this.base = {};
		this.now = {};
		this.moved = {};
	},

	callLoad: call('get', ['config'], { values: {} }),
	callAdd: call('add', ['config', 'type', 'name', 'values'], { section: '' }),
	callSet: call('set', ['config', 'section', 'values']),
	callDelete: call('delete', ['config', 'section', 'options']),
	callOrder: call('order', ['config', 'sections']),
	changes: rpc.declare({ object: 'uci', method: 'changes', expect: { changes: {} } }),

	async load(packages) {
		const names = [].concat(packages).filter((name) => !this.now[name]);
		await Promise.all(names.map(async (name) => {
			this.base[name] = await this.callLoad(name);
			this.now[name] = structuredClone(this.base[name]);
		}));
		if (names.length)
			document.dispatchEvent(new CustomEvent('uci-loaded'));
		return names;
	},

	unload(packages) {
		[].concat(packages).forEach((name) => { delete this.base[name]; delete this.now[name]; });
	},

	resolveSID(config, sid) {
		const [, type, at] = /^@(\w+)\[(-?\d+)\]$/.exec(sid) ?? [];
		return type ? this.sections(config, type).at(+at)?.['.name'] ?? null : sid;
	},

	sections(config, type, callback) {
		const found = Object.values(this.now[config] ?? {})
			.filter((section) => !type || section['.type'] === type)
			.sort((a, b) => a['.index'] - b['.index'])
			.map((section) => ({ ...section }));
		if (callback)
			found.forEach((section) => callback.call(this, section, section['.name']));
		return found;
	},

	get(config, sid, option) {
		const section = this.now[config]?.[this.resolveSID(config, sid)];
		return (option == null ? section : section?.[option]) ?? null;
	},

	set(config, sid, option, value) {
		const section = this.now[config]?.[this.resolveSID(config, sid)];
		if (!section || option.startsWith('.'))
			return;
		if (value == null || value === '')
			delete section[option];
		else
			section[option] = value;
	},

	unset(config, sid, option) {
		this.set(config, sid, option, null);
	},

	get_first(config, type, option) {
		return this.get(config, this.sections(config, type)[0]?.['.name'], option);
	},

	add(config, type, name) {
		const sid = name || `new${Math.random().toString(16).slice(2, 8)}`;
		const last = Math.max(0, ...Object.values(this.now[config]).map((each) => each['.index'] + 1));
		this.now[config][sid] = { '.type': type, '.name': sid, '.anonymous': !name, '.index': last };
		return sid;
	},

	remove(config, sid) {
		delete this.now[config][sid];
	},

	move(config, sid, before, after) {
		const order = this.sections(config).map((section) => section['.name']).filter((name) => name !== sid);
		const at = before == null ? order.length : order.indexOf(before) + !!after;
		order.splice(at, 0, sid);
		order.forEach((name, i) => { this.now[config][name]['.index'] = i; });
		this.moved[config] = true;
		return true;
	},

	async save() {
		const changed = Object.keys(this.now).filter((config) => !same(this.base[config], this.now[config]));
		for (const config of changed)
			await this.write(config, this.base[config], this.now[config]);
		this.unload(changed);
		return this.load(changed);
	},

	async write(config, base, now) {
		const names = {};
		for (const sid of Object.keys(base).filter((sid) => !now[sid]))
			await this.callDelete(config, sid, null);
		for (const [sid, section] of Object.entries(now)) {
			const before = base[sid];
			if (before) {
				const gone = options(before).map(([name]) => name).filter((name) => !(name in section));
				const set = options(section).filter(([name, value]) => !same(before[name], value));
				if (gone.length)
					await this.callDelete(config, sid, gone);
				if (set.length)
					await this.callSet(config, sid, Object.fromEntries(set));
				continue;
			}
			const name = section['.anonymous'] ? undefined : sid;
			names[sid] = await this.callAdd(config, section['.type'], name, Object.fromEntries(options(section)));
		}
		const order = Object.values(now).sort((a, b) => a['.index'] - b['.index']).map((each) => each['.name']);
		if (this.moved[config])
			await this.callOrder(config, order.map((sid) => names[sid] ?? sid));
		this.moved[config] = false;
	},
});
