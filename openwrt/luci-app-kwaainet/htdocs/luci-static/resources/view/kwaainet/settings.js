'use strict';
'require form';
'require rpc';
'require uci';
'require view';
'require kwaainet.node as node';
'require kwaainet.options as options';
'require kwaainet.schema as schema';
'require kwaainet.week as week';

// The options of the node as a form, made of kwaainet.schema. A value stays as it was written until
// somebody changes it, and what is at its default is not written at all.

const CONFIG = 'kwaainet', FIRST = 'main';

const callLeases = rpc.declare({ object: 'luci-rpc', method: 'getDHCPLeases', expect: { dhcp_leases: [] } });
const callDevices = rpc.declare({ object: 'luci-rpc', method: 'getNetworkDevices', expect: { '': {} } });

const names = (section) => Object.keys(section || {}).filter((name) => name[0] != '.');
const toList = (value) => Array.isArray(value) ? value : String(value || '').split(/[\s,]+/).filter(Boolean);
const same = (one, other) => one.length == other.length && one.every((item) => other.includes(item));

/* --- widgets --- */

const Flag = form.Flag.extend({
	load: function (section_id) {
		const value = this.super('load', [ section_id ]);

		return options.bool(value) || value;
	},

	// LuCI's label does not name its box to a screen reader.
	renderWidget: function (...args) {
		return Promise.resolve(this.super('renderWidget', args)).then((node) => {
			node.querySelector('input[type=checkbox]').setAttribute('aria-label', this.title);
			return node;
		});
	},

	// A flag that is left alone is not written: neither its default, nor 1 for yes.
	parse: function (section_id) {
		const was = this.cfgvalue(section_id);

		if (this.isActive(section_id) && this.isValid(section_id)
				&& this.formvalue(section_id) == (was != null ? was : this.default))
			return Promise.resolve();

		this.rmempty = false;
		return this.super('parse', [ section_id ]);
	},
});

const Choice = form.ListValue.extend({
	// What the file has is offered, even if it is wrong.
	load: function (section_id) {
		const value = this.super('load', [ section_id ]);

		if (value != null && !this.keylist.includes(String(value)))
			this.value(value);

		return value;
	},
});

const Choices = form.MultiValue.extend({
	load: function (section_id) {
		const value = this.super('load', [ section_id ]);

		return value == null ? value : toList(value);
	},

	formvalue: function (section_id) {
		const was = toList(this.cfgvalue(section_id)), value = toList(this.super('formvalue', [ section_id ]));

		return same(was, value) ? was : value;
	},
});

const List = form.DynamicList.extend({
	load: function (section_id) {
		const value = this.super('load', [ section_id ]);

		return value == null ? value : toList(value);
	},
});

function widget(option) {
	if (option.kind == 'bool')
		return Flag;
	if (option.choices)
		return option.many ? Choices : Choice;

	return option.many ? List : form.Value;
}

// LuCI calls it with a text, with an item that is about to be added to a list, or with '' for
// whatever else the widget holds.
function validate(section_id, value) {
	const element = this.getUIElement(section_id), told = this.told;

	if (told.kind == 'bool') {
		const was = this.cfgvalue(section_id);

		return was == null || element && element.isChanged() || options.check(told, was) === '' || options.check(told, was);
	}
	if (value === '')
		value = this.formvalue(section_id);
	if (told.many && Array.isArray(value)) {
		const pending = element && element.node.querySelector('.add-item > input');

		return options.checkList(told, value.concat(pending && pending.value && !value.includes(pending.value) ? pending.value : [])) || true;
	}
	if (value == null || value === '')
		return told.required ? options.missing(told) : true;

	return options.check(told, value) || true;
}

function describe(told) {
	return [
		told.help,
		told.range && `(${told.range.replace(' to ', ' – ')}${told.unit ? ' ' + told.unit : ''}${told.zero ? ', ' + told.zero : ''})`,
		told.hard && _('Takes effect by a restart of the node.'),
	].filter(Boolean).map((text) => '%h'.format(text)).join(' ');
}

function addOption(section, tab, told) {
	const args = [ widget(told), told.name, told.title, describe(told) ];
	const option = tab ? section.taboption(tab, ...args) : section.option(...args);

	option.told = told;
	option.validate = validate;
	option.retain = true; // what is hidden is not forgotten
	option.textvalue = function (section_id) {
		const value = this.cfgvalue(section_id);

		return '%h'.format([].concat(value == null ? [] : value).join(', ') || told.initial || '–');
	};
	if (told.needs)
		option.depends(told.needs, '1');
	if (told.kind == 'bool') {
		option.default = told.initial;
	}
	else if (told.choices && !told.many) {
		option.optional = true;
		option.value('', _('%s (default)').format(told.initial));
		told.choices.filter((choice) => choice != told.initial).forEach((choice) => option.value(choice));
	}
	else {
		if (told.choices)
			told.choices.forEach((choice) => option.value(choice));
		option.placeholder = told.initial || (told.required || !told.many ? null : _('none'));
	}

	return option;
}

/* --- sections --- */

// A table of the sections of one type.
const Table = form.GridSection.extend({
	// Nor is the dialog named by its heading.
	renderMoreOptionsModal: function (...args) {
		return this.super('renderMoreOptionsModal', args).then((shown) => {
			document.querySelector('#modal_overlay > .modal').setAttribute('aria-label', this.title);
			return shown;
		});
	},

	// The page is drawn anew afterwards, and what stands in its fields would be lost.
	handleModalSave: function (...args) {
		return this.map.parse().catch(() => {}).then(() => {
			this.map.tidy();
			return this.super('handleModalSave', args);
		});
	},
});

// The table of time windows, with the week above it.
const Windows = Table.extend({
	rows: function () {
		return this.cfgsections().map((sid) => {
			const get = (name) => uci.get(CONFIG, sid, name);

			return {
				sid,
				days: toList(get('days')),
				start: get('start') || '00:00',
				end: get('end') || '24:00',
				mode: get('mode') || 'full',
				other: names(uci.get(CONFIG, sid)).some((name) => ![ 'days', 'start', 'end', 'mode' ].includes(name)),
			};
		});
	},

	// Sets the windows of the picture, which stand before all others. `lead`: how many there were.
	paint: function (cells, lead) {
		const rows = this.rows(), windows = week.write(cells), next = rows[lead];

		if (windows.length + rows.length - lead > schema.maxRepeated)
			return _('This takes more than %d windows.').format(schema.maxRepeated);

		windows.forEach((window, i) => {
			const sid = i < lead ? rows[i].sid : uci.add(CONFIG, this.sectiontype);

			for (const name of [ 'days', 'start', 'end', 'mode' ])
				uci.set(CONFIG, sid, name, window[name].length ? window[name] : null);
			if (i >= lead && next)
				uci.move(CONFIG, sid, next.sid, false);
		});
		rows.slice(windows.length, Math.max(lead, windows.length)).forEach((row) => uci.remove(CONFIG, row.sid));
		this.redraw();
	},

	// Draws the table anew, not the week: it keeps the focus.
	redraw: function () {
		return this.load().then(() => this.super('render', [])).then((fresh) => {
			const table = (node) => node.querySelector('.cbi-section-table');

			table(this.node).replaceWith(table(fresh));
		});
	},

	render: function () {
		return this.super('render', []).then((node) => {
			const painted = week.render(() => this.rows(), (cells, lead) => this.paint(cells, lead), this.map.readonly);

			this.node = node;
			node.insertBefore(painted, node.querySelector('.cbi-section-table'));
			node.addEventListener('dragend', painted.draw);
			node.addEventListener('touchend', painted.draw);
			return node;
		});
	},
});

function addTable(parent, told) {
	const kind = told.name == 'schedule' ? Windows : Table;
	const section = parent.taboption(told.tab, form.SectionValue, '_' + told.name, kind, told.name, told.title, '%h'.format(told.help)).subsection;

	section.anonymous = section.addremove = section.sortable = section.nodescriptions = true;
	section.modaltitle = told.title; // never of what the file says
	told.options.forEach((option) => addOption(section, null, option).modalonly = option.basic ? null : true);
	return section;
}

// The options that matter, and a second tab with all others.
function addSection(parent, told) {
	if (told.name == CONFIG) {
		told.options.forEach((option) => addOption(parent, option.basic ? told.tab : 'advanced', option));
		return parent;
	}

	const section = parent.taboption(told.tab, form.SectionValue, '_' + told.name, form.NamedSection, told.sid, told.name, told.title, '%h'.format(told.help)).subsection;
	const both = told.options.some((option) => option.basic) && !told.options.every((option) => option.basic);

	if (both) {
		section.tab('basic', _('General Settings'));
		section.tab('rest', _('Advanced Settings'));
	}
	told.options.forEach((option) => addOption(section, both && (option.basic ? 'basic' : 'rest'), option));
	return section;
}

/* --- sections that the file lacks --- */

// There is one while the form is shown, for LuCI to write to, and none in the file unless it holds
// something. One that was empty before is left where it is.
const Sections = {
	load: function () {
		return uci.load(CONFIG).then(() => this.prepare()).then(() => form.Map.prototype.load.call(this));
	},

	prepare: function () {
		for (const told of schema.sections.filter((told) => !told.many)) {
			const found = uci.sections(CONFIG, told.name)[0], name = told.name == CONFIG ? FIRST : told.name;

			told.sid = found ? found['.name'] : uci.add(CONFIG, told.name, uci.get(CONFIG, name) ? null : name);
			told.ours = !found || told.ours || names(uci.get(CONFIG, told.sid)).length > 0;
			(this.shown || []).filter((section) => section.sectiontype == told.name).forEach((section) => section.section = told.sid);
		}
	},

	tidy: function () {
		for (const told of schema.sections.filter((told) => !told.many))
			if (told.ours && !names(uci.get(CONFIG, told.sid)).length)
				uci.remove(CONFIG, told.sid);
	},

	parse: function () {
		this.prepare();
		return form.Map.prototype.parse.call(this).then(() => this.tidy());
	},

	// What was painted or moved is not in the fields: it goes with the rest.
	reset: function () {
		uci.unload(CONFIG);
		return this.render();
	},
};

function suggest(option, values) {
	for (const [ value, title ] of values)
		option.value(value, title);
}

return view.extend({
	load: function () {
		return Promise.all([ L.resolveDefault(callLeases(), []), L.resolveDefault(callDevices(), {}), this.read() ]);
	},

	// What keeps LuCI from reading the file, in the node's words; nothing if it can.
	read: function () {
		return uci.load(CONFIG).then(() => '', (error) => node.check().then((found) => found.error || error.message));
	},

	render: function ([ leases, devices, unreadable ]) {
		if (unreadable) {
			this.handleSave = this.handleSaveApply = this.handleReset = null;

			return E('div', { 'class': 'alert-message error', 'role': 'alert' }, [
				E('h4', {}, [ _('The configuration is refused') ]),
				E('p', {}, [ unreadable ]),
				E('p', {}, [ _('LuCI cannot read the file either. Correct it in a shell.') ]),
			]);
		}

		const map = Object.assign(new form.Map(CONFIG, _('KwaaiNet'), _('Settings of the node. What is left empty has its default, which is shown in grey.')), Sections);
		const find = (section, name) => section.children.find((option) => option.option == name);
		const cards = Object.keys(devices).sort().map((name) => [ name ]);

		map.prepare();

		const parent = map.section(form.NamedSection, schema.sections[0].sid, CONFIG);
		const sections = {};

		schema.tabs.forEach((tab) => parent.tab(tab.name, tab.title));
		schema.sections.forEach((told) => sections[told.name] = (told.many ? addTable : addSection)(parent, told));
		map.shown = Object.values(sections);

		suggest(find(sections.wake, 'mac'), leases.map((lease) => [ lease.macaddr.toLowerCase(), '%s (%s)'.format(lease.hostname || lease.ipaddr, lease.macaddr) ]));
		suggest(find(sections.wake, 'interface'), cards);

		return map.render();
	},
});
